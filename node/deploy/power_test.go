package deploy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"selvage/internal/disk/memdisk"
	"selvage/node/rollout"
	"selvage/node/runtime"
)

// powered is a bench whose power can go after so many changes of its disk.
func (b *bench) powered(left *atomic.Int64) {
	b.fs.OnOp = func(string, string) error {
		if left.Add(-1) < 0 {
			return errors.New("the machine is off")
		}
		return nil
	}
}

// crash has the power go, and the machine come up again.
func (b *bench) crash(t *testing.T, r *rand.Rand) {
	t.Helper()
	b.end(t) // nothing that it does reaches the disk
	b.fs = b.fs.Crash(r)
	b.begin()
}

// TestPowerGoesAtEveryStep: wherever in a deployment the power goes, what proved itself is not lost, the node comes to where it is wanted,
// no version is started more often than it may, and nothing stays of what is not wanted any more.
func TestPowerGoesAtEveryStep(t *testing.T) {
	for _, c := range []struct {
		what string
		kind string
		bad  bool
		gone bool
	}{
		{"an update", runtime.TypeProcess, false, false},
		{"an update of another type", runtime.TypeFunction, false, false},
		{"an update that fails", runtime.TypeProcess, true, false},
		{"one of another type that fails", runtime.TypeFunction, true, false},
		{"a removal", runtime.TypeProcess, false, true},
	} {
		t.Run(c.what, func(t *testing.T) {
			for step := int64(0); step < 40; step++ {
				for seed := range uint64(2) {
					synctest.Test(t, func(t *testing.T) { powerGoes(t, c.kind, c.bad, c.gone, step, seed) })
				}
			}
		})
	}
}

func powerGoes(t *testing.T, kind string, bad, gone bool, step int64, seed uint64) {
	b := &bench{fs: memdisk.New(0), shelf: newShelf(), swift: newDriver(true), plain: newDriver(false)}
	b.begin()
	defer b.end(t)
	v1, v2 := version(runtime.TypeProcess, "1"), version(kind, "2")
	if bad {
		b.plain.set("till@2", conduct{crashes: true})
		b.swift.set("till@2", conduct{crashes: true})
	}
	b.want(v1)
	b.after(10 * time.Second)
	var left atomic.Int64
	left.Store(step)
	b.powered(&left)
	wanted := func() {
		if gone {
			b.Set([]Desired{{Name: app}})
			return
		}
		b.want(v2)
	}
	wanted()
	for range 80 {
		if left.Load() <= 0 {
			break
		}
		b.after(time.Second)
	}
	b.crash(t, rand.New(rand.NewPCG(seed, uint64(step))))
	if seed == 0 && !gone { // it hears nothing of the fleet at first
		b.Set([]Desired{{Name: app, Selected: true, Problem: "not known here yet"}})
		if s := b.after(10 * time.Second); s.Release == "" || !s.Ready {
			t.Errorf("step %d, seed %d: nothing runs: %+v", step, seed, s)
		}
	}
	wanted()
	s := b.after(3 * time.Minute)
	at := fmt.Sprintf("step %d, seed %d", step, seed)
	switch starts := b.plain.started("till@2") + b.swift.started("till@2"); {
	case gone && (s != Status{} || journalled(b.fs, app) || b.plain.runs(app) != ""):
		t.Errorf("%s: something is left: %+v", at, s)
	case gone:
	case bad && (s.Release != "till@1" || !s.Ready || s.Phase != rollout.Failed):
		t.Errorf("%s: %+v", at, s)
	case !bad && (s.Release != "till@2" || !s.Ready || s.Phase != rollout.Ready):
		t.Errorf("%s: %+v", at, s)
	case starts > rollout.MaxAttempts:
		t.Errorf("%s: 2 was started %d times", at, starts)
	}
}
