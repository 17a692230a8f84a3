//go:build unix

package process

import "syscall"

// signalGroup signals a process group. It may have ended, which is as well.
func signalGroup(group int, sig syscall.Signal) { _ = syscall.Kill(-group, sig) }
