//go:build linux

package netns

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"selvage/simulator"
)

// TestEvent: what a node logs becomes an event of the story.
func TestEvent(t *testing.T) {
	for line, want := range map[string]simulator.Event{
		`{"time":"2026-01-01T00:00:00Z","level":"INFO","msg":"fetched","node":"a","site":"s","peer":"s-n1","bytes":12,"took":"1s","blob":"ab"}`: {
			On: "s/n0", What: "fetched", Peer: "s-n1", Bytes: 12, Text: "blob=ab took=1s"},
		`{"level":"WARN","msg":"odd","bytes":"many"}`: {On: "s/n0", What: "odd", Text: "bytes=many", Level: "warn"},
		`panic: no`: {On: "s/n0", What: "says", Text: "panic: no"},
	} {
		if got := event("s/n0", []byte(line)); got != want {
			t.Errorf("%s: %+v, want %+v", line, got, want)
		}
	}
}

// TestStale: only what belonged to a process that is gone is removed, and only if it is root's.
func TestStale(t *testing.T) {
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	dead := dirPrefix + strconv.Itoa(gone.Process.Pid) + "-x"
	for name, want := range map[string]bool{
		dead: os.Geteuid() == 0,
		dirPrefix + strconv.Itoa(os.Getpid()) + "-x": false,
		dirPrefix + "x":    false,
		dirPrefix + "-1-x": false,
		"other-1-x":        false,
	} {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if got := stale(dir); got != want {
			t.Errorf("stale(%s) = %v", name, got)
		}
	}
	link := filepath.Join(t.TempDir(), dead)
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	if stale(link) {
		t.Error("a link is taken for a directory")
	}
}
