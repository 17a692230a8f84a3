package runtime

import (
	"errors"
	"strings"
	"testing"
)

func TestSlotNames(t *testing.T) {
	w := Workload{Deployment: "shop/till", Release: "shop/till@1.2+rc1", Artifact: Artifact{Digest: [32]byte{0xab, 1}}}
	if got := Dir(w.Deployment); got != "run/shop~till" {
		t.Errorf("Dir = %q", got)
	}
	if got := w.Slot(); got != "shop~till@1.2+rc1-ab0100000000" {
		t.Errorf("Slot = %q", got)
	}
	if CheckDeployment("shop/till") != nil || !errors.Is(CheckDeployment("shop~till"), ErrInvalid) {
		t.Error("a slash is allowed in names and a tilde is not, or two names could share a directory")
	}
}

func TestEqual(t *testing.T) {
	base := Workload{Deployment: "a", Release: "a@1", Args: []string{"x"}, Env: map[string]string{"K": "v"}}
	same := base
	same.Args, same.Env = []string{"x"}, map[string]string{"K": "v"}
	if !base.Equal(same) {
		t.Error("equal workloads differ")
	}
	for name, change := range map[string]func(*Workload){
		"release": func(w *Workload) { w.Release = "a@2" },
		"digest":  func(w *Workload) { w.Artifact.Digest[0] = 1 },
		"args":    func(w *Workload) { w.Args = nil },
		"env":     func(w *Workload) { w.Env = map[string]string{"K": "w"} },
		"port":    func(w *Workload) { w.Port = 1 },
	} {
		other := base
		change(&other)
		if base.Equal(other) {
			t.Errorf("another %s makes no difference", name)
		}
	}
}

func TestCondition(t *testing.T) {
	var c Condition
	c.Enter(PhaseRunning)
	changed, since := c.Changed(), c.Status().Since
	c.Enter(PhaseRunning)
	select {
	case <-changed:
		t.Error("told of no change")
	default:
	}
	c.Note(strings.Repeat("x", 2*maxLastError))
	<-changed
	if s := c.Status(); s.Since != since || len(s.LastError) != maxLastError {
		t.Errorf("after Note: since %v, want %v; %d bytes of error", s.Since, since, len(s.LastError))
	}
	changed = c.Changed()
	c.Fail(PhaseRestarting, "exit status 3")
	<-changed
	c.Restarted()
	if s := c.Status(); s.Phase != PhaseRunning || s.Restarts != 1 || s.LastError != "exit status 3" {
		t.Errorf("after Restarted: %+v", s)
	}
}
