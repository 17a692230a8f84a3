//go:build unix

package process

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"selvage/node/runtime"
	"selvage/node/runtime/runtimetest"
)

// shell runs a script in the foreground; it is dead when this returns.
func shell(stop <-chan struct{}, script string, input *os.File, l runtime.Lease) (int, bool, error) {
	return Foreground(stop, guardCommand, []string{"/bin/sh", "-c", script}, os.Environ(), input, l)
}

func TestForegroundHasTheCommandsCode(t *testing.T) {
	onLinux(t)
	l := runtimetest.NewLease(time.Hour)
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -9 $$": 137} {
		if code, lapsed, err := shell(nil, script, nil, l); code != want || lapsed || err != nil {
			t.Errorf("%s: %d, %v, %v", script, code, lapsed, err)
		}
	}
	if _, _, err := Foreground(nil, guardCommand, []string{"/nothing/there"}, nil, nil, l); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("no such program: %v", err)
	}
	if _, _, err := shell(nil, "exit 0", nil, runtimetest.NewLease(time.Second)); !errors.Is(err, runtime.ErrNoLease) {
		t.Errorf("a lease with no time left: %v", err)
	}
}

func TestForegroundHasAnInput(t *testing.T) {
	onLinux(t)
	name := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(name, []byte("7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	l := runtimetest.NewLease(time.Hour)
	if code, _, err := shell(nil, "read n; exit $n", in, l); code != 7 || err != nil {
		t.Errorf("%d, %v", code, err)
	}
	if code, _, err := shell(nil, "read n || exit 3", nil, l); code != 3 || err != nil {
		t.Errorf("without one: %d, %v", code, err)
	}
}

// TestForegroundEnds: politely when it is told to, and whether it hears that or not when its lease has no more time.
func TestForegroundEnds(t *testing.T) {
	onLinux(t)
	stop := make(chan struct{})
	time.AfterFunc(200*time.Millisecond, func() { close(stop) })
	if code, lapsed, err := shell(stop, "trap 'exit 5' TERM; while :; do sleep .05; done", nil, runtimetest.NewLease(time.Hour)); code != 5 || lapsed || err != nil {
		t.Errorf("told to end: %d, %v, %v", code, lapsed, err)
	}
	begun := time.Now()
	l := runtimetest.NewLease(runtimetest.StopMargin + 500*time.Millisecond)
	code, lapsed, err := shell(nil, "trap '' TERM; while :; do sleep .05; done", nil, l)
	if took := time.Since(begun); code != 137 || !lapsed || err != nil || l.Left() <= 0 || took < 500*time.Millisecond {
		t.Errorf("after %v: %d, %v, %v", took, code, lapsed, err)
	}
}
