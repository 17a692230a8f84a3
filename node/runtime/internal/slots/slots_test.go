package slots_test

import (
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

// TestPowerCutLeavesWholeSlots: whatever a power cut leaves of slots that were being removed, one that can be seen is
// whole, as Make takes it for that.
func TestPowerCutLeavesWholeSlots(t *testing.T) {
	removals := map[string]func(disk.FS) error{
		"drop":   func(f disk.FS) error { return slots.Drop(f, workload("v1")) },
		"prune":  func(f disk.FS) error { return slots.Prune(f, "till", workload("v3").Slot(), workload("v2").Slot()) },
		"remove": func(f disk.FS) error { return slots.Remove(f, "till") },
	}
	for name, remove := range removals {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(200) {
				f := memdisk.New(0)
				for _, v := range []string{"v1", "v2", "v3"} {
					if _, err := slots.Make(f, workload(v), fill(f)); err != nil {
						t.Fatal(err)
					}
				}
				if err := remove(f); err != nil {
					t.Fatal(err)
				}
				after := f.Crash(rand.New(rand.NewPCG(seed, 0)))
				for _, v := range []string{"v1", "v2", "v3"} {
					dir := slots.Dir(workload(v))
					if _, err := after.Stat(dir); err != nil {
						continue
					}
					if _, err := after.Stat(path.Join(dir, "content")); err != nil {
						t.Fatalf("seed %d: of %s the directory is left: %v", seed, v, err)
					}
				}
			}
		})
	}
}
