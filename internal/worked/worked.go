//go:build unix

// Package worked tells benchmarks what they cost, also on a machine that has other work.
package worked

import (
	"syscall"
	"time"
)

// Time is how long processors have worked for this process so far, for its garbage too.
func Time() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it fails on a bad pointer only
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
