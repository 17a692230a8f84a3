package deploy

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"selvage/node/rollout"
	"selvage/node/runtime"
)

// fallenBack has 1 run after 2 has failed.
func fallenBack(b *bench) (v1, v2 *Version) {
	v1, v2 = version(runtime.TypeFunction, "1"), version(runtime.TypeFunction, "2")
	b.swift.set("till@1", conduct{reads: true})
	b.swift.set("till@2", conduct{crashes: true})
	b.want(v1)
	b.after(10 * time.Second)
	b.want(v2)
	b.after(time.Minute)
	return v1, v2
}

// TestWayBackIsFetched: the blob of what is gone back to is fetched when it is not whole, though it is not what is wanted, over
// restarts and for as long as it takes.
func TestWayBackIsFetched(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		v1, v2 := fallenBack(b)
		b.shelf.lose(v1.Artifact)
		b.shelf.fail(errors.New("no node has it"))
		b.restart(t)
		b.want(v2)
		s := b.after(time.Hour)
		if s.Phase != rollout.Failed || s.Ready || !strings.Contains(s.Why, "exit status 3; the blob of till@1, the way back, is fetched again: no node has it") {
			t.Errorf("cut off: %+v", s)
		}
		b.shelf.fail(nil)
		if s = b.after(2 * time.Minute); s.Phase != rollout.Failed || s.Release != "till@1" || !s.Ready || strings.Contains(s.Why, "way back") {
			t.Errorf("with a way to others: %+v", s)
		}
	})
}

// TestWayBackIsFetchedWhileItRuns: it may have to be started again at any time.
func TestWayBackIsFetchedWhileItRuns(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		v1, v2 := fallenBack(b)
		b.shelf.lose(v1.Artifact)
		b.want(v2) // as it is said once a minute
		if s := b.after(10 * time.Second); !b.shelf.Have(v1.Artifact) || s.Release != "till@1" || !s.Ready {
			t.Errorf("%+v; its blob is here: %v", s, b.shelf.Have(v1.Artifact))
		}
	})
}

// TestProvenIsTriedAgain: a version that ran here is not given up though its start says that it never can, as when its interpreter's
// mount comes late.
func TestProvenIsTriedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		v1 := version(runtime.TypeProcess, "1")
		b.want(v1)
		b.after(10 * time.Second)
		b.plain.set("till@1", conduct{startErr: fmt.Errorf("%w: launch program: no such file or directory", runtime.ErrInvalid)})
		b.restart(t)
		b.want(v1)
		if s := b.after(time.Hour); s.Phase != rollout.Degraded || s.Ready || !strings.Contains(s.Why, "no such file") {
			t.Errorf("without its interpreter: %+v", s)
		}
		if n := b.plain.started("till@1"); n < 20 || n > 50 {
			t.Errorf("was started %d times within an hour, want about once in 4 minutes", n)
		}
		b.plain.set("till@1", conduct{})
		if s := b.after(5 * time.Minute); s.Phase != rollout.Ready || !s.Ready {
			t.Errorf("with it: %+v", s)
		}
	})
}

// TestFixIsLongInComing: a version that fails while the blob of the next is on its way does not run until that has come.
func TestFixIsLongInComing(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.want(version(runtime.TypeProcess, "1"))
		b.after(10 * time.Second)
		b.plain.set("till@2", conduct{crashes: true})
		b.want(version(runtime.TypeProcess, "2"))
		b.after(5 * time.Second)
		b.shelf.takes(time.Hour)
		b.want(version(runtime.TypeProcess, "3")) // the operator is faster than the deadline
		if s := b.after(time.Minute); s.Phase != rollout.Fetching || s.Release != "till@1" || !s.Ready {
			t.Errorf("while 3 is on its way: %+v", s)
		}
		if s := b.after(time.Hour); s.Release != "till@3" || !s.Ready {
			t.Errorf("then: %+v", s)
		}
	})
}

// TestProvesItselfMeanwhile: a version that proves itself while the blob of the next is on its way is what a restart goes on with.
func TestProvesItselfMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.want(version(runtime.TypeProcess, "1"))
		b.after(10 * time.Second)
		b.want(version(runtime.TypeProcess, "2"))
		b.after(3 * time.Second)
		b.shelf.takes(time.Hour)
		v3 := version(runtime.TypeProcess, "3")
		b.want(v3)
		b.after(time.Minute)
		b.restart(t)
		b.want(v3)
		if s := b.after(time.Minute); s.Phase != rollout.Fetching || s.Release != "till@2" || !s.Ready {
			t.Errorf("%+v", s)
		}
	})
}
