package deploy

import (
	"testing"
	"testing/synctest"
	"time"

	"selvage/node/rollout"
	"selvage/node/runtime"
)

// lone is a version that is a singleton.
func lone(kind, name string) *Version {
	v := version(kind, name)
	v.Spec.Singleton = true
	return v
}

// ceded reports whether Cede returns now.
func (b *bench) ceded() bool {
	done := make(chan struct{})
	go func() { b.Cede(nil); close(done) }()
	synctest.Wait()
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// TestSingletonFollowsTheLead: it is fetched everywhere, runs while this node leads, and no longer.
func TestSingletonFollowsTheLead(t *testing.T) {
	for _, kind := range []string{runtime.TypeFunction, runtime.TypeProcess} {
		inBubble(t, func(t *testing.T, b *bench) {
			v := lone(kind, "1")
			b.want(v)
			s := b.after(10 * time.Second)
			if s.Phase != rollout.Standby || s.Why != "n2 leads site s1" || s.Release != "" || s.Aim != v.ID || !b.shelf.Have(v.Artifact) {
				t.Errorf("%s: without the lead: %+v", kind, s)
			}
			b.lead.Epoch = 5
			b.lead.End(time.Hour)
			if s = b.after(10 * time.Second); s.Phase != rollout.Ready || !s.Ready {
				t.Errorf("%s: with the lead: %+v", kind, s)
			}
			if b.ceded() {
				t.Errorf("%s: the lead may be given up while it runs", kind)
			}
			b.lead.End(0)
			if s = b.after(time.Second); s.Phase != rollout.Standby || s.Ready || b.swift.runs(app)+b.plain.runs(app) != "" {
				t.Errorf("%s: the lead is lost: %+v", kind, s)
			}
			if !b.ceded() {
				t.Errorf("%s: the lead cannot be given up though nothing runs", kind)
			}
			b.lead.Epoch = 9
			b.lead.End(time.Hour)
			if s = b.after(10 * time.Second); !s.Ready {
				t.Errorf("%s: it leads again: %+v", kind, s)
			}
			if got := append(b.swift.epochs, b.plain.epochs...); len(got) != 2 || got[0] != 5 || got[1] != 9 {
				t.Errorf("%s: told the epochs %v", kind, got)
			}
		})
	}
}

// TestLapseIsNoFault: a singleton that its driver ended with the lease is started again, and however often that
// happens, it is not held against a version that has not proved itself yet.
func TestLapseIsNoFault(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.want(lone(runtime.TypeProcess, "1"))
		b.after(2 * time.Second)
		for range 2 * rollout.MaxAttempts {
			b.lead.End(time.Hour)
			if s := b.after(2 * time.Second); s.Phase != rollout.Starting || b.plain.runs(app) == "" {
				t.Fatalf("it leads: %+v", s)
			}
			b.lead.End(0)
			b.plain.lapse()
			if s := b.after(2 * time.Second); s.Phase != rollout.Standby {
				t.Fatalf("the lead is lost: %+v", s)
			}
		}
		b.lead.End(time.Hour)
		if s := b.after(10 * time.Second); !s.Ready {
			t.Errorf("it leads for good: %+v", s)
		}
		b.plain.lapse() // and the lease was renewed before anybody looked
		if s := b.after(10 * time.Second); !s.Ready || b.plain.started("till@1") != 2*rollout.MaxAttempts+2 {
			t.Errorf("after a lapse that nobody else saw: %+v, %d starts", s, b.plain.started("till@1"))
		}
	})
}

// TestRenewedAtTheLastMoment: a lease that was about to be lost wakes nobody when it is renewed after all.
func TestRenewedAtTheLastMoment(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.want(lone(runtime.TypeProcess, "1"))
		b.lead.End(2 * time.Second) // no time to run is left of it
		if s := b.after(1500 * time.Millisecond); s.Phase == rollout.Ready || b.plain.runs(app) != "" {
			t.Errorf("with a lease that is about to end: %+v", s)
		}
		b.lead.Renew(time.Hour)
		if s := b.after(10 * time.Second); !s.Ready {
			t.Errorf("renewed: %+v", s)
		}
	})
}

// TestSingletonIsUpdated: the holder never runs the old beside the new; who stands by never runs either.
func TestSingletonIsUpdated(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.lead.End(time.Hour)
		b.want(lone(runtime.TypeProcess, "1"))
		b.after(10 * time.Second)
		b.want(lone(runtime.TypeFunction, "2"))
		if s := b.after(10 * time.Second); s.Release != "till@2" || !s.Ready || b.plain.runs(app) != "" {
			t.Errorf("2 after 1: %+v", s)
		}
		b.want(version(runtime.TypeProcess, "3"))
		b.lead.End(0)
		if s := b.after(10 * time.Second); s.Release != "till@3" || !s.Ready {
			t.Errorf("3, which is no singleton: %+v", s)
		}
		b.want(lone(runtime.TypeProcess, "4"))
		if s := b.after(10 * time.Second); s.Phase != rollout.Standby || b.plain.runs(app) != "" {
			t.Errorf("4, which is one again: %+v", s)
		}
	})
}

// TestCedeEndsWithTheDeployer: whoever gives the lead up does not wait for a node that has gone.
func TestCedeEndsWithTheDeployer(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.lead.End(time.Hour)
		b.want(lone(runtime.TypeProcess, "1"))
		b.after(10 * time.Second)
		done := make(chan struct{})
		go func() { b.Cede(nil); close(done) }()
		b.end(t)
		<-done
	})
}

// TestStopsOnAFullDisk: that nothing can be written down does not keep a singleton from being stopped, nor the lead from being given up.
func TestStopsOnAFullDisk(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		full := b.fillable()
		b.lead.End(time.Hour)
		b.want(lone(runtime.TypeProcess, "1"))
		b.after(10 * time.Second)
		full.Store(true)
		b.want(lone(runtime.TypeProcess, "2"))
		if s := b.after(10 * time.Second); s.Release != "till@1" || !s.Ready {
			t.Errorf("2 cannot be begun: %+v", s)
		}
		b.lead.End(0)
		if s := b.after(10 * time.Second); s.Release != "" || b.plain.runs(app) != "" || !b.ceded() {
			t.Errorf("the lead is lost: %+v; %q runs", s, b.plain.runs(app))
		}
		full.Store(false)
		if s := b.after(10 * time.Second); s.Phase != rollout.Standby {
			t.Errorf("when there is room: %+v", s)
		}
	})
}

// TestLapseOnAFullDisk: that an attempt did not count is remembered though it cannot be written down.
func TestLapseOnAFullDisk(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		full := b.fillable()
		b.want(lone(runtime.TypeProcess, "1"))
		for range rollout.MaxAttempts {
			b.lead.End(time.Hour)
			b.after(2 * time.Second)
			full.Store(true)
			b.lead.End(0)
			b.after(2 * time.Second)
			full.Store(false)
			b.after(10 * time.Second)
		}
		b.lead.End(time.Hour)
		if s := b.after(10 * time.Second); !s.Ready {
			t.Errorf("%+v after %d starts", s, b.plain.started("till@1"))
		}
	})
}
