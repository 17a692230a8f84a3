package memdisk

import (
	"errors"
	"math/rand/v2"
	"os"
	"testing"

	"pgregory.net/rapid"

	"selvage/internal/disk"
	"selvage/internal/disk/disktest"
)

func TestFS(t *testing.T) {
	disktest.Run(t, func(*testing.T) disk.FS { return New(0) })
}

func TestFull(t *testing.T) {
	f := New(10)
	if err := disk.WriteFile(f, "a", make([]byte, 8), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := disk.WriteFile(f, "b", make([]byte, 8), 0o600); !errors.Is(err, disk.ErrFull) {
		t.Errorf("got %v", err)
	}
	if err := f.Remove("a"); err != nil {
		t.Fatal(err)
	}
	if err := disk.WriteFile(f, "b", make([]byte, 8), 0o600); err != nil {
		t.Errorf("after making room: %v", err)
	}
}

// WriteFile keeps its promise at whichever step the power goes.
func TestWriteFileSurvivesPowerLoss(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := New(0)
		if err := disk.WriteFile(f, "f", []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		steps, cut := 0, errors.New("the power went")
		last := rapid.IntRange(0, 5).Draw(t, "steps before the cut")
		f.OnOp = func(string, string) error {
			if steps++; steps > last {
				return cut
			}
			return nil
		}
		err := disk.WriteFile(f, "f", []byte("new bytes"), 0o600)
		seed := rapid.Uint64().Draw(t, "seed")
		after := f.Crash(rand.New(rand.NewPCG(seed, 0)))
		b, rerr := disk.ReadFile(after, "f", 100)
		if rerr != nil || string(b) != "old" && string(b) != "new bytes" {
			t.Fatalf("left %q, %v", b, rerr)
		}
		if err == nil && string(b) != "new bytes" {
			t.Fatalf("WriteFile returned, and left %q", b)
		}
	})
}

func TestUnsyncedBytesCanBeLost(t *testing.T) {
	lost := false
	for seed := range uint64(20) {
		f := New(0)
		file, err := f.OpenFile("f", os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.SyncDir("."); err != nil {
			t.Fatal(err)
		}
		if _, err := file.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		b, err := disk.ReadFile(f.Crash(rand.New(rand.NewPCG(seed, 0))), "f", 9)
		lost = lost || err != nil || string(b) != "x"
	}
	if !lost {
		t.Error("a power cut never loses anything")
	}
}
