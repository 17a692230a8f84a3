//go:build linux

package netns

import (
	"path/filepath"
	"testing"

	"selvage/node/api"
	"selvage/simulator"
)

// TestWhoDoesNotAnswer: what a node told before it fell silent is not what it tells now, though its process be there.
func TestWhoDoesNotAnswer(t *testing.T) {
	p := &process{gone: make(chan struct{})}
	m := &machine{stage: &stage{ctx: t.Context(), trace: simulator.NewTrace()}, site: "a", name: "n0", process: p,
		client: api.NewClient(filepath.Join(t.TempDir(), "selvage.sock"))}
	v := &view{m: m}
	m.saw(p, v)
	if m.Agent() != v {
		t.Error("it has answered, and does not show it")
	}
	m.look(t.Context())
	if m.Agent() != nil {
		t.Error("it shows what it told before")
	}
	m.saw(p, v)
	if m.Agent() != v {
		t.Error("it has answered again, and does not show it")
	}
}
