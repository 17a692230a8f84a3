//go:build unix

package process

import (
	"sync/atomic"
	"syscall"
)

// signalGroup signals a process group. It may have ended, which is as well.
func signalGroup(group int, sig syscall.Signal) { _ = syscall.Kill(-group, sig) }

// notice is what a group of processes has been told.
type notice struct{ asked, killed atomic.Bool }

// givesTime reports whether what is left of the group when its first process ends may go on: it was told to end, and has some time for that.
func (n *notice) givesTime() bool { return n.asked.Load() && !n.killed.Load() }
