// Package node is the agent: it wires the rooms, keeps the machine where the ledger wants it, and
// answers the local API.
//
// Start opens the state directory and brings everything up; Close takes it down in the opposite
// order. Between the two, a few loops carry things from room to room:
//
//	mesh: a peer came or went  ──► gossip (members, replication), swarm
//	ledger: an entry was stored ──► gossip pushes it on
//	ledger: the view changed    ──► what this node should run ──► deploy; addresses ──► mesh
//	deploy, store: news         ──► the node's report, a register entry in the ledger
//
// What touches the outside is handed in by the caller through Config: files, the ledger's storage,
// drivers, packet sockets, the clock.
package node
