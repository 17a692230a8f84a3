package bundle

import (
	"errors"
	"path"
	"sync"
	"testing"
	"time"

	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
	"selvage/node/runtime"
	"selvage/node/runtime/runtimetest"
)

// hand keeps links while it is told to.
type hand struct {
	fs   disk.FS
	kept []*grip
}

type grip struct {
	h    *hand
	link string
	once sync.Once
	done chan struct{}
}

func (h *hand) Keep(made, link string, _ runtime.Lease) (Kept, error) {
	g := &grip{h: h, link: link, done: make(chan struct{})}
	h.kept = append(h.kept, g)
	return g, h.fs.Rename(made, link)
}

func (g *grip) Drop() {
	g.once.Do(func() {
		must(g.h.fs.Remove(g.link))
		close(g.done)
	})
}

func (g *grip) Done() <-chan struct{} { return g.done }

func singleton(release string) runtime.Workload {
	w := runtimetest.Work(runtime.TypeBundle, release, []byte("bytes of "+release))
	w.Lease = runtimetest.NewLease(time.Hour)
	return w
}

// currentSlot is where the link leads; "" if there is none.
func currentSlot(f disk.FS) string {
	slot, _ := f.Readlink(path.Join(runtime.Dir("model"), current))
	return slot
}

func TestSingletonContract(t *testing.T) {
	runtimetest.Run(t, func(*testing.T) runtime.Driver {
		fs := memdisk.New(0)
		return New(Config{FS: fs, Keeper: &hand{fs: fs}})
	}, singleton("model@1"), singleton("model@2"))
}

func TestSingletonComesAndGoes(t *testing.T) {
	fs := memdisk.New(0)
	h := &hand{fs: fs}
	d := New(Config{FS: fs, Keeper: h})
	v1, v2 := singleton("model@1"), singleton("model@2")
	if _, err := d.Start(t.Context(), v1); err != nil {
		t.Fatal(err)
	}
	i, err := d.Start(t.Context(), v2)
	if err != nil || currentSlot(fs) != v2.Slot() {
		t.Fatalf("an update leads to %q, %v", currentSlot(fs), err)
	}
	h.kept[1].Drop() // as when the lease ends
	runtimetest.Await(t, i, func(s runtime.Status) bool { return s.Phase == runtime.PhaseExited })
	if s := currentSlot(fs); s != "" {
		t.Errorf("leads to %s without a lease", s)
	}
	if _, err = d.Start(t.Context(), v2); err != nil || currentSlot(fs) != v2.Slot() {
		t.Errorf("taken up again, it leads to %q, %v", currentSlot(fs), err)
	}
	if err := d.Close(t.Context()); err != nil || currentSlot(fs) != "" {
		t.Errorf("closed, it leads to %q, %v", currentSlot(fs), err)
	}
}

// What nobody has taken away, because the power went, is gone before the next node is up; that of others stays.
func TestNobodyKeepsAfterAPowerCut(t *testing.T) {
	fs := memdisk.New(0)
	d := New(Config{FS: fs, Keeper: &hand{fs: fs}})
	plain := runtimetest.Work(runtime.TypeBundle, "site@1", []byte("pages"))
	for _, w := range []runtime.Workload{singleton("model@1"), plain} {
		if _, err := d.Start(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	New(Config{FS: fs})
	if s := currentSlot(fs); s != "" {
		t.Errorf("leads to %s", s)
	}
	if s, err := fs.Readlink(path.Join(runtime.Dir("site"), current)); err != nil || s != plain.Slot() {
		t.Errorf("what is no singleton leads to %q, %v", s, err)
	}
}

// A deployment that is no singleton any more keeps its link over the next restart, also if it became so while the singleton
// did not run here.
func TestNoSingletonAnyMore(t *testing.T) {
	fs := memdisk.New(0)
	d := New(Config{FS: fs, Keeper: &hand{fs: fs}})
	if _, err := d.Start(t.Context(), singleton("model@1")); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := singleton("model@1")
	w.Lease = nil
	if _, err := New(Config{FS: fs}).Start(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Stat(path.Join(runtime.Dir("model"), epochFile)); err == nil {
		t.Error("it has a token")
	}
	New(Config{FS: fs})
	if s := currentSlot(fs); s != w.Slot() {
		t.Errorf("after a restart it leads to %q", s)
	}
}

func TestSingletonRefused(t *testing.T) {
	fs := memdisk.New(0)
	if _, err := New(Config{FS: fs}).Start(t.Context(), singleton("model@1")); !errors.Is(err, runtime.ErrInvalid) {
		t.Errorf("without a keeper: %v", err)
	}
	w := singleton("model@1")
	w.Lease = runtimetest.NewLease(runtimetest.StopMargin)
	if _, err := New(Config{FS: fs, Keeper: &hand{fs: fs}}).Start(t.Context(), w); !errors.Is(err, runtime.ErrNoLease) || currentSlot(fs) != "" {
		t.Errorf("without a lease: %v, and leads to %q", err, currentSlot(fs))
	}
}
