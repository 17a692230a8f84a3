//go:build unix

package process

import (
	"os"
	"os/exec"
	"time"

	"selvage/node/runtime"
)

// ForegroundGrace is the time from when a program in the foreground is told to end, because stop was closed, to killing it.
const ForegroundGrace = 10 * time.Second

// Foreground runs a program under a guard while a lease lasts, and returns when nothing of it runs any more. Its output is this
// process's; so is its input, if that is given, else it is empty. It is told to end (SIGTERM) when stop is closed, and when Term.Run is over, as the package comment
// says of singletons. lapsed says that it was the lease that ended it. code is the program's exit code, or as shells have it for one that
// a signal ended.
//
// Errors are those of a program that was not started: runtime.ErrNoLease, ErrInvalid where there are no guards, or a syscall.Errno in the chain.
func Foreground(stop <-chan struct{}, guard, command, environ []string, input *os.File, l runtime.Lease) (code int, lapsed bool, err error) {
	job := append([]string{jobRun}, command...)
	if input != nil {
		job[0] = jobFeed
	}
	cmd, leash, err := guarded(guard, job, l, func(cmd *exec.Cmd) {
		cmd.Env, cmd.Stdout, cmd.Stderr = environ, os.Stdout, os.Stderr
		if input != nil {
			cmd.Stdin = input
		}
	})
	if err != nil {
		return 0, false, err
	}
	c := &child{cmd, leash}
	lapsed, _ = c.follow(stop, ForegroundGrace, func() {}) // how it ended, the code says
	return cmd.ProcessState.ExitCode(), lapsed, nil
}
