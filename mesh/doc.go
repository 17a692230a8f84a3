// Package mesh makes nodes reach each other, and is the only room that opens peer sockets.
//
// A Host is a libp2p swarm over QUIC, so both ends of a connection have proved their keys (TLS
// 1.3) before the first byte. On top, each new connection runs the hello handshake; until both
// ends have accepted, no other protocol is served and none is opened. There is no identify and
// no ping: a peer that is not admitted learns what the hello says, and the reason for which it was
// refused; one that cannot name the fleet learns the fleet's ID only. Connections that are not
// admitted are few, and the oldest makes room.
//
// Streams are net.Conns, opened to a node and a protocol:
//
//	stream   protocol length, 1 byte, 1 to 64; protocol; then what the protocol says
//
// # Hello, /selvage/hello/1
//
// The dialler opens the stream and sends its hello, which the other end answers with its own; then
// both do the same, all within HelloTimeout. A frame is its length in 4 bytes, big endian, and
// deterministic CBOR:
//
//	hello     {1 fleet, 2 credential, 3 charter version, 4 protocols, 5 ledger digest, 6 addresses, 7 incarnation}
//	charters  [envelope as JSON, ...]    the versions that the other lacks, at most 16
//	verdict   {1 ok, 2 code, 3 text, 4 proof}
//
// The proof is the gate's own: with it the refused one need not take the other's word for the reason.
// The incarnation is a random number made at start: a peer that comes with another one has
// restarted, and its old connections are closed at once instead of when they time out. A peer that
// dials though this end takes it for connected has lost its end, and is treated likewise. When both
// ends dial at once, the one with the smaller ID refuses the other's connection with the code
// "twice", of which nobody is told.
//
// On Linux packets are read from the kernel in trains, see gather_linux.go.
//
// QUIC sends something every 15 s on an idle connection, and gives a silent one up after 30 s.
//
// # Who connects to whom
//
// What a host knows of other nodes is worth what it comes from: a node was met, or is vouched for
// (by the ledger, by the book of an earlier run), or there is hearsay. Only hearsay can be junk, so
// it is tried a little at a time and makes room first; of nodes whose site is not known either, such as those of a ticket, one
// a second, unless they were heard on the LAN. Choose, a pure function, decides whom to
// dial: everyone of the own site, a few own neighbours of other sites (one to four: a site has about
// twelve together), and stand-ins for those that do not answer. Stand-ins are given up when they are
// not needed any more, since every connection costs the uplink 40 bit/s though nothing happens. All who want a node share one dial, and a failed dial is followed by a back-off,
// which any sign of life of the node, its address or its site gives up.
//
// Whom its owner shuns, a host does not dial, nor tell others of. One that is retired has no connections at all.
//
// # Peers, /selvage/peers/1
//
// The opener reads [{1 node, 2 site, 3 addresses}, ...]: whom the other knows. Nodes of one
// site so find each other from the one address in a ticket.
//
// # Uplink
//
// Traffic with nodes of other sites is the uplink. It can be limited, by token buckets for each
// direction, and held. Bulk protocols wait for tokens; the others, control, take theirs without
// waiting, also on credit, so that bulk waits for them and never the other way round.
package mesh
