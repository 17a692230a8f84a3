// Package gossip spreads news: a Replicator keeps an append-only log equal on all nodes of a fleet,
// and a Membership knows which nodes of one site are alive. It knows the log's entries as opaque
// bytes.
package gossip
