// Package lab makes sites of hosts behind thin, shared uplinks out of Linux network namespaces, for real
// processes and sockets. It is to the kernel what package network is to virtual time: the same sites,
// links, cuts and counters, by the same words. It needs Linux, root and iproute2 (ip, tc), and leaves
// the machine's own network alone.
//
// # Layout
//
//	                     selvage-PID                 the core: routes between sites, without any limit
//	                s0 /             \ s1            down: tc tbf
//	              wan0 |             | wan0          up: tc tbf
//	   selvage-PID.hq                selvage-PID.store     a router for each site
//	              br0 |              | br0           a bridge, the site's LAN
//	             eth0 |              | eth0
//	selvage-PID.hq.n0                selvage-PID.store.n0  hosts
//
// The host k of site i is 10.i/256.i%256.k, as in package network; the router is 254 there. 'ip netns exec
// selvage-PID.hq.n0 sh' is a shell on a host. Between core and router are addresses of 198.18.0.0/15, which
// RFC 2544 sets aside for such things. There is no IPv6.
//
// # What a link is made of
//
// Rate and queue of an uplink are the kernel's: a token bucket (tc tbf) where packets leave for it,
// with a bucket of some milliseconds, and as much room to wait as the link's Queue. Ethernet's headers
// are taken off again (tc stab), and packets are never sent in lumps (gso_max_segs 1), so that the
// bucket counts the bytes that package network counts: those from the IP header on.
//
// What happens to a packet once it was sent (MTU, loss, latency, jitter, reordering, a second copy)
// few kernels can do (tc netem), and none exactly as the scenario says. Where a link wants any of it, its packets are
// routed through a TUN device behind the bucket and a network.Wire of this process, which is the model
// itself. Duties, budgets and CoDel are about the queue: a link that has one of them is a Wire as a whole,
// without a bucket.
//
// Cuts are policy routes: a rule of type blackhole, in every router and, for what never leaves a LAN, in
// its hosts, where packets come in. What is sent is dropped before it uses an uplink; nobody is told.
//
// What the lab cannot do it refuses with an *Unable, before anything is made: NAT, and a LAN that is
// anything but fast.
//
// # Order of calls
//
//	l, err := lab.New()
//	s, err := l.AddSite("hq", network.SiteConfig{Up: network.Link{Rate: 16e6}, Down: network.Link{Rate: 16e6}})
//	h, err := s.AddHost("n0")
//	err = h.Start(exec.Command("selvage", "up", "--listen", h.Addr().String()+":4747"))
//	cut, err := l.Cut(s, lab.Anywhere, false)
//	err = cut.Heal()
//	err = s.SetUplink(up, down)
//	c, err := s.Counters()
//	err = l.Close()
//
// Close kills whatever still runs in the lab's namespaces, and removes them. A lab whose process was
// killed stays; New removes it, with all that still runs there, once that process is gone.
package lab
