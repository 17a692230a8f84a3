// Package network is a virtual packet network under QUIC, for many real nodes in one process. It
// usually lives in a bubble of testing/synctest, where a day without packets costs nothing; outside
// of one it works in real time.
//
// # Words
//
// A Net has sites. A Site is hosts on a LAN, behind one uplink. A Host is a machine: it opens sockets,
// and is what a node gets as its mesh.Sockets. A Link is what one direction of an uplink, or a LAN, is
// like; a pipe is a link at work. A Cut is a fault, and lasts until it is healed.
//
// # Model
//
// A packet takes this way, and at each arrow leaves the link before and is offered to the one after:
//
//	sender → LAN → NAT → uplink up → core → uplink down → NAT → LAN → receiver
//
// In one site it takes the LAN only, and to its own host no link at all. Each direction of an uplink is
// one queue for all hosts of the site, and so is the LAN, as a radio or a hub is: one Link, whose rate
// all share, which a packet crosses once, either way. The core has no limits and takes no time.
//
// A link handles a packet in this order, and each step may be the last:
//
//  1. the MTU, the duty, and whether the budget is spent, when the packet comes;
//  2. the queue: there is room or not; nothing waits if the rate is unlimited;
//  3. CoDel, the duty and the budget, when it is the packet's turn;
//  4. sending: size / rate; it uses the link from here on, also if it is lost;
//  5. loss: constant, and in bursts;
//  6. latency and jitter, reordering, and maybe a second copy right behind.
//
// Sizes are on the wire: the payload and Headers. What is dropped is not told to the sender: there
// is no ICMP.
//
// A host has one IPv4 address, 10.x.y.z with x and y from the number of its site. Without NAT that is its
// address everywhere. Behind one, other sites see it at an address 11.x.y.1 of its site and at a port
// that the NAT chose, which see the type NAT.
//
// # Order of calls
//
//	n, err := network.New(network.Config{Rand: rand.NewPCG(seed, 0)})
//	s, err := n.AddSite("s1", network.SiteConfig{Up: network.Link{Rate: 1e6, Latency: 40 * time.Millisecond}})
//	h, err := s.AddHost("n1")
//	m, err := mesh.New(mesh.Config{Sockets: h, Listen: []string{h.Addr().String() + ":4001"}, ...})
//	cut := n.Cut(s, network.Anywhere, false)
//	cut.Heal()
//	err = s.SetUplink(up, down)
//	err = n.Close()
//
// A crash of a machine is Down and CloseSockets; then its sockets can be opened anew, and Heal brings
// it back. A crash of a process is CloseSockets alone. Close the nodes before the Net, or their writes fail.
//
// Counters tell what went over a site's links and what a host sent and received. Config.Observe is told
// of each packet.
//
// # Time and chance
//
// Everything has its exact time in nanoseconds since New, and happens in that order, and where times are
// equal in the order in which it was decided. Only the hand-over to sockets waits for the next tick (see
// Config.Tick), so that a busy network wakes nodes some thousand times a second of virtual time, not
// a million times.
//
// All chance comes from Config.Rand. Each link and NAT has a generator of its own, seeded from there when
// its site is added. So one seed, and the same calls at the same times, give the same packets the same
// fate. Who sends from several goroutines has to order them: the network takes packets as they come.
//
// # Bounds
//
// MaxSites sites of MaxHosts hosts. Queues are bounded by Link.Queue; a socket holds 4 MiB that were not
// read; all links together hold 256 MiB, counted as QueueFull beyond; a NAT holds 16,384 mappings, and each
// lets in 4,096 remotes. What does not fit is dropped. There is one goroutine, and no timer for a packet;
// an idle host is a few hundred bytes.
//
// # What is not modelled
//
// IPv6, multicast and so mDNS, the loopback interface (write to the host's own address), ICMP, ECN,
// fragments, several uplinks or addresses, the switch of a LAN with a rate for each port, hairpins, UPnP, a
// NAT behind a NAT, limits of the core, and the time that a machine takes to handle a packet.
package network
