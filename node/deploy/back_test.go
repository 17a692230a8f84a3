package deploy

import (
	"errors"
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
