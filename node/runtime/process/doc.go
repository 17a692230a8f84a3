// Package process runs native programs: an adapter for os/exec.
//
// The blob is written to the slot as an executable file, and its digest is checked again at
// every Start. The program runs in a process group of its own with
//
//	directory     run/<deployment>/data, which stays until Remove
//	environment   PATH, LANG and TZ of the node; HOME, that directory; the workload's variables;
//	              PORT, SELVAGE_RELEASE, SELVAGE_NODE, SELVAGE_SITE. Nothing else of the node's.
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
// Stop sends SIGTERM to the process group, and SIGKILL after 10 s. Whenever the program itself has ended,
// what is left of its group is killed. On Linux the kernel kills the program when the node
// dies, whatever kills the node; its children then are on their own. A child that leaves the
// group is not followed.
//
// Programs run as the node's user, and Workload.Memory and Timeout are not enforced: own users
// and cgroup limits are not this package's.
package process
