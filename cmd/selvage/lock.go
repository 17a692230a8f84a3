package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"selvage/ledger/manifest"
	"selvage/node/api"
	"selvage/node/locks"
	"selvage/node/runtime"
	"selvage/node/runtime/process"
)

// Exit codes of 'lock' that are not the command's: above those that programs use, below those of shells.
const (
	exitNotTaken    = 120
	exitNobodyLeads = 121
	exitLockLost    = 122
	exitCannotRun   = 126 // as shells have it, as 127
	exitNoCommand   = 127
)

// lockVariable is the environment variable that tells a command the name of the lock.
const lockVariable = "SELVAGE_LOCK"

// leaveLock bounds how long 'lock' waits for the leader to hear that it is done.
const leaveLock = 2 * time.Second

func newLock(env *environment) *cobra.Command {
	var wait time.Duration
	c := &cobra.Command{
		Use:   "lock NAME [--wait D] -- COMMAND [ARG...]",
		Short: "Run a command while no other client of the site holds a lock",
		Long: "Run a command while no other client of the site holds the lock NAME. The node that leads the site gives it to those who wait in\n" +
			"the order in which they came. The command finds a fencing token in SELVAGE_EPOCH, a number that grows from one holder to the\n" +
			"next: whatever it writes to is to refuse lower ones. SELVAGE_LOCK is the name.\n\n" +
			"A lock lasts while the site has the same leader and this node reaches it. When it is lost the command is told to end (SIGTERM),\n" +
			"and two seconds later killed with all that descends from it, before another client can have the lock. Linux only.\n\n" +
			"The exit code is the command's, or\n" +
			"  120  others had the lock, or were before, for all of --wait\n" +
			"  121  nobody led the site, or no node runs here, for all of --wait\n" +
			"  122  the lock was lost, and the command was ended\n" +
			"  126  the command cannot be run; 127 if there is none of that name",
		Args: func(c *cobra.Command, args []string) error {
			if c.ArgsLenAtDash() != 1 || len(args) < 2 {
				return errors.New("want NAME -- COMMAND [ARG...]")
			}
			return manifest.CheckPath(args[0])
		},
		RunE: func(c *cobra.Command, args []string) error {
			if !c.Flags().Changed("wait") {
				wait = -1
			} else if wait < 0 {
				return usage("--wait %s: want a time that is not negative", wait)
			}
			return runLocked(c.Context(), env, args[0], wait, args[1:])
		},
	}
	c.Flags().DurationVar(&wait, "wait", 0, "give up after this long, 0 after one try; without it, wait as long as it takes")
	return c
}

// commandEnded is the exit code of a command that ran, which is this program's.
type commandEnded int

func (e commandEnded) Error() string { return "exit status " + strconv.Itoa(int(e)) }

// runLocked takes the lock, runs the command, and gives the lock back.
func runLocked(ctx context.Context, env *environment, name string, wait time.Duration, command []string) error {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return cannotRun(command[0], err)
	}
	var claim locks.Claim
	_, _ = rand.Read(claim[:]) // it never fails
	line := &lockLine{env: env}
	c := locks.NewClient(name, claim, line.ask, uptime)
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveLock)
		defer cancel()
		_ = c.Release(last) // if nobody hears it, the lock is free when it runs out
	}()
	if err := line.take(ctx, c, name, wait); err != nil {
		return err
	}
	keeping, done := context.WithCancel(context.WithoutCancel(ctx))
	defer done()
	go c.Keep(keeping)
	environ := append(os.Environ(), lockVariable+"="+name, runtime.EpochVariable+"="+strconv.FormatUint(c.Token(), 10))
	code, lapsed, err := process.Foreground(ctx.Done(), guardCommand(), append([]string{path}, command[1:]...), environ, commandInput(), c)
	switch {
	case errors.Is(err, runtime.ErrNoLease), err == nil && lapsed:
		return &failure{fmt.Errorf("lock %s was lost: %s was ended", name, command[0]), "'selvage get leases' says who leads the site; another client may hold the lock now", exitLockLost}
	case err != nil:
		return cannotRun(command[0], err)
	}
	return commandEnded(code)
}

// lockLine is the way to the leader, by this machine's node.
type lockLine struct {
	env    *environment
	holder string // the name of the node whose client holds the lock, as was answered last to who waits
}

// take waits for the lock, and says why it has to each time when that is something else.
func (l *lockLine) take(ctx context.Context, c *locks.Client, name string, wait time.Duration) error {
	said, why := "", ""
	err := c.Take(ctx, wait, func(a locks.Answer, err error) {
		if why = l.why(a, err); why != said && wait != 0 {
			l.env.hint("waiting: %s", why)
			said = why
		}
	})
	var a *api.Error
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, locks.ErrNotTaken):
		return &failure{fmt.Errorf("lock %s: %s", name, why), "'selvage get locks' says who holds it; --wait D waits longer", exitNotTaken}
	case errors.As(err, &a) && !api.IsUnavailable(err):
		return err // what was asked is wrong
	}
	return &failure{fmt.Errorf("lock %s: %w", name, err), "'selvage site show' says who leads the site; --wait D waits longer", exitNobodyLeads}
}

// why says what a client waits for.
func (l *lockLine) why(a locks.Answer, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case a.State == locks.Full:
		return "the leader of the site has no room for more who wait"
	case l.holder != "":
		return "a client of " + l.holder + " holds it"
	case a.Ahead > 0:
		return "others came before"
	}
	return "the leader of the site gives no locks now"
}

// ask puts a question to the leader.
func (l *lockLine) ask(ctx context.Context, a locks.Ask) (locks.Answer, error) {
	do := map[locks.Want]string{locks.Take: api.LockTake, locks.Keep: api.LockKeep, locks.Release: api.LockRelease}
	got, err := l.env.client().AskLock(ctx, api.LockAsk{Do: do[a.Want], Name: a.Name, Claim: hex.EncodeToString(a.Claim[:])})
	if err != nil {
		return locks.Answer{}, l.env.explain(err)
	}
	if a.Want == locks.Take {
		l.holder = got.Holder
	}
	states := map[string]locks.State{api.LockHeld: locks.Held, api.LockWaiting: locks.Waiting, api.LockLost: locks.Lost, api.LockReleased: locks.Released, api.LockFull: locks.Full}
	return locks.Answer{State: states[got.State], Token: got.Token, For: seconds(got.ForSeconds).Truncate(time.Microsecond), Ahead: got.Ahead}, nil
}

// commandInput is this program's standard input for the command, which has none if that is a terminal: it is not of the terminal's foreground,
// and would be stopped for reading there.
func commandInput() *os.File {
	if term.IsTerminal(int(os.Stdin.Fd())) {
		return nil
	}
	return os.Stdin
}

func cannotRun(command string, err error) error {
	code := exitCannotRun
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOENT) {
		code = exitNoCommand
	}
	return &failure{fmt.Errorf("run %s: %w", command, err), "", code}
}

func lockRow(l api.Lock) []string {
	held, token, left := "", "", ""
	if l.Token != 0 {
		held, token, left = seconds(l.HeldSeconds).Round(time.Second).String(), strconv.FormatUint(l.Token, 10), seconds(l.ExpiresInSeconds).Round(100*time.Millisecond).String()
	}
	return []string{l.Lock, l.Name, token, held, strconv.Itoa(l.Waiting), left}
}
