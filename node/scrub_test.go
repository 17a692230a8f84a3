package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"selvage/distribute/store"
	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
	"selvage/ledger/manifest"
	"selvage/node/api"
	"selvage/node/runtime"
	"selvage/node/runtime/bundle"
)

// rot changes a byte of a blob of a machine where it stands.
func (m *machine) rot(digest string, at int64) {
	m.t.Helper()
	f, err := m.fs.OpenFile("store/blobs/sha256/"+digest, os.O_RDWR, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		m.t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{^b[0]}, at); err != nil {
		m.t.Fatal(err)
	}
}

// holds reports whether the machine's disk has the bytes as a blob.
func (m *machine) holds(digest string, data []byte) bool {
	got, err := disk.ReadFile(m.fs, "store/blobs/sha256/"+digest, 1<<24)
	return err == nil && bytes.Equal(got, data)
}

func (m *machine) scrub() api.Scrub {
	m.t.Helper()
	lines := 0
	s, err := m.Scrub(m.t.Context(), func(api.Scrub) { lines++ })
	if err != nil || !s.Done || len(s.Damaged) > 0 && lines == 0 {
		m.t.Fatalf("%+v after %d lines, %v", s, lines, err)
	}
	return s
}

// TestScrubMends: what went bad on a disk, or is gone from it, is found and fetched again.
func TestScrubMends(t *testing.T) {
	t.Parallel()
	f := found(t)
	m := f.join("b", "b1")
	data, other := content(1, 600<<10), content(2, 5000)
	added, err := f.seed(f.founder, "app@v1", data)
	if err != nil {
		t.Fatal(err)
	}
	small, err := f.seed(f.founder, "lib@v1", other)
	if err != nil {
		t.Fatal(err)
	}
	f.deploy(f.founder, "app@v1")
	f.deploy(f.founder, "lib@v1")
	eventually(t, "b1 runs both", func() bool { return m.runs("app@v1") && m.runs("lib@v1") })
	if s := m.scrub(); s.Blobs != 2 || s.Read != s.Bytes || len(s.Damaged) != 0 {
		t.Errorf("before: %+v", s)
	}
	m.rot(added.Digest, 400_000)
	if err := m.fs.Remove("store/blobs/sha256/" + small.Digest); err != nil {
		t.Fatal(err)
	}
	s := m.scrub()
	if len(s.Damaged) != 2 {
		t.Fatalf("found %+v", s)
	}
	for _, d := range s.Damaged {
		if !d.Mended || d.Missing != (d.Digest == small.Digest) || d.Digest == added.Digest && (d.Chunks != 1 || d.Releases[0] != "app@v1") {
			t.Errorf("found %+v", d)
		}
	}
	if !m.holds(added.Digest, data) || !m.holds(small.Digest, other) {
		t.Error("other bytes are on the disk")
	}
	b := m.blobOf(added.Digest)
	if b.FromUplinkBytes > 128<<10 {
		t.Errorf("more was fetched than one chunk: %+v", b)
	}
	if b.By != api.ByChunks || b.ByBytes != b.FromUplinkBytes || b.FromUplinkBytes+b.FromLocalBytes != b.Size || b.NeededBytes() != b.ByBytes {
		t.Errorf("how it was mended does not add up: %+v", b)
	}
	if b := m.blobOf(small.Digest); b.By != api.ByWhole || b.ByBytes != b.Size || b.FromUplinkBytes != b.Size || b.FromLocalBytes != 0 {
		t.Errorf("how it came again does not add up: %+v", b)
	}
	if !m.alerted("went bad on this disk") || !m.runs("app@v1") {
		t.Errorf("status %+v", m.Status())
	}
}

// TestRotIsNotServed: a node whose copy went bad does not hand it out, mends it, and is not dropped for it.
func TestRotIsNotServed(t *testing.T) {
	t.Parallel()
	f := found(t)
	b1, b2 := f.join("b", "b1"), f.join("b", "b2")
	eventually(t, "b1 and b2 know each other", func() bool { return len(b1.Status().Peers) == 2 && len(b2.Status().Peers) == 2 })
	b2.stop()
	data := content(3, 600<<10)
	added, err := f.seed(f.founder, "app@v1", data)
	if err != nil {
		t.Fatal(err)
	}
	f.deploy(f.founder, "app@v1")
	eventually(t, "b1 runs app@v1", func() bool { return b1.runs("app@v1") })
	f.founder.stop() // so that b2 asks b1
	b1.rot(added.Digest, 100_000)
	b2.start()
	eventually(t, "b1 finds out", func() bool { return b1.alerted("went bad") })
	f.founder.start()
	eventually(t, "b2 runs app@v1", func() bool { return b2.runs("app@v1") })
	eventually(t, "b1 is mended", func() bool { return b1.holds(added.Digest, data) })
	if !b2.holds(added.Digest, data) || b2.alerted("was dropped") {
		t.Errorf("b2: %v", b2.Status().Alerts)
	}
}

// TestRotIsNotStarted: what went bad before a restart of the node does not run, and does not make the version fail.
func TestRotIsNotStarted(t *testing.T) {
	t.Parallel()
	f := found(t)
	m := f.join("b", "b1")
	data := content(4, 300<<10)
	added, err := f.seed(f.founder, "app@v1", data)
	if err != nil {
		t.Fatal(err)
	}
	f.deploy(f.founder, "app@v1")
	eventually(t, "b1 runs app@v1", func() bool { return m.runs("app@v1") })
	m.stop()
	m.rot(added.Digest, 100_000)
	if err := m.fs.RemoveAll("run"); err != nil { // else it needs no blob to go on
		t.Fatal(err)
	}
	m.start()
	eventually(t, "b1 runs app@v1 again", func() bool { return m.runs("app@v1") && m.holds(added.Digest, data) })
	if got, err := disk.ReadFile(m.fs, "run/app/current/f", 1<<20); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes run, %v", len(got), err)
	}
}

// TestNobodyCanMend: the only copy went bad. That is said, the rest of it stays, and an import brings it back.
func TestNobodyCanMend(t *testing.T) {
	t.Parallel()
	f := found(t)
	data := content(5, 300<<10)
	added, err := f.seed(f.founder, "app@v1", data)
	if err != nil {
		t.Fatal(err)
	}
	file := f.file(f.founder, "app@v1")
	f.founder.rot(added.Digest, 100_000)
	if err := f.founder.Export(t.Context(), api.ExportWish{Releases: []string{"app@v1"}}, io.Discard); err == nil || !strings.Contains(err.Error(), "went bad") {
		t.Errorf("export: %v", err)
	}
	if b := f.founder.blobOf(added.Digest); b.Complete || b.HaveBytes < added.Size-(128<<10) {
		t.Errorf("%+v", b)
	}
	var e *api.Error
	if err := f.founder.Export(t.Context(), api.ExportWish{Releases: []string{"app@v1"}}, io.Discard); !errors.As(err, &e) || e.Hint == "" {
		t.Errorf("export again: %v", err)
	}
	if _, err := f.founder.Import(t.Context(), bytes.NewReader(file)); err != nil {
		t.Fatal(err)
	}
	if s := f.founder.scrub(); len(s.Damaged) != 0 || !f.founder.holds(added.Digest, data) {
		t.Errorf("%+v", s)
	}
}

// spoil has a byte of a blob of a machine that is down turn, and be found, as if it had gone down right after that.
func (m *machine) spoil(digest string, at int64) {
	m.t.Helper()
	m.rot(digest, at)
	d, err := store.ParseDigest(digest)
	if err != nil {
		m.t.Fatal(err)
	}
	s, err := store.Open(m.fs, "store")
	if err != nil {
		m.t.Fatal(err)
	}
	o, _ := s.Object(d)
	if bad, err := o.Scrub(m.t.Context(), func(int) error { return nil }); err != nil || bad.Chunks != 1 || s.Close() != nil {
		m.t.Fatalf("found %+v, %v", bad, err)
	}
}

// TestMendedAfterRestart: what went bad before a restart is told of, found by a scrub, and mended, though nothing wants it; a disk that is full when
// the bytes come puts no end to that.
func TestMendedAfterRestart(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	var refused atomic.Int32
	f := foundOn(t, func() disk.FS {
		fs := memdisk.New(0)
		fs.OnOp = func(op, name string) error {
			if full.Load() && op == "write" && strings.HasPrefix(name, "store/partial/") {
				refused.Add(1)
				return disk.ErrFull
			}
			return nil
		}
		return fs
	})
	m, other := f.founder, f.join("b", "b1")
	data := content(6, 600<<10)
	added, err := f.seed(m, "app@v1", data)
	if err != nil {
		t.Fatal(err)
	}
	f.add(other, data)
	m.stop()
	m.spoil(added.Digest, 400_000)
	full.Store(true)
	m.start()
	eventually(t, "it is told of, and what comes is refused", func() bool { return m.alerted("1 chunks") && refused.Load() > 0 })
	s, err := m.Scrub(t.Context(), func(s api.Scrub) {
		if len(s.Damaged) > 0 {
			full.Store(false)
		}
	})
	if err != nil || len(s.Damaged) != 1 || s.Damaged[0].Digest != added.Digest || s.Damaged[0].Chunks != 1 || !s.Damaged[0].Mended {
		t.Errorf("found %+v, %v", s, err)
	}
	eventually(t, "it is mended", func() bool { return m.holds(added.Digest, data) })
	if s := m.scrub(); len(s.Damaged) != 0 || s.Blobs != 1 {
		t.Errorf("after that: %+v", s)
	}
}

// onLog calls do with the message of each record.
type onLog struct {
	slog.Handler
	do func(message string)
}

func (h onLog) Handle(ctx context.Context, r slog.Record) error {
	h.do(r.Message)
	return h.Handler.Handle(ctx, r)
}

func (h onLog) WithAttrs(a []slog.Attr) slog.Handler { return onLog{h.Handler.WithAttrs(a), h.do} }

// TestGoesBadAsItIsMended: what goes bad again in the moment in which it is whole is mended again.
func TestGoesBadAsItIsMended(t *testing.T) {
	t.Parallel()
	f := found(t)
	m := f.join("b", "b1")
	data := content(4, 100<<10)
	added, err := f.seed(f.founder, "app@v1", data)
	if err != nil {
		t.Fatal(err)
	}
	f.deploy(f.founder, "app@v1")
	eventually(t, "b1 runs it", func() bool { return m.runs("app@v1") })
	d := store.Digest(sha256.Sum256(data))
	f.declare(f.founder, "app", manifest.Spec{Release: "app@v1", Selector: manifest.Selector{MatchLabels: map[string]string{"is": "nowhere"}}})
	eventually(t, "b1 has no use for it", func() bool { return len(m.Status().Deployments) == 0 })
	m.stop()
	var n *Node
	var again atomic.Int32
	spoil := func() {
		m.rot(added.Digest, 50_000)
		if o, ok := n.store.Object(d); ok {
			_, _ = o.Scrub(context.Background(), func(int) error { return nil })
		}
	}
	n, err = Start(Config{FS: m.fs, Log: m.log, Listen: []string{"127.0.0.1:0"}, Drivers: map[string]runtime.Driver{runtime.TypeBundle: bundle.New(bundle.Config{FS: m.fs})},
		Logger: slog.New(onLog{logTo(t).Handler(), func(message string) {
			if message == "node: blob fetched" && again.Add(1) == 1 {
				spoil()
			}
		}})})
	if err != nil {
		t.Fatal(err)
	}
	m.Node = n
	spoil()
	eventually(t, "it is whole", func() bool { return again.Load() > 1 && m.complete(d) })
}
