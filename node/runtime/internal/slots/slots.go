// Package slots keeps the directories in which drivers put what they unpack of a release.
//
// A slot is made under another name (".new"), made durable, and then renamed; one that goes is renamed (".old") before
// a file of it is removed: a slot that can be seen is whole, whatever happened before. Package runtime's comment draws the layout.
package slots

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"selvage/internal/disk"
	"selvage/node/runtime"
)

// Names of what is no slot yet, and no slot any more.
const (
	staging = ".new"
	leaving = ".old"
)

type slot struct {
	name string
	made time.Time
}

// Dir returns the path of a workload's slot.
func Dir(w runtime.Workload) string { return path.Join(runtime.Dir(w.Deployment), w.Slot()) }

// Make has fill write a slot's files below the directory it is given, and puts the slot in
// place. fill makes the bytes, and the directories that it makes, durable. If the slot is there already, Make
// does nothing. After an error or a crash there is no slot, and what fill wrote is removed, at
// the latest by the next Make. made reports whether fill ran.
func Make(f disk.FS, w runtime.Workload, fill func(dir string) error) (made bool, err error) {
	slot := Dir(w)
	if info, err := f.Stat(slot); err == nil && info.IsDir() {
		return false, nil
	}
	parent := runtime.Dir(w.Deployment)
	dir := path.Join(parent, staging)
	if err := f.RemoveAll(dir); err != nil {
		return false, fmt.Errorf("clear %s: %w", dir, err)
	}
	defer func() {
		if err != nil {
			_ = f.RemoveAll(dir) // best effort: the next Make clears it too
		}
	}()
	if err := f.MkdirAll(dir, 0o755); err != nil {
		return false, fmt.Errorf("make %s: %w", dir, err)
	}
	if err := fill(dir); err != nil {
		return false, err
	}
	if err := f.SyncDir(dir); err != nil {
		return false, fmt.Errorf("sync %s: %w", dir, err)
	}
	if err := f.Rename(dir, slot); err != nil {
		return false, fmt.Errorf("put slot in place: %w", err)
	}
	return true, f.SyncDir(parent)
}

// Drop removes a workload's slot, if it is there.
func Drop(f disk.FS, w runtime.Workload) error {
	return drop(f, runtime.Dir(w.Deployment), w.Slot())
}

// drop has the slot's new name durable before it removes what is in it: of a directory that is being removed the
// power may leave any part.
func drop(f disk.FS, parent, slot string) error {
	old := path.Join(parent, leaving)
	if err := f.RemoveAll(old); err != nil {
		return fmt.Errorf("clear %s: %w", old, err)
	}
	err := f.Rename(path.Join(parent, slot), old)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove slot %s: %w", slot, err)
	}
	if err := f.SyncDir(parent); err != nil {
		return fmt.Errorf("remove slot %s: %w", slot, err)
	}
	return f.RemoveAll(old)
}

// Prune removes slots of a deployment until runtime.KeepSlots are left: inUse, previous if it
// is there, else the one made last. It removes what a crash has left of others, too.
func Prune(f disk.FS, deployment, inUse, previous string) error {
	for _, name := range []string{staging, leaving} {
		dir := path.Join(runtime.Dir(deployment), name)
		if err := f.RemoveAll(dir); err != nil {
			return fmt.Errorf("clear %s: %w", dir, err)
		}
	}
	all, err := list(f, deployment)
	if err != nil {
		return fmt.Errorf("list slots of %s: %w", deployment, err)
	}
	rank := func(s slot) int {
		switch s.name {
		case inUse:
			return 0
		case previous:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(all, func(a, b slot) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return b.made.Compare(a.made)
	})
	for _, s := range all[min(len(all), runtime.KeepSlots):] {
		if err := drop(f, runtime.Dir(deployment), s.name); err != nil {
			return err
		}
	}
	return nil
}

// Remove deletes all that lies on disk of a deployment.
func Remove(f disk.FS, deployment string) error {
	dir := runtime.Dir(deployment)
	all, err := list(f, deployment)
	if err != nil {
		return fmt.Errorf("list slots of %s: %w", deployment, err)
	}
	for _, s := range all {
		if err := drop(f, dir, s.name); err != nil {
			return err
		}
	}
	if err := f.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	if err := f.SyncDir(path.Dir(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	return nil
}

func list(f disk.FS, deployment string) ([]slot, error) {
	entries, err := f.ReadDir(runtime.Dir(deployment))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []slot
	for _, e := range entries {
		if !e.IsDir() || !strings.Contains(e.Name(), "@") {
			continue // "data", ".new", ".old" and files are no slots
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		all = append(all, slot{e.Name(), info.ModTime()})
	}
	return all, nil
}
