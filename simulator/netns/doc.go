// Package netns plays scenarios with the real binary: each node is a process of 'selvage up' with a state
// directory of its own, on a host of package lab, behind uplinks that the kernel shapes, in real time.
// It needs Linux, root and iproute2, and some CPU for each node.
//
// # What is real and what is not
//
// People work through the command line (init, invite, join, seed, apply) and the API's socket. A crash is
// SIGKILL, a pause SIGSTOP, a suspended machine that and a cut (its monotonic clock goes on, though), a
// full disk a file system without room, a cut a policy route. A backup is a copy of the state
// directory while the node is stopped for a moment, and so what a crash at that moment would leave.
//
// The story's time begins when the fleet is founded and all nodes answer; what it says is to be done at a
// time is done as soon after that as the machine can. What nodes tell is asked for when one of them logs something,
// and every half second: a deployment that got everywhere is noticed up to that much later.
//
// Some of a scenario this engine cannot do, and refuses before it makes anything, with a *lab.Unable: wrong
// clocks and slow disks (all processes of a machine share them), a power cut (the page cache of a process that is killed
// stays), a node that serves corrupt chunks, and what package lab does not have.
//
// Content is as the scenario's seed says, and so are random faults; keys and all else are not. No
// two runs are equal.
package netns
