// Package runtime is the port between the node, which decides what runs, and the drivers,
// which run it: function (a WASM module that answers HTTP), process (a supervised program)
// and bundle (files put in place). It also holds what the drivers share.
//
// A Workload is everything a driver needs to run one release of one deployment. Start turns it
// into an Instance. The caller owns the order of things:
//
//  1. Start(w). An equal workload that runs already is simply returned.
//  2. Watch Changed and Status; judge health through Addr (see node/health).
//  3. For another release: if Replaces, Start it, which takes over from the old instance with
//     no gap, and leaves the old one untouched if it fails. Otherwise Stop the old one first.
//  4. Stop, when it should run no more; Remove, when nothing of it should stay on disk.
//
// After a restart of the node nothing runs. The caller calls Start again with the same
// workload; drivers find again what they left on disk, and take from the blob what they do not.
//
// # On disk
//
//	run/<deployment>/                    one directory a deployment; Remove deletes it
//	run/<deployment>/<name>@<version>-<digest>/   a slot: what the driver unpacked of one release;
//	                                     digest is 12 hex digits of the artifact's SHA-256
//	run/<deployment>/.new, .old          a slot being made, or removed; leftovers of a crash are cleared by Start
//	run/<deployment>/current             a link to the slot in use (bundle)
//	run/<deployment>/log, log.1          what the program printed, newest in log (process)
//	run/<deployment>/group               the program's process group, while it runs (process)
//
// A slash in a deployment or release name is written "~" there. Slots are KeepSlots at most:
// the one in use and the one before it. A deployment whose type changes is stopped and removed
// through its old driver before its new one starts it.
package runtime
