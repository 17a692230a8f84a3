package memdisk

import (
	"bytes"
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

// A rename that was not synced leaves the file under one of its names, whole.
func TestRenameSurvivesPowerLoss(t *testing.T) {
	for seed := range uint64(20) {
		f := New(0)
		if err := errors.Join(f.MkdirAll("a", 0o700), f.MkdirAll("b", 0o700), disk.WriteFile(f, "a/f", []byte("x"), 0o600), f.SyncDir("b")); err != nil {
			t.Fatal(err)
		}
		if err := f.Rename("a/f", "b/f"); err != nil {
			t.Fatal(err)
		}
		after := f.Crash(rand.New(rand.NewPCG(seed, 0)))
		old, oldErr := disk.ReadFile(after, "a/f", 9)
		moved, newErr := disk.ReadFile(after, "b/f", 9)
		if (oldErr == nil) == (newErr == nil) || string(old)+string(moved) != "x" {
			t.Fatalf("seed %d: %q %v, %q %v", seed, old, oldErr, moved, newErr)
		}
	}
}

// Of each block, a power cut leaves what was synced last, or what was written last.
func TestSyncedBytesSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const blocks = 48
		f := New(0)
		file, err := f.OpenFile("f", os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(file.Truncate(blocks*page), file.Sync(), f.SyncDir(".")); err != nil {
			t.Fatal(err)
		}
		var synced, now [blocks]byte
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			if rapid.IntRange(0, 3).Draw(t, "sync") == 0 {
				if err := file.Sync(); err != nil {
					t.Fatal(err)
				}
				synced = now
				continue
			}
			i := rapid.IntRange(0, blocks-1).Draw(t, "block")
			now[i] = rapid.Byte().Draw(t, "value")
			if _, err := file.WriteAt(bytes.Repeat(now[i:i+1], page), int64(i*page)); err != nil {
				t.Fatal(err)
			}
		}
		after := f.Crash(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))
		got, err := disk.ReadFile(after, "f", blocks*page)
		if err != nil {
			t.Fatal(err)
		}
		for i := range blocks {
			if b := got[i*page]; b != synced[i] && b != now[i] {
				t.Fatalf("block %d is %d; synced as %d, then written as %d", i, b, synced[i], now[i])
			}
		}
	})
}

func TestHolesCostNothing(t *testing.T) {
	f := New(100)
	file, err := f.OpenFile("f", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(200 << 20); err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(make([]byte, 60), 100<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(make([]byte, 60), 50<<20); !errors.Is(err, disk.ErrFull) {
		t.Errorf("got %v", err)
	}
	if err := f.Remove("f"); err != nil {
		t.Fatal(err)
	}
	if free, _, err := f.Free(); err != nil || free != 100 {
		t.Errorf("%d bytes free, %v", free, err)
	}
}
