//go:build unix

package process

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"selvage/internal/disk"
	"selvage/node/runtime"
	"selvage/node/runtime/internal/slots"
	"selvage/node/runtime/internal/turns"
)

const (
	program = "program" // file name in the slot
	dataDir = "data"
)

// Config is what a Driver needs. The zero durations mean what the package comment says.
type Config struct {
	FS     disk.FS      // the state directory
	Root   string       // the state directory's path on the host
	Logger *slog.Logger // nil discards
	// Guard is the command that runs Guard, with its first arguments. Without it no singleton runs here; nor where the
	// system is not Linux.
	Guard []string

	Grace                            time.Duration // from SIGTERM to SIGKILL
	MinBackoff, MaxBackoff, StableIn time.Duration
}

// Driver starts processes. It implements runtime.Driver.
type Driver struct {
	config Config
	table  turns.Table[instance]
	all    sync.WaitGroup // supervisors
}

var _ runtime.Driver = (*Driver)(nil)

// New returns a driver that runs nothing yet. It must be closed. What an earlier one that was killed has left of its programs
// is killed before it returns; so no other may be at work in the same directory.
func New(c Config) (*Driver, error) {
	root, err := filepath.Abs(c.Root) // a program's directory is not the node's
	if err != nil {
		return nil, fmt.Errorf("find state directory: %w", err)
	}
	c.Root = root
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.Grace, 10 * time.Second}, {&c.MinBackoff, time.Second}, {&c.MaxBackoff, time.Minute}, {&c.StableIn, 10 * time.Second},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	d := &Driver{config: c}
	d.endLeft()
	return d, nil
}

// Replaces reports false: two programs cannot serve one port.
func (d *Driver) Replaces() bool { return false }

// Start puts the program on disk and launches it.
func (d *Driver) Start(ctx context.Context, w runtime.Workload) (runtime.Instance, error) {
	if err := w.Validate(); err != nil {
		return nil, err
	}
	row, err := d.table.Take(ctx, w.Deployment)
	if err != nil {
		return nil, fmt.Errorf("start process %s: %w", w.Release, err)
	}
	defer row.Give()
	if old := row.Instance; old != nil {
		switch {
		case old.over():
			if slot := old.workload.Slot(); slot != w.Slot() {
				row.Previous = slot
			}
		case old.workload.Equal(w):
			return old, nil
		default:
			return nil, fmt.Errorf("start process %s: %w: %s", w.Release, runtime.ErrRunning, old.workload.Release)
		}
	}
	inst, err := d.start(ctx, w)
	if err != nil {
		return nil, fmt.Errorf("start process %s: %w", w.Release, err)
	}
	row.Instance = inst
	inst.files.Lock()
	defer inst.files.Unlock()
	if err := slots.Prune(d.config.FS, w.Deployment, w.Slot(), row.Previous); err != nil {
		d.config.Logger.Warn("old program not removed", "deployment", w.Deployment, "error", err)
	}
	return inst, nil
}

func (d *Driver) start(ctx context.Context, w runtime.Workload) (*instance, error) {
	port, err := freePort(ctx, w.Port)
	if err != nil {
		return nil, err
	}
	made, err := d.ready(ctx, w)
	var inst *instance
	if err == nil {
		inst, err = supervise(d, w, port)
	}
	if err != nil && made {
		err = errors.Join(err, slots.Drop(d.config.FS, w))
	}
	return inst, err
}

// ready has the program on disk as it should be, and its directory there. made reports whether it was written; it may have been on an error too.
func (d *Driver) ready(ctx context.Context, w runtime.Workload) (made bool, err error) {
	if err := d.discardDamaged(ctx, w); err != nil {
		return false, err
	}
	made, err = slots.Make(d.config.FS, w, func(dir string) error { return d.write(ctx, w, dir) })
	if err != nil {
		return made, fmt.Errorf("write program: %w", err)
	}
	if err := d.config.FS.MkdirAll(path.Join(runtime.Dir(w.Deployment), dataDir), 0o700); err != nil {
		return made, fmt.Errorf("make data directory: %w", err)
	}
	return made, nil
}

// write makes the executable file in a slot.
func (d *Driver) write(ctx context.Context, w runtime.Workload, dir string) error {
	if free, _, err := d.config.FS.Free(); err == nil && uint64(w.Artifact.Size) > free {
		return fmt.Errorf("%d bytes with %d free: %w", w.Artifact.Size, free, disk.ErrFull)
	}
	f, err := d.config.FS.OpenFile(path.Join(dir, program), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		return err
	}
	err = w.Artifact.CopyTo(ctx, f)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// discardDamaged removes the workload's slot if the program in it is not what the digest names, or cannot be executed.
func (d *Driver) discardDamaged(ctx context.Context, w runtime.Workload) error {
	slot := slots.Dir(w)
	if _, err := d.config.FS.Stat(slot); err != nil {
		return nil // no slot: it is about to be made
	}
	f, err := d.config.FS.OpenFile(path.Join(slot, program), os.O_RDONLY, 0)
	if err == nil {
		var whole bool
		whole, err = isWhole(ctx, f, w.Artifact.Digest)
		f.Close()
		if whole {
			return nil
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	d.config.Logger.Warn("program on disk was damaged", "deployment", w.Deployment, "release", w.Release, "error", err)
	return slots.Drop(d.config.FS, w)
}

func isWhole(ctx context.Context, f disk.File, digest [32]byte) (bool, error) {
	info, err := f.Stat()
	if err != nil || info.Mode()&0o100 == 0 {
		return false, err
	}
	hash := sha256.New()
	_, err = runtime.Copy(ctx, hash, f)
	return err == nil && [32]byte(hash.Sum(nil)) == digest, err
}

func (d *Driver) host(name string) string {
	return filepath.Join(d.config.Root, filepath.FromSlash(name))
}

// freePort makes sure that a port can be listened on, so that a taken one is an error of Start
// and not a puzzle in a program's log. Another program may still take it in between.
func freePort(ctx context.Context, port int) (int, error) {
	var c net.ListenConfig
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	l, err := c.Listen(ctx, "tcp", addr)
	if err != nil {
		return 0, fmt.Errorf("find port: listen on %s: %w", addr, err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Remove deletes a deployment's programs, data and log.
func (d *Driver) Remove(ctx context.Context, deployment string) error {
	if err := runtime.CheckDeployment(deployment); err != nil {
		return err
	}
	row, err := d.table.Take(ctx, deployment)
	if err != nil {
		return fmt.Errorf("remove %s: %w", deployment, err)
	}
	defer row.Give()
	if row.Instance != nil && !row.Instance.over() {
		return fmt.Errorf("remove %s: %w", deployment, runtime.ErrRunning)
	}
	row.Instance, row.Previous = nil, ""
	return slots.Remove(d.config.FS, deployment)
}

// Close stops every process.
func (d *Driver) Close(ctx context.Context) error {
	err := d.table.Close(ctx, func(inst *instance) error { inst.end(); return nil })
	if err != nil {
		return fmt.Errorf("close processes: %w", err)
	}
	done := make(chan struct{})
	go func() { d.all.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close processes: %w", ctx.Err())
	}
}
