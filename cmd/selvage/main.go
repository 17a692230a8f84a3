// Command selvage is the agent of one machine and the tool to talk to it.
//
// Answers go to stdout, progress and hints to stderr. Exit codes: 0 done, 1 failed, 2 wrong
// usage, 3 done in part, 4 not found, 130 interrupted. Those of 'lock' are the command's that it runs, and a few more: see there.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"selvage/node/api"
	"selvage/node/runtime/process"
)

// version is set by the linker.
var version = "unknown"

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitPartly      = 3
	exitNotFound    = 4
	exitInterrupted = 130
)

// failure is an error with a word on what to do about it, and the exit code that it means.
type failure struct {
	err  error
	hint string
	code int
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// hinted gives err a hint.
func hinted(err error, hint string) error { return &failure{err, hint, exitFailed} }

// usage marks err as the caller's mistake.
func usage(format string, args ...any) error {
	return &failure{fmt.Errorf(format, args...), "", exitUsage}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == guardName {
		os.Exit(process.Guard(os.Args[2:]))
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// guardName is the argument that has this program be the guard of a singleton, or of a lock's command: see process.Guard. It is not for people.
const guardName = "guard"

// guardCommand has the program be a guard that runs now, also when another was put in its place.
func guardCommand() []string { return []string{"/proc/self/exe", guardName} }

// run is the whole command; it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	defer stop()
	out := &answers{Writer: stdout}
	root := newRoot(out, stderr)
	root.SetArgs(args)
	err := cmp.Or(root.ExecuteContext(ctx), out.err)
	if err == nil {
		return exitOK
	}
	if code := commandEnded(0); errors.As(err, &code) {
		return int(code)
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return exitInterrupted
	}
	return report(stderr, err)
}

// report prints an error in the one form that errors have, and returns its exit code.
func report(stderr io.Writer, err error) int {
	text, hint, code := err.Error(), "", exitFailed
	var f *failure
	var a *api.Error
	switch {
	case errors.As(err, &f):
		hint, code = f.hint, f.code
	case errors.As(err, &a):
		hint = a.Hint
		if api.IsNotFound(err) {
			code = exitNotFound
		}
	}
	fmt.Fprintf(stderr, "selvage: error: %s\n", text)
	if hint != "" {
		fmt.Fprintf(stderr, "selvage: hint: %s\n", hint)
	}
	return code
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	env := &environment{out: stdout, err: stderr}
	root := &cobra.Command{
		Use:           "selvage",
		Short:         "Deploy software to machines at the edge, peer to peer",
		Long:          "Selvage deploys software to machines at the edge over a peer-to-peer mesh.\nOne agent runs on each machine (selvage up); every other command talks to it.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &failure{err, fmt.Sprintf("see '%s --help'", c.CommandPath()), exitUsage}
	})
	root.PersistentFlags().StringVar(&env.dir, "dir", defaultDir(), "state directory of the node (or SELVAGE_DIR)")
	root.PersistentFlags().StringVarP(&env.format, "output", "o", "table", "table, wide or json")
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return env.check() }
	root.AddCommand(
		newInit(env), newUp(env), newInvite(env), newJoin(env),
		newSeed(env), newApply(env), newGet(env), newRollout(env), newWhoHas(env),
		newExport(env), newImport(env), newPin(env), newUnpin(env),
		newUplink(env), newRevoke(env), newLease(env), newLock(env), newSite(env), newStatus(env), newDoctor(env), newDemo(env), newSim(env), newVersion(env),
	)
	wrapArgs(root)
	return root
}

// wrapArgs makes wrong positional arguments and flags that are missing usage errors, for the whole tree of commands.
func wrapArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := cmp.Or(check(c, args), c.ValidateRequiredFlags()); err != nil {
				return &failure{err, fmt.Sprintf("see '%s --help'", c.CommandPath()), exitUsage}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
}
