// Package mesh makes nodes reach each other, and is the only room that opens peer sockets.
//
// A Host is a libp2p swarm over QUIC, so both ends of a connection have proved their keys (TLS
// 1.3) before the first byte. On top, each new connection runs the hello handshake; until both
// ends have accepted, no other protocol is served and none is opened. There is no identify and
// no ping: a peer that is not admitted learns the host's key, which it dialled, and the reason
// for which it was refused.
//
// Streams are net.Conns, opened to a node and a protocol:
//
//	stream   protocol length, 1 byte; protocol; then what the protocol says
//
// # Hello, /selvage/hello/1
//
// The dialler opens the stream; both ends then do the same, within HelloTimeout. A frame is its
// length in 4 bytes, big endian, and deterministic CBOR:
//
//	hello     {1 fleet, 2 credential, 3 charter version, 4 protocols, 5 ledger digest, 6 addresses, 7 incarnation}
//	charters  [envelope as JSON, ...]    the versions that the other lacks, at most 16
//	verdict   {1 ok, 2 code, 3 text}
//
// The incarnation is a random number made at start: a peer that comes with another one has
// restarted, and its old connections are closed at once instead of when they time out.
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
