package process

import (
	"errors"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// restPause is between looks whether a group has ended that was told to, twice as long each time: a look reads all of /proc.
	restPause    = 10 * time.Millisecond
	maxRestPause = 160 * time.Millisecond

	buryWait  = 2 * time.Second
	buryPause = time.Millisecond
)

// attributes gives a program a process group of its own, and has the kernel kill it when the node dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// reap waits until a program has ended and the rest of its group too, as long as that is given time; kills what is left of the group, and
// returns how the program ended. The program is left unwaited-for until its group is dead, so that the number cannot
// name another group by then.
func reap(cmd *exec.Cmd, givenTime func() bool) error {
	pid := cmd.Process.Pid
	for errors.Is(unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
	for pause := restPause; givenTime() && goesOn(pid); pause = min(2*pause, maxRestPause) {
		time.Sleep(pause)
	}
	signalGroup(pid, syscall.SIGKILL)
	return cmd.Wait()
}

// goesOn reports whether anything of a group runs.
func goesOn(group int) bool {
	for _, pid := range processes() {
		if s, err := readStat(pid); err == nil && s.group == group && s.state != "Z" {
			return true
		}
	}
	return false
}

// buryGroup waits for those of a killed group whose parent this process has become, as it does when it is the first of a
// container; elsewhere there are none. What the kernel does not let end by buryWait is left.
func buryGroup(group int) {
	for until := time.Now().Add(buryWait); ; {
		switch pid, err := unix.Wait4(-group, nil, unix.WNOHANG, nil); {
		case errors.Is(err, unix.EINTR) || pid > 0:
		case err != nil || time.Now().After(until):
			return
		default:
			time.Sleep(buryPause)
		}
	}
}
