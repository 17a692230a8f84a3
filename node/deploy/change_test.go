package deploy

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"selvage/internal/disk"
	"selvage/node/rollout"
	"selvage/node/runtime"
)

// TestOldFilesStay: that the old version's files cannot be removed is not held against the new one, and the old one runs until they can.
func TestOldFilesStay(t *testing.T) {
	for _, failures := range []int{1, 3, 5} {
		inBubble(t, func(t *testing.T, b *bench) {
			b.want(version(runtime.TypeProcess, "1"))
			b.after(10 * time.Second)
			b.plain.keeps(failures)
			b.want(version(runtime.TypeFunction, "2"))
			s := b.after(10 * time.Second)
			if s.Phase != rollout.Waiting || s.Release != "till@1" || !s.Ready || !strings.Contains(s.Why, "directory not empty") {
				t.Errorf("after the first of %d failures: %+v", failures, s)
			}
			s = b.after(2 * time.Hour)
			if s.Release != "till@2" || s.Phase != rollout.Ready || b.swift.started("till@2") != 1 || b.plain.runs(app) != "" {
				t.Errorf("after %d failures: %+v; it was started %d times", failures, s, b.swift.started("till@2"))
			}
		})
	}
}

// TestOldFilesStayForGood: what runs is not stopped again and again for a change that does not come about.
func TestOldFilesStayForGood(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.want(version(runtime.TypeProcess, "1"))
		b.after(10 * time.Second)
		b.plain.keeps(1 << 30)
		b.want(version(runtime.TypeFunction, "2"))
		s := b.after(24 * time.Hour)
		if s.Phase != rollout.Waiting || s.Release != "till@1" || !s.Ready || b.swift.started("till@2") != 0 {
			t.Errorf("%+v", s)
		}
		if n := b.plain.started("till@1"); n < 20 || n > 35 {
			t.Errorf("in a day 1 was started %d times, want about once an hour", n)
		}
	})
}

// TestWayBackIsNotBlocked: the version that proved itself runs again, though what failed has left files that cannot be removed.
func TestWayBackIsNotBlocked(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.want(version(runtime.TypeProcess, "1"))
		b.after(10 * time.Second)
		b.swift.set("till@2", conduct{crashes: true})
		b.swift.keeps(1 << 30)
		b.want(version(runtime.TypeFunction, "2"))
		if s := b.after(time.Minute); s.Phase != rollout.Failed || s.Release != "till@1" || !s.Ready {
			t.Errorf("%+v", s)
		}
		b.swift.keeps(0)
		b.restart(t)
		b.want(version(runtime.TypeFunction, "2"))
		if s := b.after(time.Minute); s.Release != "till@1" || !s.Ready || len(b.swift.removed) != 0 {
			t.Errorf("after a restart: %+v; removed %v, with what 1 has written since", s, b.swift.removed)
		}
	})
}

// TestTypeChangesWhileDown: the old type's files go before the new one starts, though it ran in an earlier life of the agent.
func TestTypeChangesWhileDown(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.want(version(runtime.TypeFunction, "1"))
		b.after(10 * time.Second)
		b.restart(t)
		v2 := version(runtime.TypeProcess, "2")
		b.shelf.have[v2.Artifact.Digest] = true // so 1 is not started again
		b.want(v2)
		if s := b.after(time.Minute); s.Release != "till@2" || !s.Ready || len(b.swift.removed) != 1 {
			t.Errorf("%+v; removed %v", s, b.swift.removed)
		}
	})
}

// TestJournalFullWhileChanging: the old version is not stopped for a change that cannot be written down, and runs again if it was.
func TestJournalFullWhileChanging(t *testing.T) {
	for _, written := range []int32{0, 1} {
		inBubble(t, func(t *testing.T, b *bench) {
			b.want(version(runtime.TypeProcess, "1"))
			b.after(10 * time.Second)
			var left atomic.Int32
			left.Store(written)
			b.fs.OnOp = func(op, name string) error {
				if op == "rename" && strings.HasPrefix(name, journalDir) && left.Add(-1) < 0 {
					return fmt.Errorf("%s %s: %w", op, name, disk.ErrFull)
				}
				return nil
			}
			b.want(version(runtime.TypeProcess, "2"))
			s := b.after(10 * time.Second)
			if s.Phase != rollout.Waiting || s.Release != "till@1" || !s.Ready || b.plain.started("till@1") != 1+int(written) {
				t.Errorf("full after %d writes: %+v; 1 was started %d times", written, s, b.plain.started("till@1"))
			}
			left.Store(1 << 20)
			if s = b.after(2 * time.Minute); s.Release != "till@2" || !s.Ready {
				t.Errorf("when there is room: %+v", s)
			}
		})
	}
}

// TestDiskFullWhenItFails: a version that fills the disk until it fails does not keep what proved itself from running.
func TestDiskFullWhenItFails(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		full := b.fillable()
		b.want(version(runtime.TypeProcess, "1"))
		b.after(10 * time.Second)
		b.plain.set("till@2", conduct{crashes: true})
		b.want(version(runtime.TypeProcess, "2"))
		b.after(5 * time.Second)
		full.Store(true)
		if s := b.after(time.Minute); s.Phase != rollout.Failed || s.Release != "till@1" || !s.Ready {
			t.Errorf("while the disk is full: %+v", s)
		}
		full.Store(false)
		b.want(version(runtime.TypeProcess, "2")) // as it is said once a minute
		b.after(time.Second)
		b.restart(t)
		b.want(version(runtime.TypeProcess, "2"))
		if s := b.after(time.Minute); s.Phase != rollout.Failed || s.Release != "till@1" || b.plain.started("till@2") != 1 {
			t.Errorf("after a restart: %+v; 2 was started %d times", s, b.plain.started("till@2"))
		}
	})
}
