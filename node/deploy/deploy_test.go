package deploy

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"selvage/internal/disk"
	"selvage/ledger/manifest"
	"selvage/node/rollout"
	"selvage/node/runtime"
)

func TestFirstVersion(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		v := version(runtime.TypeFunction, "1")
		b.want(v)
		if s := b.after(500 * time.Millisecond); s.Phase != rollout.Fetching || s.Target != v.Release {
			t.Errorf("while the blob is on its way: %+v", s)
		}
		if s := b.after(3 * time.Second); s.Phase != rollout.Starting || s.Ready {
			t.Errorf("before it has proved itself: %+v", s)
		}
		s := b.after(5 * time.Second)
		if s.Phase != rollout.Ready || !s.Ready || s.Release != v.Release || s.Version != v.ID || s.Address == "" {
			t.Errorf("then: %+v", s)
		}
	})
}

func TestUpdateKeepsThePort(t *testing.T) {
	for _, kind := range []string{runtime.TypeFunction, runtime.TypeProcess} {
		inBubble(t, func(t *testing.T, b *bench) {
			b.want(version(kind, "1"))
			before := b.after(10 * time.Second)
			b.want(version(kind, "2"))
			if s := b.after(500 * time.Millisecond); s.Release != "till@1" || !s.Ready {
				t.Errorf("%s: while 2 is on its way: %+v", kind, s)
			}
			after := b.after(10 * time.Second)
			if after.Release != "till@2" || !after.Ready || after.Address != before.Address {
				t.Errorf("%s: 2 after 1: %+v, then %+v", kind, before, after)
			}
		})
	}
}

func TestFailedVersionIsGivenUpForGood(t *testing.T) {
	for _, c := range []struct {
		what, kind string
		conduct    conduct
		within     time.Duration
	}{
		{"a program that ends at once", runtime.TypeProcess, conduct{crashes: true}, 40 * time.Second},
		{"a function that is not WASM", runtime.TypeFunction, conduct{startErr: fmt.Errorf("%w: no module", runtime.ErrInvalid)}, 5 * time.Second},
		{"a bundle that never fits", runtime.TypeFunction, conduct{startErr: disk.ErrFull}, 60 * time.Second},
	} {
		t.Run(c.what, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.plain.set("till@2", c.conduct)
				b.swift.set("till@2", c.conduct)
				b.want(version(c.kind, "1"))
				b.after(10 * time.Second)
				b.want(version(c.kind, "2"))
				s := b.after(c.within)
				if s.Phase != rollout.Failed || s.Why == "" || s.Release != "till@1" {
					t.Errorf("2 fails: %+v", s)
				}
				if s = b.after(10 * time.Second); !s.Ready {
					t.Errorf("1 does not run again: %+v", s)
				}
				b.restart(t)
				b.want(version(c.kind, "2"))
				n := b.plain.started("till@2") + b.swift.started("till@2")
				if s = b.after(time.Hour); s.Release != "till@1" || !s.Ready || s.Phase != rollout.Failed {
					t.Errorf("after a restart: %+v", s)
				}
				if again := b.plain.started("till@2") + b.swift.started("till@2"); again != n {
					t.Errorf("2 was started %d times more", again-n)
				}
				b.want(version(c.kind, "3"))
				if s = b.after(10 * time.Second); s.Release != "till@3" || !s.Ready {
					t.Errorf("3 after 2: %+v", s)
				}
			})
		})
	}
}

// TestSlowMachine: what a machine needs to compile a function does not count against the version.
func TestSlowMachine(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.swift.set("till@1", conduct{prepares: time.Minute})
		b.want(version(runtime.TypeFunction, "1")) // its deadline is 30 s
		if s := b.after(70 * time.Second); !s.Ready || s.Phase != rollout.Ready {
			t.Errorf("%+v", s)
		}
	})
}

func TestFirstVersionFails(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.plain.set("till@1", conduct{crashes: true})
		b.want(version(runtime.TypeProcess, "1"))
		s := b.after(time.Minute)
		if s.Phase != rollout.Failed || s.Release != "" || !strings.Contains(s.Why, "exit status 3") {
			t.Errorf("nothing to go back to: %+v", s)
		}
		if r := b.plain.runs(app); r != "" {
			t.Errorf("%s still runs", r)
		}
	})
}

// TestAttemptsCountOverRestarts: a version that takes the agent down each time is given up.
func TestAttemptsCountOverRestarts(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		v := version(runtime.TypeProcess, "1")
		for range rollout.MaxAttempts {
			b.want(v)
			b.after(3 * time.Second) // started, not proven
			b.restart(t)
		}
		b.want(v)
		if s := b.after(time.Minute); s.Phase != rollout.Failed || b.plain.started(v.Release) != rollout.MaxAttempts {
			t.Errorf("%+v after %d starts", s, b.plain.started(v.Release))
		}
	})
}

// TestProvisionalIsNoWayBack: an interrupted deploy does not become what a later one falls back to.
func TestProvisionalIsNoWayBack(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.want(version(runtime.TypeProcess, "1"))
		b.after(10 * time.Second)
		b.want(version(runtime.TypeProcess, "2"))
		b.after(3 * time.Second)
		b.restart(t)
		b.plain.set("till@3", conduct{crashes: true})
		b.want(version(runtime.TypeProcess, "3"))
		if s := b.after(time.Minute); s.Release != "till@1" || !s.Ready {
			t.Errorf("the way back from 3: %+v", s)
		}
	})
}

func TestRestartRunsWhatWasVerified(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		v := version(runtime.TypeFunction, "1")
		b.want(v)
		before := b.after(10 * time.Second)
		b.restart(t)
		b.want(v)
		if s := b.after(time.Second); !s.Ready || s.Phase != rollout.Ready || s.Address != before.Address {
			t.Errorf("a second after the restart: %+v", s)
		}
		// What should run next is not known yet: what was verified runs on.
		b.restart(t)
		b.Set([]Desired{{Name: app, Selected: true, Problem: "release is not known here yet"}})
		if s := b.after(time.Second); s.Phase != rollout.Waiting || s.Release != v.Release || !s.Ready {
			t.Errorf("without a target: %+v", s)
		}
	})
}

func TestDegradedAndBack(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.want(version(runtime.TypeProcess, "1"))
		b.after(10 * time.Second)
		b.plain.mu.Lock()
		i := b.plain.running[app]
		b.plain.mu.Unlock()
		i.Fail(runtime.PhaseRestarting, "exit status 1")
		if s := b.after(2 * time.Second); s.Phase != rollout.Degraded || s.Ready || s.Release != "till@1" {
			t.Errorf("a proven version that broke: %+v", s)
		}
		i.Restarted()
		if s := b.after(3 * time.Second); s.Phase != rollout.Ready || !s.Ready {
			t.Errorf("and came back: %+v", s)
		}
	})
}

func TestTypeChanges(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.want(version(runtime.TypeProcess, "1"))
		b.after(10 * time.Second)
		b.want(version(runtime.TypeFunction, "2"))
		if s := b.after(10 * time.Second); s.Release != "till@2" || !s.Ready || b.plain.runs(app) != "" {
			t.Errorf("%+v, and %q runs", s, b.plain.runs(app))
		}
		v := version("container", "3")
		b.want(v)
		if s := b.after(10 * time.Second); s.Phase != rollout.Failed || !strings.Contains(s.Why, "no driver") || s.Release != "till@2" {
			t.Errorf("a type without a driver: %+v", s)
		}
	})
}

func TestFetchTriesAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.shelf.fail(disk.ErrFull)
		b.want(version(runtime.TypeFunction, "1"))
		if s := b.after(20 * time.Second); s.Phase != rollout.Fetching || !strings.Contains(s.Why, "disk full") {
			t.Errorf("while the disk is full: %+v", s)
		}
		b.shelf.fail(nil)
		if s := b.after(time.Minute); !s.Ready {
			t.Errorf("when there is room: %+v", s)
		}
	})
}

// TestFetchedAndGone: a blob that goes bad as soon as it is here is fetched again.
func TestFetchedAndGone(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.shelf.rots = 2
		b.want(version(runtime.TypeFunction, "1"))
		if s := b.after(20 * time.Second); !s.Ready {
			t.Errorf("%+v", s)
		}
	})
}

// TestFetchIsDropped: an operator who declares another version does not wait for the first.
func TestFetchIsDropped(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.shelf.takes(time.Hour)
		b.want(version(runtime.TypeFunction, "1"))
		b.after(time.Second)
		b.shelf.takes(time.Second)
		b.want(version(runtime.TypeFunction, "2"))
		if s := b.after(10 * time.Second); s.Release != "till@2" || !s.Ready || b.swift.started("till@1") != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestJournalComesFirst: nothing is started that could not be written down.
func TestJournalComesFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		full := b.fillable()
		full.Store(true)
		b.want(version(runtime.TypeProcess, "1"))
		if s := b.after(20 * time.Second); s.Phase != rollout.Waiting || !strings.Contains(s.Why, "write journal") || b.plain.started("till@1") != 0 {
			t.Errorf("%+v after %d starts", s, b.plain.started("till@1"))
		}
		full.Store(false)
		if s := b.after(time.Minute); !s.Ready {
			t.Errorf("when it can be written: %+v", s)
		}
	})
}

func TestCloseStopsEverything(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) { // which fails if a goroutine is left
		b.shelf.takes(time.Hour)
		b.want(version(runtime.TypeProcess, "1"))
		b.after(time.Second)
		begun := time.Now()
		if err := b.Close(context.Background()); err != nil || time.Since(begun) > time.Second {
			t.Errorf("Close: %v after %s", err, time.Since(begun))
		}
		b.want(version(runtime.TypeProcess, "2"))
		if s := b.after(time.Minute); b.plain.started("till@2") != 0 {
			t.Errorf("started after Close: %+v", s)
		}
	})
}

// TestCloseIsOfAllAtOnce: programs of one type that take long to end take nothing of the time that those of another have.
func TestCloseIsOfAllAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.swift.closes, b.plain.closes = 10*time.Second, 10*time.Second
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		if err := b.Close(ctx); err != nil || b.swift.hurried || b.plain.hurried {
			t.Errorf("Close: %v; out of time: functions %t, programs %t", err, b.swift.hurried, b.plain.hurried)
		}
	})
}

// TestGoesBadBetweenTwoLooks: a blob that was whole when its fetch looked, and no more when the deployment did, is fetched again.
func TestGoesBadBetweenTwoLooks(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.shelf.looks = 1
		b.want(version(runtime.TypeProcess, "1"))
		if s := b.after(30 * time.Second); s.Phase != rollout.Ready || len(b.shelf.haste) != 2 {
			t.Errorf("%+v after %d fetches", s, len(b.shelf.haste))
		}
	})
}

// TestLongProof: a version that has to be healthy for longer than the deadline is that holds where none is declared can prove itself.
func TestLongProof(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		v := version(runtime.TypeProcess, "1")
		v.Spec.Health = manifest.Health{MinHealthyTime: manifest.Duration(5 * time.Minute)}
		v.Spec = v.Spec.Defaulted()
		b.want(v)
		if s := b.after(6 * time.Minute); s.Phase != rollout.Ready || !s.Ready {
			t.Errorf("%+v", s)
		}
	})
}

// TestFallsWhileItStarts: of a deployment whose declaration counts no more, as its signer's key was revoked, nothing more is fetched or
// started; what proved itself runs on, and it is taken up again when it is declared anew.
func TestFallsWhileItStarts(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.want(version(runtime.TypeProcess, "1"))
		b.after(10 * time.Second)
		b.shelf.takes(time.Minute)
		b.want(version(runtime.TypeProcess, "2"))
		b.after(time.Second)
		b.Set(nil)
		s := b.after(5 * time.Minute)
		if s.Phase != rollout.Waiting || s.Release != "till@1" || !s.Ready || s.Target != "" || !strings.Contains(s.Why, "not declared any more") {
			t.Errorf("it has fallen: %+v", s)
		}
		if n := b.plain.started("till@2"); n != 0 {
			t.Errorf("it was started %d times", n)
		}
		b.want(version(runtime.TypeProcess, "2"))
		if s = b.after(5 * time.Minute); s.Release != "till@2" || !s.Ready {
			t.Errorf("declared anew: %+v", s)
		}
		b.Set([]Desired{{Name: app}})
		b.after(time.Second)
		b.Set(nil)
		if s = b.after(time.Minute); s != (Status{}) {
			t.Errorf("what was not meant for this node before it fell: %+v", s)
		}
	})
}
