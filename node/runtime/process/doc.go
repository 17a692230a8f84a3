// Package process runs native programs: an adapter for os/exec.
//
// The blob is written to the slot as an executable file, and its digest is checked again whenever
// it is about to run: what a program does to its own file or directory is undone when it is started again. The program runs in a process group of its own with
//
//	directory     run/<deployment>/data, which stays until Remove
//	environment   PATH, LANG and TZ of the node; HOME, that directory; the workload's variables;
//	              PORT, SELVAGE_RELEASE, SELVAGE_NODE, SELVAGE_SITE, and of a singleton SELVAGE_EPOCH.
//	              Nothing else of the node's.
//	stdin         empty
//	stdout,       together in run/<deployment>/log, which becomes log.1 when it would grow
//	stderr        beyond 1 MiB; the log.1 before it is lost
//
// PORT is Workload.Port, or a port that was free when the instance started and that it keeps
// over restarts. The program listens there itself, by its own choice of address; Addr names
// 127.0.0.1. Whether it does is health's to judge.
//
// # Supervision
//
// A program that ends by itself, with whatever exit status, is started again after 1 s, then
// 2 s, and so on up to 1 min; running for 10 s sets the wait back to 1 s. Meanwhile the phase is
// restarting, and LastError says how it ended and the last that it printed. The driver never
// gives up: whether a release is bad is the caller's to judge.
//
// Stop sends SIGTERM to the process group, and SIGKILL to what is left of it after 10 s. When the program ends without having been told to,
// what is left of its group is killed; other systems than Linux do so after Stop too. On Linux the kernel kills the program when the node
// dies, whatever kills the node; its children then go on until New is called for the same state directory, which kills
// what is left of the group that is noted in run/<deployment>/group. A child that leaves the group is not followed.
//
// # Singletons
//
// A workload with a Lease runs on Linux only, and under a guard: a process of its own that starts the program and holds the
// end of Term.Live. The node feeds it later ends through a pipe.
//
//	Term.Run is over     SIGTERM to the program's group, if the node is there to see it
//	Term.Live is over    SIGKILL by the guard, whether the node is there or not
//	the node dies        the same, at once
//
// The guard kills whatever descends from the program, in its group or not, and ends when nothing of it is left; the node
// takes the singleton for running until then. It tells the time by CLOCK_BOOTTIME: of a machine that was suspended it
// kills what runs as soon as it runs itself. SELVAGE_EPOCH is the token of the lease at the start; a program that runs on while the
// node's lease takes a higher one keeps what it has.
//
// Not promised: that a program ends which the kernel does not let end (it waits for a dead file server), or that gets
// hold of the guard, which runs as the same user, and stops or kills it: of a guard that is killed, the program dies with it, its group
// is killed by the node, if it is there, or by the next New, and who has left the group is on his own. After a suspend, a few milliseconds may pass until the guard runs: the fencing token is for them. Stop has 2 s, not 10.
//
// Programs run as the node's user, and Workload.Memory and Timeout are not enforced: own users
// and cgroup limits are not this package's.
package process
