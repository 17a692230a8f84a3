//go:build unix

package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"selvage/node/runtime"
	"selvage/node/runtime/bundle"
)

// Keeper keeps the links of singletons, each under a guard as the package comment says.
type Keeper struct {
	Guard []string // see Config
	Root  string   // the state directory's path on the host
}

var _ bundle.Keeper = Keeper{}

// Keep implements bundle.Keeper.
func (k Keeper) Keep(made, link string, l runtime.Lease) (bundle.Kept, error) {
	root, err := filepath.Abs(k.Root)
	if err != nil {
		return nil, fmt.Errorf("find state directory: %w", err)
	}
	host := func(name string) string { return filepath.Join(root, filepath.FromSlash(name)) }
	cmd, leash, err := guarded(k.Guard, []string{jobLink, host(made), host(link)}, l, func(cmd *exec.Cmd) {
		cmd.Dir, cmd.Env = root, []string{}
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	})
	if err != nil {
		return nil, fmt.Errorf("keep link: %w", err)
	}
	kept := &keptLink{link: host(link), leash: leash, done: make(chan struct{})}
	go kept.follow(cmd)
	return kept, nil
}

// keptLink is a link under a guard.
type keptLink struct {
	link     string
	leash    *leash
	dropping sync.Once
	done     chan struct{} // closed when the guard has ended
}

// follow waits for the guard's end, and has it end when the lease has no more time.
func (k *keptLink) follow(cmd *exec.Cmd) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // a guard that failed has said why on standard error
	}()
	select {
	case <-ended:
	case <-k.leash.mustEnd():
		k.Drop()
		<-ended
	}
	k.leash.release()
	_ = os.Remove(k.link) // of a guard that was killed; else it is gone
	close(k.done)
}

// Drop implements bundle.Kept.
func (k *keptLink) Drop() { k.dropping.Do(k.leash.kill) }

// Done implements bundle.Kept.
func (k *keptLink) Done() <-chan struct{} { return k.done }
