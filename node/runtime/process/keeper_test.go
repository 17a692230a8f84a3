//go:build unix

package process

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"selvage/node/runtime"
	"selvage/node/runtime/bundle"
	"selvage/node/runtime/runtimetest"
)

// putInPlace starts a bundle as a singleton, and returns the path of its link.
func putInPlace(t *testing.T, l runtime.Lease) (runtime.Instance, string) {
	t.Helper()
	root := runtimetest.NewRoot(t)
	d := bundle.New(bundle.Config{FS: root, Keeper: Keeper{guardCommand, root.Dir}})
	w := runtimetest.Work(runtime.TypeBundle, "model@1", []byte("weights"))
	w.Lease = l
	i, err := d.Start(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return i, filepath.Join(root.Dir, "run/model/current")
}

func isThere(t *testing.T, link string) bool {
	t.Helper()
	_, err := os.ReadFile(filepath.Join(link, "file"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// The link of a singleton is there while the lease lasts, with its token beside it.
func TestKeptLink(t *testing.T) {
	onLinux(t)
	l := runtimetest.NewLease(time.Hour)
	i, link := putInPlace(t, l)
	epoch, err := os.ReadFile(filepath.Join(filepath.Dir(link), "epoch"))
	if !isThere(t, link) || err != nil || string(epoch) != "71\n" {
		t.Fatalf("the link is not in place, or the token is %q, %v", epoch, err)
	}
	l.End(runtimetest.StopMargin)
	runtimetest.Await(t, i, func(s runtime.Status) bool { return s.Phase == runtime.PhaseExited })
	if isThere(t, link) || l.Left() <= 0 {
		t.Error("the link outlives the lease")
	}
}

func TestKeptLinkIsDropped(t *testing.T) {
	onLinux(t)
	i, link := putInPlace(t, runtimetest.NewLease(time.Hour))
	if err := i.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if isThere(t, link) {
		t.Error("the link outlives the instance")
	}
}
