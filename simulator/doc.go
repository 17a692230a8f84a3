// Package simulator plays scenarios: many real nodes on a virtual network, disk and clock, with
// faults, and invariants that are checked as the story goes.
//
// # What is real and what is not
//
// A node is a node.Node as 'selvage up' runs it: libp2p, QUIC, gossip, ledger, swarm, deployer. Given
// to it are the packet network (package network), the disk (memdisk), the ledger's log (memlog), the
// clock, and the one driver that needs no more than files (bundle). Time is virtual: the story runs in a
// testing/synctest bubble, in which the clock moves on when everybody waits.
//
// The network, the faults, the contents of releases and all keys come from the scenario's seed. The
// nodes themselves draw from the machine's randomness (TLS, QUIC, gossip), and goroutines run in the order
// of the machine's scheduler, so two runs with one seed are alike, but not equal. Package replay makes
// them equal, by playing all of this in WASM.
//
// # A story
//
//	newWorld     the network is laid, machines stand at the sites
//	found        the fleet is founded at the first machine; the others are enrolled and started
//	play         acts (faults begin and end, work is done) at their times; after each, and whenever
//	             a node says that something has changed, the checks are looked at
//	result       what held, what it cost
//
// Checks are looked at when all goroutines wait, so nothing is seen half done. A machine that is
// killed loses its sockets and its disk at one instant, though its goroutines take a while to end:
// what they do in that time reaches nothing.
package simulator
