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
//	ledger: a revocation came   ──► mesh has nothing to do with who was revoked, or with anybody
//	gossip: a mate came or went ──► the site's beacon, a register entry in the ledger
//	ledger: a lease record came ──► lead, which decides who leads the site, and writes such records
//	lead: this node leads       ──► renewals of its mates' credentials, register entries in the ledger
//	ledger: a site config came  ──► who may vote and renew here; for which other sites this node votes
//
// # Who is alive
//
// Reports say what a node does, and are published when that changes. That it is there is for its
// site's beacon to say, which is published when that changes, and at a pace: 3 s for each site of the
// fleet, from 10 s to 10 min. Members of the site take turns, who leads it first (herald); mates know
// of each other by gossip. A node counts as reachable
//
//   - if it is this one, or a live mate;
//   - if a beacon of its site that counts lists it: one that came within three paces, and that no
//     other beacon of the site ends;
//   - if it has reported within 15 s, or since the site's newest beacon came and within 30 s;
//   - if it is connected, and no beacon of its site has ever come.
//
// So a dead node is seen to be dead by other sites after some 15 s, and a site that is cut off, or a
// node that was alone in its site, after three paces: 30 s in a fleet of up to three sites, 15 min in
// one of 100. A node that holds its uplink says so in its report, and is unreachable for other sites
// from then on.
//
// A beacon of whoever is a member of the site counts. So a member that lies can have its mates taken
// for dead or alive, and nobody of other sites. It is what people are shown and what a rollout waits
// for; no right follows from it.
//
// # Patches
//
// A release can list patches from the blobs of earlier versions. To get a blob the node takes what is
// least to fetch: such a patch, or what is missing by chunks (cheapestPatch). A patch that turns out bad,
// or does not come, leaves it to chunks. How each blob came is in the list of blobs, for as long as the
// node is up.
//
// # Revocation
//
// The ledger says who is revoked, and the node has nothing to do with them: on sight of a revocation
// connections with the node close, and none is made any more. A node that learns that it was revoked
// itself closes all of its connections for good, takes nothing to publish, and says so in its status. What
// it runs goes on running: to stop a till is for people to decide. Since nobody talks to it any more, it
// would not learn of its revocation: who refuses it hands it the statement, which it checks, and puts
// into its own ledger, so that it knows after a restart too.
//
// What touches the outside is handed in by the caller through Config: files, the ledger's storage,
// drivers, packet sockets, the clock.
package node
