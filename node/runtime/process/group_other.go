//go:build unix && !linux

package process

import (
	"os/exec"
	"syscall"
)

// attributes gives a program a process group of its own.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// reap waits until a program has ended, kills what is left of its group, and returns how it ended.
func reap(cmd *exec.Cmd) error {
	err := cmd.Wait()
	signalGroup(cmd.Process.Pid, syscall.SIGKILL)
	return err
}

// buryGroup is for the first process of a container, which there is on Linux only.
func buryGroup(int) {}
