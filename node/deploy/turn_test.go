package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"selvage/internal/disk/memdisk"
	"selvage/internal/ident"
	"selvage/node/rollout"
	"selvage/node/runtime"
	"selvage/node/sequence"
)

// desk is a leader at which several Deployers ask for turns; a new one when it was sacked.
type desk struct {
	mu    sync.Mutex
	began time.Time
	table *sequence.Table // nil: nobody leads
	asks  int
}

func newDesk() *desk { return &desk{began: time.Now(), table: &sequence.Table{}} }

// succeed puts a new leader at the desk, who knows nothing; or none.
func (d *desk) succeed(leads bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.table = nil; leads {
		d.table = &sequence.Table{}
		d.table.Lead(time.Since(d.began))
	}
}

// counter is the desk as one node sees it.
type counter struct {
	*desk
	node ident.NodeID
}

func (c counter) Ask(_ context.Context, claim sequence.Claim) (bool, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asks++
	if c.table == nil {
		return false, "", errors.New("nobody leads")
	}
	a := c.table.Ask(time.Since(c.began), c.node, claim)
	return a.Go, fmt.Sprint(len(a.Ahead), " nodes change"), nil
}

func (c counter) Patience(claim sequence.Claim, proof time.Duration) time.Duration {
	return sequence.Patience(int(c.node[0]), claim, proof)
}

// inRow is a version of which so many may be changed to at once.
func inRow(name string, at int) *Version {
	v := version(runtime.TypeProcess, name)
	v.Spec.Strategy.MaxUnavailable = at
	return v
}

// site is four Deployers that ask at one desk.
func site(t *testing.T, f func(t *testing.T, d *desk, all []*bench)) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		var all []*bench
		for i := range 4 {
			b := &bench{fs: memdisk.New(0), shelf: newShelf(), swift: newDriver(true), plain: newDriver(false)}
			b.turns = counter{d, ident.NodeID{byte(i)}}
			b.begin()
			all = append(all, b)
		}
		f(t, d, all)
		for _, b := range all {
			b.end(t)
		}
	})
}

// watch lets time pass until all run a release and are ready; it returns how many were not, at most, and how long it took.
func watch(t *testing.T, all []*bench, release string, limit time.Duration) (most int, took time.Duration) {
	t.Helper()
	for began := time.Now(); time.Since(began) < limit; {
		out, there := 0, 0
		for _, b := range all {
			s := b.after(0)
			if !s.Ready {
				out++
			}
			if s.Ready && s.Release == release && s.Phase == rollout.Ready {
				there++
			}
		}
		if most = max(most, out); there == len(all) {
			return most, time.Since(began)
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("not all run %s after %v: %+v", release, limit, all[0].Statuses())
	return 0, 0
}

func wantAll(all []*bench, v *Version) {
	for _, b := range all {
		b.want(v)
	}
}

func TestNodesChangeInTurn(t *testing.T) {
	site(t, func(t *testing.T, d *desk, all []*bench) {
		wantAll(all, inRow("1", 1))
		if _, took := watch(t, all, "till@1", time.Minute); took > 10*time.Second || d.asks > 0 {
			t.Errorf("the first version, which takes nobody's place, took %v, and %d times somebody asked", took, d.asks)
		}
		time.Sleep(sequence.Settle)
		wantAll(all, inRow("2", 1))
		if most, took := watch(t, all, "till@2", 2*time.Minute); most > 1 || took < 20*time.Second {
			t.Errorf("one by one: %d were out at once, in %v", most, took)
		}
		wantAll(all, inRow("3", 2))
		time.Sleep(8 * time.Second)
		d.succeed(true)
		if most, _ := watch(t, all, "till@3", 2*time.Minute); most > 2 {
			t.Errorf("two by two, with a new leader: %d were out at once", most)
		}
		wantAll(all, inRow("4", 0))
		if _, took := watch(t, all, "till@4", time.Minute); took > 10*time.Second {
			t.Errorf("without a bound it took %v", took)
		}
	})
}

// TestNobodyLeadsForLong: a site is not kept on an old version for want of a leader, and changes in an order then, too.
func TestNobodyLeadsForLong(t *testing.T) {
	site(t, func(t *testing.T, d *desk, all []*bench) {
		wantAll(all, inRow("1", 1))
		watch(t, all, "till@1", time.Minute)
		d.succeed(false)
		wantAll(all, inRow("2", 1))
		if s := all[3].after(9 * time.Minute); s.Phase != rollout.Queued || s.Why != "waits for its turn: nobody leads" || s.Release != "till@1" || !s.Ready {
			t.Errorf("while it waits: %+v", s)
		}
		if most, _ := watch(t, all, "till@2", 10*time.Minute); most > 1 {
			t.Errorf("%d were out at once", most)
		}
	})
}

// TestTurnEndsWithFailure: who fails gives the turn on, and goes back without one.
func TestTurnEndsWithFailure(t *testing.T) {
	site(t, func(t *testing.T, _ *desk, all []*bench) {
		wantAll(all, inRow("1", 1))
		watch(t, all, "till@1", time.Minute)
		time.Sleep(sequence.Settle)
		for _, b := range all {
			b.plain.set("till@2", conduct{crashes: true})
		}
		wantAll(all, inRow("2", 1))
		watched := time.Now()
		for failed := 0; failed < len(all); time.Sleep(time.Second) {
			failed = 0
			for _, b := range all {
				if b.after(0).Phase == rollout.Failed {
					failed++
				}
			}
			if time.Since(watched) > 10*time.Minute {
				t.Fatalf("%d have failed", failed)
			}
		}
	})
}

// TestTurnLastsWhileBlobIsMended: who finds, as it changes, that the blob went bad keeps its turn until it has changed.
func TestTurnLastsWhileBlobIsMended(t *testing.T) {
	site(t, func(t *testing.T, _ *desk, all []*bench) {
		wantAll(all, inRow("1", 1))
		watch(t, all, "till@1", time.Minute)
		time.Sleep(sequence.Settle)
		v2 := inRow("2", 1)
		for _, b := range all {
			b.plain.set("till@2", conduct{prepares: 2 * time.Second, reads: true})
		}
		wantAll(all, v2)
		changes := func(b *bench) bool { return b.after(0).Phase == rollout.Starting }
		first := -1
		for range 600 {
			if first = slices.IndexFunc(all, changes); first >= 0 {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if first < 0 {
			t.Fatal("nobody changes")
		}
		all[first].shelf.takes(time.Minute)
		all[first].shelf.lose(v2.Artifact)
		if most, _ := watch(t, all, "till@2", 10*time.Minute); most > 1 {
			t.Errorf("%d were out at once", most)
		}
	})
}

// sleeper is a leader who does not answer, and in one question to whom this node stands still for an hour.
type sleeper struct {
	asks, at int
	patience time.Duration
}

func (s *sleeper) Ask(context.Context, sequence.Claim) (bool, string, error) {
	if s.asks++; s.asks == s.at {
		time.Sleep(time.Hour)
	}
	return false, "", errors.New("nobody leads")
}

func (s *sleeper) Patience(sequence.Claim, time.Duration) time.Duration { return s.patience }

// TestStandsStillInTheQueue: a node that wakes does not take the time in which it could hear nobody for one in which nobody leads.
func TestStandsStillInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := &sleeper{at: 3, patience: 10 * time.Minute}
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		turn := startTurn(ctx, &all, turns, *inRow("2", 1), app, func() {})
		time.Sleep(time.Hour + time.Minute)
		synctest.Wait()
		if turn.bar() == "" {
			t.Error("it goes by itself as soon as it wakes")
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if why := turn.bar(); why != "" {
			t.Errorf("it waits for ever: %s", why)
		}
		cancel()
		all.Wait()
	})
}
