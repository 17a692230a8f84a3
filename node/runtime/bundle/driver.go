package bundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"sync"

	"selvage/internal/disk"
	"selvage/node/runtime"
	"selvage/node/runtime/internal/slots"
	"selvage/node/runtime/internal/turns"
)

const (
	current = "current"
	next    = ".current" // the link while it is being made
)

// Config is what a Driver needs.
type Config struct {
	FS     disk.FS      // the state directory
	Keeper Keeper       // nil: no singleton is put in place here
	Logger *slog.Logger // nil discards
}

// Driver puts bundles in place. It implements runtime.Driver.
type Driver struct {
	fs     disk.FS
	keeper Keeper
	log    *slog.Logger
	limits limits
	table  turns.Table[instance]

	heeding sync.WaitGroup // goroutines that follow what the keeper keeps
}

var _ runtime.Driver = (*Driver)(nil)

// New returns a driver. Links of singletons that nobody has taken away, because the power went, are gone before it returns.
func New(c Config) *Driver {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Driver{fs: c.FS, keeper: c.Keeper, log: c.Logger, limits: usual}
	d.withdrawAll()
	return d
}

// Replaces reports true: see the package comment.
func (d *Driver) Replaces() bool { return true }

// Start unpacks the bundle and makes it the current one.
func (d *Driver) Start(ctx context.Context, w runtime.Workload) (runtime.Instance, error) {
	if err := w.Validate(); err != nil {
		return nil, err
	}
	row, err := d.table.Take(ctx, w.Deployment)
	if err != nil {
		return nil, fmt.Errorf("start bundle %s: %w", w.Release, err)
	}
	defer row.Give()
	old := row.Instance
	if old != nil && old.workload.Equal(w) && old.Status().Phase == runtime.PhaseRunning {
		return old, nil
	}
	inst := &instance{driver: d, workload: w}
	previous, err := d.place(ctx, inst, old)
	if err != nil {
		return nil, fmt.Errorf("start bundle %s: %w", w.Release, err)
	}
	if previous != w.Slot() {
		row.Previous = previous
	}
	inst.condition.Enter(runtime.PhaseRunning)
	row.Instance = inst
	if old != nil {
		old.condition.Enter(runtime.PhaseExited)
	}
	if inst.kept != nil {
		d.heeding.Go(inst.heed)
	}
	if err := slots.Prune(d.fs, w.Deployment, w.Slot(), row.Previous); err != nil {
		d.log.Warn("old bundle not removed", "deployment", w.Deployment, "error", err)
	}
	return inst, nil
}

// place makes the slot and switches to it, from what the old instance has there. It returns the slot that was current
// before, if it is known.
func (d *Driver) place(ctx context.Context, inst, old *instance) (previous string, err error) {
	w := inst.workload
	made, err := slots.Make(d.fs, w, func(dir string) error {
		blob, err := w.Artifact.Open()
		if err != nil {
			return fmt.Errorf("open blob: %w", err)
		}
		defer blob.Close()
		return unpack(ctx, d.fs, dir, d.limits, w.Artifact, blob)
	})
	switch {
	case err != nil:
	case w.Lease != nil || old != nil && old.kept != nil:
		previous, err = d.keep(inst, old)
	default:
		previous, err = d.switchTo(w)
	}
	if err != nil && made {
		err = errors.Join(err, slots.Drop(d.fs, w))
	}
	return previous, err
}

// switchTo points the current link to the slot of a workload that is no singleton, whatever it was when the node ran before.
func (d *Driver) switchTo(w runtime.Workload) (previous string, err error) {
	dir := runtime.Dir(w.Deployment)
	link, tmp := path.Join(dir, current), path.Join(dir, next)
	if err := d.fs.RemoveAll(path.Join(dir, epochFile)); err != nil {
		return "", fmt.Errorf("remove token: %w", err)
	}
	previous, err = d.fs.Readlink(link)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		if info, serr := d.fs.Stat(link); serr != nil || !info.IsDir() {
			return "", fmt.Errorf("read current link: %w", err)
		}
		if err := d.fs.RemoveAll(link); err != nil { // a directory, as in a copy that was made of what links lead to
			return "", fmt.Errorf("remove what is no link: %w", err)
		}
	}
	if err == nil && previous == w.Slot() {
		return previous, nil
	}
	if err := d.makeLink(w, tmp); err != nil {
		return "", err
	}
	if err := d.fs.Rename(tmp, link); err != nil {
		return "", fmt.Errorf("switch current link: %w", err)
	}
	// The link has been switched for all who look: a failure to make that durable must not
	// take the slot from under it.
	if err := d.fs.SyncDir(dir); err != nil {
		d.log.Warn("current link not durable yet", "deployment", w.Deployment, "error", err)
	}
	return previous, nil
}

// makeLink makes a link to the workload's slot.
func (d *Driver) makeLink(w runtime.Workload, name string) error {
	if err := d.fs.RemoveAll(name); err != nil {
		return fmt.Errorf("clear %s: %w", name, err)
	}
	if err := d.fs.Symlink(w.Slot(), name); err != nil {
		return fmt.Errorf("make current link: %w", err)
	}
	return nil
}

// Remove deletes a deployment's files, once its instance has been stopped.
func (d *Driver) Remove(ctx context.Context, deployment string) error {
	if err := runtime.CheckDeployment(deployment); err != nil {
		return err
	}
	row, err := d.table.Take(ctx, deployment)
	if err != nil {
		return fmt.Errorf("remove %s: %w", deployment, err)
	}
	defer row.Give()
	if row.Instance != nil && row.Instance.Status().Phase == runtime.PhaseRunning {
		return fmt.Errorf("remove %s: %w", deployment, runtime.ErrRunning)
	}
	row.Instance, row.Previous = nil, ""
	return slots.Remove(d.fs, deployment)
}

// Close stops every instance; the files stay, but for the link to a singleton's.
func (d *Driver) Close(ctx context.Context) error {
	err := d.table.Close(ctx, func(inst *instance) error { return inst.Stop(ctx) })
	if err != nil {
		return fmt.Errorf("close bundles: %w", err)
	}
	d.heeding.Wait()
	return nil
}

// instance is a bundle that was put in place.
type instance struct {
	driver    *Driver
	workload  runtime.Workload
	kept      Kept // the link of a singleton; nil of what is none
	condition runtime.Condition
}

var _ runtime.Instance = (*instance)(nil)

func (i *instance) Addr() string             { return "" }
func (i *instance) Status() runtime.Status   { return i.condition.Status() }
func (i *instance) Changed() <-chan struct{} { return i.condition.Changed() }

// Stop ends the instance; the files stay. The link to a singleton's is gone when it returns.
func (i *instance) Stop(ctx context.Context) error {
	if i.kept != nil {
		i.kept.Drop()
		select {
		case <-i.kept.Done():
		case <-ctx.Done():
			return fmt.Errorf("stop bundle %s: %w", i.workload.Release, ctx.Err())
		}
	}
	i.condition.Enter(runtime.PhaseExited)
	return nil
}
