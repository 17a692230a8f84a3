// Package ledger keeps what should run and who said so, and comes to the same answer on every node.
//
// # Words
//
// An entry is one signed record. A node writes its entries into feeds: a feed is an author, a
// scope and a lane. Scope "" is the whole fleet; else it is a site's name, and the entries stay at
// that site. The lane says how entries are kept: durable entries are hash-linked, numbered from 1
// without a gap, and kept for good (the audit log); of register entries only the newest with each
// key is kept, so their numbers have holes.
//
// Order travels in the feed, authority in the envelope: entries are signed by the nodes that
// author them, which says who passed a thing on and in which order; what an operator says
// (release, deployment, charter) is a DSSE envelope in the entry's body, and counts when the
// charter's keys for it signed it, whoever wrote the entry. A statement is known by the
// SHA-256 of its payload, so writing it twice changes nothing.
//
// # Entry
//
// Deterministic CBOR (RFC 8949, 4.2.1), an array of ten:
//
//	0 version  1
//	1 fleet    32 bytes
//	2 author   32 bytes, Ed25519 public key
//	3 seq      from 1, by feed
//	4 prev     SHA-256 of the entry before it in the feed; empty for the first and in registers
//	5 time     hybrid logical clock: unix milliseconds << 16 | counter
//	6 kind     below 128 durable, from 128 register
//	7 scope    "" or a site's name
//	8 key      what it is about, at most 256 bytes
//	9 body     at most 64 KiB
//
// followed by the 64 bytes of the author's signature over "selvage entry 1\x00" and the array.
//
// # Rules
//
// An entry is believed if its author signed it and is a member: an admission entry makes its own
// author one, by the credential in it. What cannot be judged yet (the author's admission or an
// earlier entry is missing) waits in a bounded room. A member's entries are kept and passed on
// whatever they hold, for others may know how to read what this version does not; the fold
// takes from them what the charter authorises.
//
// Two different entries with one feed and number prove that the author forked its feed: it
// restored an old backup, or it lies. The proof is kept and passed on, the author is quarantined,
// the feed is closed. What operators signed stays in force.
//
// # Guarantees
//
// Nothing is told to anyone (OnStored, queries, Read) before it is durable. The answers to
// queries depend on the set of entries and not on the order in which they came. A batch is stored
// whole or not at all. Limits: a member that floods the ledger is not stopped here; entries that
// a forked author wrote on one branch only need not reach those who saw the other.
package ledger
