package process

import (
	"errors"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes gives a program a process group of its own, and has the kernel kill it when the node dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// reap waits until a program has ended, kills what is left of its group, and returns how it
// ended. The program is left unwaited-for until its group is dead, so that the number cannot
// name another group by then.
func reap(cmd *exec.Cmd) error {
	pid := cmd.Process.Pid
	for errors.Is(unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
	signalGroup(pid, syscall.SIGKILL)
	return cmd.Wait()
}
