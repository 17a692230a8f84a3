// Package native plays scenarios with many real nodes in one process, in virtual time.
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
// of the machine's scheduler, so two runs with one seed are alike, but not equal.
//
// A machine that is killed loses its sockets and its disk at one instant, though its goroutines take
// a while to end: what they do in that time reaches nothing.
package native
