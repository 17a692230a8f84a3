package slots_test

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"testing"

	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
	"selvage/node/runtime"
	"selvage/node/runtime/internal/slots"
)

func workload(version string) runtime.Workload {
	return runtime.Workload{Deployment: "till", Release: "till@" + version, Artifact: runtime.Artifact{Digest: [32]byte{version[1]}}}
}

// fill writes one durable file.
func fill(f disk.FS) func(dir string) error {
	return func(dir string) error {
		w, err := f.OpenFile(path.Join(dir, "content"), os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		if _, err := w.Write([]byte("whole")); err != nil {
			return err
		}
		if err := w.Sync(); err != nil {
			return err
		}
		return w.Close()
	}
}

// TestPowerCutLeavesWholeSlots: wherever in a removal the power goes, and whatever it leaves then, a slot that can be
// seen is whole, as Make takes it for that.
func TestPowerCutLeavesWholeSlots(t *testing.T) {
	removals := map[string]func(disk.FS) error{
		"drop":   func(f disk.FS) error { return slots.Drop(f, workload("v1")) },
		"prune":  func(f disk.FS) error { return slots.Prune(f, "till", workload("v3").Slot(), workload("v2").Slot()) },
		"remove": func(f disk.FS) error { return slots.Remove(f, "till") },
	}
	for name, remove := range removals {
		t.Run(name, func(t *testing.T) {
			for ops, done := 0, false; !done; ops++ {
				for seed := range uint64(50) {
					f := three(t)
					done = cutAfter(f, ops, remove) == nil
					wholeOrGone(t, f.Crash(rand.New(rand.NewPCG(seed, 0))), ops, seed)
				}
			}
		})
	}
}

// three has three durable slots.
func three(t *testing.T) *memdisk.FS {
	f := memdisk.New(0)
	for _, v := range versions {
		if _, err := slots.Make(f, workload(v), fill(f)); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

var (
	versions = []string{"v1", "v2", "v3"}
	errOff   = errors.New("the power is off")
)

// cutAfter runs a removal on a machine whose power goes after so many operations of the disk.
func cutAfter(f *memdisk.FS, ops int, remove func(disk.FS) error) error {
	f.OnOp = func(string, string) error {
		if ops--; ops < 0 {
			return errOff
		}
		return nil
	}
	return remove(f)
}

func wholeOrGone(t *testing.T, f disk.FS, ops int, seed uint64) {
	t.Helper()
	for _, v := range versions {
		dir := slots.Dir(workload(v))
		if _, err := f.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if _, err := f.Stat(path.Join(dir, "content")); err != nil {
			t.Fatalf("cut after %d operations, seed %d: of %s only the directory is left: %v", ops, seed, v, err)
		}
	}
}

// What the power has cut off in the making or in the removing is cleared away also when the next to start has its slot already: it may be
// gigabytes, and nothing else would ever remove it.
func TestPruneClearsLeftovers(t *testing.T) {
	dir := runtime.Dir("till")
	for ops := 1; ; ops++ {
		f := three(t)
		done := cutAfter(f, ops, func(f disk.FS) error {
			if _, err := slots.Make(f, workload("v4"), fill(f)); err != nil {
				return err
			}
			return slots.Drop(f, workload("v1"))
		}) == nil
		f.OnOp = nil
		if made, err := slots.Make(f, workload("v3"), fill(f)); made || err != nil {
			t.Fatal(made, err)
		}
		if err := slots.Prune(f, "till", workload("v3").Slot(), workload("v2").Slot()); err != nil {
			t.Fatal(err)
		}
		left, err := f.ReadDir(dir)
		if err != nil || len(left) != runtime.KeepSlots {
			t.Fatalf("cut after %d operations: on disk are %v, %v", ops, left, err)
		}
		if done {
			return
		}
	}
}
