//go:build unix && !linux

package process

import (
	"os/exec"
	"syscall"
)

// attributes gives a program a process group of its own.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// reap waits until a program has ended, kills what is left of its group, and returns how it ended. Whether the group is given time to end
// can be heeded on Linux only.
func reap(cmd *exec.Cmd, _ func() bool) error {
	err := cmd.Wait()
	signalGroup(cmd.Process.Pid, syscall.SIGKILL)
	return err
}

// buryGroup is for the first process of a container, which there is on Linux only.
func buryGroup(int) {}
