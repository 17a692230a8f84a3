package runtimetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"selvage/node/runtime"
)

// Artifact returns an artifact of the given bytes.
func Artifact(data []byte) runtime.Artifact {
	return runtime.Artifact{
		Digest: sha256.Sum256(data),
		Size:   int64(len(data)),
		Open:   func() (runtime.BlobReader, error) { return blob{bytes.NewReader(data)}, nil },
	}
}

// Work returns a workload of the given bytes. release is name@version; the deployment has that name.
func Work(kind, release string, data []byte) runtime.Workload {
	name, _, _ := strings.Cut(release, "@")
	return runtime.Workload{
		Deployment: name, Release: release, Type: kind, Artifact: Artifact(data),
		Node: "till-1", Site: "oslo",
	}
}

// Await returns the first status for which ok holds. The test's own time limit is the bound.
func Await(t testing.TB, i runtime.Instance, ok func(runtime.Status) bool) runtime.Status {
	t.Helper()
	for {
		changed := i.Changed()
		s := i.Status()
		if ok(s) {
			return s
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatalf("last status %+v", s)
		}
	}
}

// Run checks a driver against the port's contract. start returns a new driver; v1 and v2 are two
// workloads of one deployment that run until stopped.
func Run(t *testing.T, start func(*testing.T) runtime.Driver, v1, v2 runtime.Workload) {
	open := func(t *testing.T) runtime.Driver {
		d := start(t)
		t.Cleanup(func() {
			if err := d.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		return d
	}
	t.Run("start is idempotent", func(t *testing.T) { startTwice(t, open(t), v1) })
	t.Run("stop, twice, and start again", func(t *testing.T) { stopTwice(t, open(t), v1) })
	t.Run("another release", func(t *testing.T) { another(t, open(t), v1, v2) })
	t.Run("remove", func(t *testing.T) { remove(t, open(t), v1) })
	t.Run("bad names", func(t *testing.T) { badNames(t, open(t), v1) })
	t.Run("wrong bytes", func(t *testing.T) {
		w := v1
		w.Artifact.Digest[0]++
		if _, err := open(t).Start(t.Context(), w); err == nil {
			t.Error("Start ran bytes that are not those of the digest")
		}
	})
	t.Run("close", func(t *testing.T) { closed(t, open(t), v1) })
}

func startTwice(t *testing.T, d runtime.Driver, v1 runtime.Workload) {
	a, b := mustStart(t, d, v1), mustStart(t, d, v1)
	if a != b {
		t.Error("the second Start made another instance")
	}
	if p := a.Status().Phase; p != runtime.PhaseRunning {
		t.Errorf("phase %s, want running", p)
	}
	if a.Status().Since.IsZero() {
		t.Error("Since is not set")
	}
}

func stopTwice(t *testing.T, d runtime.Driver, v1 runtime.Workload) {
	a := mustStart(t, d, v1)
	changed := a.Changed()
	mustStop(t, a)
	mustStop(t, a)
	select {
	case <-changed:
	default:
		t.Error("Changed did not tell of the stop")
	}
	if p := a.Status().Phase; p != runtime.PhaseExited {
		t.Errorf("phase %s, want exited", p)
	}
	if b := mustStart(t, d, v1); a == b {
		t.Error("Start returned the stopped instance")
	}
}

func remove(t *testing.T, d runtime.Driver, v1 runtime.Workload) {
	a := mustStart(t, d, v1)
	if err := d.Remove(t.Context(), v1.Deployment); !errors.Is(err, runtime.ErrRunning) {
		t.Errorf("Remove of what runs: %v, want ErrRunning", err)
	}
	mustStop(t, a)
	for range 2 {
		if err := d.Remove(t.Context(), v1.Deployment); err != nil {
			t.Error(err)
		}
	}
	mustStart(t, d, v1)
}

func closed(t *testing.T, d runtime.Driver, v1 runtime.Workload) {
	a := mustStart(t, d, v1)
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := a.Status().Phase; p != runtime.PhaseExited {
		t.Errorf("phase %s after Close, want exited", p)
	}
	if _, err := d.Start(t.Context(), v1); err == nil {
		t.Error("Start ran something after Close")
	}
}

func another(t *testing.T, d runtime.Driver, v1, v2 runtime.Workload) {
	a := mustStart(t, d, v1)
	b, err := d.Start(t.Context(), v2)
	if !d.Replaces() {
		if !errors.Is(err, runtime.ErrRunning) {
			t.Fatalf("Start beside another: %v, want ErrRunning", err)
		}
		mustStop(t, a)
		mustStart(t, d, v2)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	Await(t, a, func(s runtime.Status) bool { return s.Phase == runtime.PhaseExited })
	mustStop(t, a)
	if p := b.Status().Phase; p != runtime.PhaseRunning {
		t.Errorf("stopping the replaced instance left the new one %s", p)
	}
}

func badNames(t *testing.T, d runtime.Driver, v1 runtime.Workload) {
	for _, change := range []func(*runtime.Workload){
		func(w *runtime.Workload) { w.Deployment = "" },
		func(w *runtime.Workload) { w.Deployment = "../etc" },
		func(w *runtime.Workload) { w.Deployment = "a/../b" },
		func(w *runtime.Workload) { w.Deployment = "/a" },
		func(w *runtime.Workload) { w.Deployment = ".hidden" },
		func(w *runtime.Workload) { w.Deployment = strings.Repeat("a", 129) },
		func(w *runtime.Workload) { w.Release = "app" },
		func(w *runtime.Workload) { w.Release = "app@.." },
		func(w *runtime.Workload) { w.Release = "app@1/2" },
		func(w *runtime.Workload) { w.Release = "app@1\n" },
		func(w *runtime.Workload) { w.Port = 70000 },
		func(w *runtime.Workload) { w.Memory = -1 },
		func(w *runtime.Workload) { w.Env = map[string]string{"A=B": ""} },
		func(w *runtime.Workload) { w.Args = []string{"a\x00b"} },
	} {
		w := v1
		change(&w)
		if _, err := d.Start(t.Context(), w); !errors.Is(err, runtime.ErrInvalid) {
			t.Errorf("Start(%q, %q): %v, want ErrInvalid", w.Deployment, w.Release, err)
		}
	}
	if err := d.Remove(t.Context(), "../etc"); !errors.Is(err, runtime.ErrInvalid) {
		t.Errorf("Remove of a path: %v, want ErrInvalid", err)
	}
}

func mustStart(t *testing.T, d runtime.Driver, w runtime.Workload) runtime.Instance {
	t.Helper()
	i, err := d.Start(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func mustStop(t *testing.T, i runtime.Instance) {
	t.Helper()
	if err := i.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}
