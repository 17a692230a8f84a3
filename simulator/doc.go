// Package simulator tells stories: a scenario's faults and work, the checks that have to hold
// while they go on, and what it all cost.
//
// A story is played on a Stage: machines with real nodes, and the network between them. An engine is
// a package that has one. The same scenario runs on each:
//
//	native   nodes in this process, in virtual time, on a virtual network and disk
//	replay   the native engine compiled to WASM, and run with seeded randomness
//	netns    the real binary in network namespaces, in real time
//
// # A story
//
//	Found     the fleet is founded at the first machine; the others are enrolled and started
//	play      acts (faults begin and end, work is done) at their times; after each, and whenever
//	          the stage says that something has changed, the checks are looked at
//	result    what held, what it cost
//
// Checks are looked at when the stage is settled, so nothing is seen half done. They see it only through what
// nodes tell of themselves and what is on their disks, so they do not depend on the engine.
package simulator
