package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"

	"selvage/internal/disk"
	"selvage/node/runtime"
)

// epochFile tells the token of a singleton, and that the deployment is one.
const epochFile = "epoch"

// Keeper has the link to a singleton's files in place while the lease lasts, and takes it away in time, whatever has become
// of the node by then.
type Keeper interface {
	// Keep renames a link made to link, both in the state directory. The error has runtime.ErrNoLease in its chain if
	// the lease does not let it; then, as after any error, nothing has happened.
	Keep(made, link string, l runtime.Lease) (Kept, error)
}

// Kept is a link that is kept.
type Kept interface {
	// Drop has the link taken away, whatever is left of the lease. It does not wait.
	Drop()
	// Done is closed when the link is gone, and does not come back.
	Done() <-chan struct{}
}

// keep makes the workload the current one of a deployment that is or was a singleton. The old one goes first.
func (d *Driver) keep(inst, old *instance) (previous string, err error) {
	w, dir := inst.workload, runtime.Dir(inst.workload.Deployment)
	if w.Lease != nil && d.keeper == nil {
		return "", fmt.Errorf("%w: this node has no guard for singletons", runtime.ErrInvalid)
	}
	if old != nil {
		previous = old.workload.Slot()
		if old.kept != nil {
			old.kept.Drop()
			<-old.kept.Done()
		}
	}
	if w.Lease == nil {
		_, err := d.switchTo(w)
		return previous, err
	}
	epoch, err := runtime.MayStart(w.Lease)
	if err != nil {
		return "", err
	}
	if err := disk.WriteFile(d.fs, path.Join(dir, epochFile), []byte(strconv.FormatUint(epoch, 10)+"\n"), 0o644); err != nil {
		return "", fmt.Errorf("write token: %w", err)
	}
	if err := d.withdraw(dir); err != nil { // of a release that was no singleton
		return "", err
	}
	if err := d.makeLink(w, path.Join(dir, next)); err != nil {
		return "", err
	}
	if inst.kept, err = d.keeper.Keep(path.Join(dir, next), path.Join(dir, current), w.Lease); err != nil {
		return "", errors.Join(err, d.fs.RemoveAll(path.Join(dir, next)))
	}
	return previous, nil
}

// heed follows the link to its end.
func (i *instance) heed() {
	<-i.kept.Done()
	i.condition.Enter(runtime.PhaseExited)
}

// withdraw removes a deployment's link.
func (d *Driver) withdraw(dir string) error {
	if err := d.fs.Remove(path.Join(dir, current)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("take the current link away: %w", err)
	}
	return nil
}

// withdrawAll removes the links of all singletons: nobody keeps them.
func (d *Driver) withdrawAll() {
	root := path.Dir(runtime.Dir("x"))
	all, err := d.fs.ReadDir(root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.log.Warn("links of singletons not looked for", "error", err)
	}
	for _, e := range all {
		dir := path.Join(root, e.Name())
		if _, err := d.fs.Stat(path.Join(dir, epochFile)); err != nil {
			continue
		}
		if err := d.withdraw(dir); err != nil {
			d.log.Warn("link of a singleton not taken away", "deployment", e.Name(), "error", err)
		}
	}
}
