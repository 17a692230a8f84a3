//go:build unix && !linux

package process

import (
	"fmt"
	"os"
	"os/exec"

	"selvage/node/runtime"
)

// leash is the node's end of a guard, of which there are none here.
type leash struct{ group int }

func guarded([]string, []string, runtime.Lease, func(*exec.Cmd)) (*exec.Cmd, *leash, error) {
	return nil, nil, fmt.Errorf("%w: singletons run on Linux only, where a guard can tell the time across a suspend", runtime.ErrInvalid)
}

func (*leash) mustEnd() <-chan struct{} { return nil }
func (*leash) ask()                     {}
func (*leash) kill()                    {}
func (*leash) release()                 {}
func (*leash) survive(*os.ProcessState) {}
func (*leash) lapsed() bool             { return false }

// Guard is the whole life of a guard's process, of which it returns the exit code: there are none here.
func Guard([]string) int { return 2 }
