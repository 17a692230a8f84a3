package simulator

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"selvage/internal/ident"
	"selvage/simulator/scenario"
)

// lookEvery is the least virtual time between two looks at the world, but for those when something is due: what changes within it is judged together. A look
// is at all machines, and in a fleet of more than lookFew something changes all the time: there it is lookShare more
// for each of the others, a second for a thousand.
const (
	lookEvery = 50 * time.Millisecond
	lookFew   = 100
	lookShare = time.Millisecond
)

// act is something that happens at a moment of the story.
type act struct {
	at   time.Duration
	rank int // of acts of one moment: the ends of faults, work, backups, faults
	do   func() error
}

// The ranks of acts of one moment.
const (
	rankEnd = iota
	rankWork
	rankBackup // of who has just joined, too
	rankFault
)

// story is a scenario while it is told.
type story struct {
	Stage
	scenario scenario.Scenario
	trace    *Trace
	rand     *rand.Rand // of what people make
	progress func(Progress)
	recorder *recorder

	acts   []act // by time; those done are gone
	ends   map[int]func() error
	checks []*outcome

	releases map[string]release // that the operator has signed, by NAME@VERSION
	latest   map[string]string  // the last of them, by NAME
	deploys  []*deploy          // in the order in which they were declared
	charter  uint64             // the newest that the operator has signed
	shown    map[string]uint64  // the newest charter that each machine has shown, by place

	revoked map[ident.NodeID]revocation
	knew    map[string]time.Duration // since when who knows of a revoked node; see revokedShutOut

	begun map[string]bool // what has run on a machine, by place, deployment and release; see inItsTime

	right map[string]rightFiles // by place
	told  told
}

// Progress is how far a story has come.
type Progress struct {
	At, Of time.Duration // virtual
	Nodes  int           // up
	Text   string        // what is waited for
}

// Tell plays a scenario, whose random faults were drawn, on a stage, and closes that. The story ends early when
// ctx ends, or when a check cannot hold any more. An error means that it could not be played to its end; a check
// that failed is in the Result.
func Tell(ctx context.Context, s scenario.Scenario, stage Stage, trace *Trace, o Options) (Result, error) {
	t := &story{Stage: stage, scenario: s, trace: trace, rand: Rand(s.Seed, "story"), progress: o.Progress, recorder: newRecorder(o), ends: map[int]func() error{},
		releases: map[string]release{}, latest: map[string]string{}, right: map[string]rightFiles{}, charter: 1, shown: map[string]uint64{},
		revoked: map[ident.NodeID]revocation{}, knew: map[string]time.Duration{}, begun: map[string]bool{}, told: newTold()}
	if t.progress == nil {
		t.progress = func(Progress) {}
	}
	trace.open(o.Window)
	t.plan()
	if err := t.Found(); err != nil {
		_ = t.Close() // the first error says what is wrong
		return Result{}, err
	}
	err := t.play(ctx)
	r := t.result()
	if cerr := t.Close(); err == nil {
		err = cerr
	}
	if err != nil { // first, for it is why others do not hold
		r.OK = false
		r.Checks = slices.Insert(r.Checks, 0, Check{Name: "played_to_its_end", Kind: "story", Detail: err.Error(), AtSeconds: r.VirtualSeconds})
	}
	t.recorder.wait()
	return r, err
}

// Rand is a source of randomness for one purpose of a story, so that what one draws changes nothing for others.
func Rand(seed uint64, purpose string) *rand.Rand { return rand.New(ChaCha(seed, purpose)) }

// ChaCha is the generator under Rand.
func ChaCha(seed uint64, purpose string) *rand.ChaCha8 {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	copy(key[8:], purpose)
	return rand.NewChaCha8(key)
}

// plan lays out what happens when.
func (t *story) plan() {
	for i, f := range t.scenario.Faults {
		if f.Kind == scenario.Restore {
			t.acts = append(t.acts, act{f.Backup, rankBackup, func() error { return t.BackUp(f) }})
		}
		t.acts = append(t.acts, act{f.At, rankFault, func() (err error) {
			t.trace.Note(faultPlace(f), "fault", "%s", DescribeFault(f))
			t.hear(f)
			t.ends[i], err = t.Begin(f)
			return err
		}})
		if f.For > 0 || f.Kind == scenario.Restore {
			t.acts = append(t.acts, act{f.At + f.For, endRank(f), func() error {
				t.trace.Note(faultPlace(f), "fault ends", "%s", f.Kind)
				t.forgive(f)
				return t.ends[i]()
			}})
		}
	}
	for _, k := range t.scenario.Work {
		t.acts = append(t.acts, act{k.At, rankWork, func() error {
			if err := t.do(k); err != nil {
				return fmt.Errorf("line %d: %w", k.Line, err)
			}
			return nil
		}})
	}
	slices.SortStableFunc(t.acts, func(a, b act) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.rank, b.rank)) })
	t.planChecks()
}

// forgive lets machines show what they had shown before when a backup was made from which they go on.
func (t *story) forgive(f scenario.Fault) {
	if f.Kind != scenario.Restore {
		return
	}
	for _, m := range Placed(t.Machines(), f.On) {
		delete(t.shown, Place(m))
	}
}

// endRank has what begins and ends at one moment begin first.
func endRank(f scenario.Fault) int {
	if f.For == 0 {
		return rankFault + 1
	}
	return rankEnd
}

// play lets happen what happens, looks at the world when it has changed, and ends when all is said.
func (t *story) play(ctx context.Context) error {
	for {
		if err := t.act(); err != nil {
			return err
		}
		t.Settle()
		now := t.trace.Now()
		open := t.look(now)
		t.cover(now)
		t.show(now, open)
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(t.acts) == 0 && !open || now >= t.scenario.Duration || t.broken(now) {
			return nil
		}
		t.sleep(now)
	}
}

// act does what is due. What people do may take its time; they begin when what was stopped until then runs again.
func (t *story) act() error {
	for ended := false; len(t.acts) > 0 && t.acts[0].at <= t.trace.Now(); {
		a := t.acts[0]
		t.acts = t.acts[1:]
		if ended && a.rank == rankWork {
			t.Settle()
		}
		ended = a.rank == rankEnd
		if err := a.do(); err != nil {
			return fmt.Errorf("at %s: %w", a.at, err)
		}
	}
	return nil
}

// sleep waits for the next act or deadline, or until something has changed.
func (t *story) sleep(now time.Duration) {
	next := t.scenario.Duration
	if len(t.acts) > 0 {
		next = min(next, t.acts[0].at)
	}
	for _, c := range t.checks {
		for _, at := range []time.Duration{c.from, c.until} {
			if at > now {
				next = min(next, at)
			}
		}
	}
	timer := time.NewTimer(next - now)
	defer timer.Stop()
	for changed := false; !changed; {
		select {
		case <-timer.C:
			return
		case <-t.recorder.due():
			t.sample()
		case <-t.Changed():
			changed = true
		}
	}
	pause := time.NewTimer(min(t.pace(), next-t.trace.Now()))
	defer pause.Stop()
	<-pause.C
}

// pace is the time from one look to the next, unless there is an act or a deadline before.
func (t *story) pace() time.Duration {
	return lookEvery + time.Duration(max(0, len(t.Machines())-lookFew))*lookShare
}
