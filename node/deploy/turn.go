package deploy

import (
	"context"
	"sync"
	"time"

	"selvage/node/rollout"
	"selvage/node/sequence"
)

// Turns is who lets nodes of the site change one after another.
type Turns interface {
	// Ask asks for a turn, keeps one, or gives one back. why says, for people, who changes now if this node has to wait. An
	// error means that there was no answer.
	Ask(ctx context.Context, c sequence.Claim) (granted bool, why string, err error)
	// Patience is how long to wait when there never is one; proof is what a version may take to prove itself.
	Patience(c sequence.Claim, proof time.Duration) time.Duration
}

// turn is one version's turn to be changed to, from when it is wanted to when it is given back.
type turn struct {
	turns Turns
	claim sequence.Claim
	proof time.Duration
	wake  func() // called when there is something new to say
	ended chan struct{}

	mu      sync.Mutex
	granted bool
	why     string
}

// giveBack bounds how long it may take to tell that a turn has ended: who does not hear it forgets it.
const giveBack = 5 * time.Second

// startTurn begins to ask. It ends with ctx, or by end; all counts what it has going.
func startTurn(ctx context.Context, all *sync.WaitGroup, turns Turns, v Version, name string, wake func()) *turn {
	t := &turn{turns: turns, wake: wake, ended: make(chan struct{}), why: "asks for its turn to change",
		claim: sequence.Claim{Deployment: name, Statement: string(v.ID), Max: v.Spec.Strategy.MaxUnavailable},
		proof: time.Duration(v.Spec.Health.Deadline + v.Spec.Health.MinHealthyTime)}
	all.Go(func() {
		t.keep(ctx)
		if c := t.claim; t.bar() == "" && ctx.Err() == nil {
			c.Done = true
			ctx, cancel := context.WithTimeout(ctx, giveBack)
			defer cancel()
			_, _, _ = t.turns.Ask(ctx, c) // see giveBack
		}
	})
	return t
}

// mostUnheard is what one question without an answer counts for at most: in a longer time this program stood still, or its machine, and
// could hear nobody.
const mostUnheard = 2 * sequence.AskEvery

// keep asks until the turn is over. The time in which nobody answers counts from the last answer.
func (t *turn) keep(ctx context.Context) {
	tick := time.NewTicker(sequence.AskEvery)
	defer tick.Stop()
	var unheard time.Duration
	for last := time.Now(); ; {
		c := t.claim
		c.Changing = t.bar() == ""
		granted, why, err := t.turns.Ask(ctx, c)
		now := time.Now()
		unheard += min(now.Sub(last), mostUnheard)
		last = now
		if err == nil {
			unheard = 0
		} else {
			granted, why = unheard >= t.turns.Patience(c, t.proof), "waits for its turn: "+err.Error()
		}
		t.say(granted, why)
		select {
		case <-ctx.Done():
			return
		case <-t.ended:
			return
		case <-tick.C:
		}
	}
}

// say notes an answer. What was granted once is not taken back.
func (t *turn) say(granted bool, why string) {
	t.mu.Lock()
	granted = granted || t.granted
	if granted {
		why = ""
	}
	news := granted != t.granted || why != t.why
	t.granted, t.why = granted, why
	t.mu.Unlock()
	if news {
		t.wake()
	}
}

// bar says why it is not this node's turn; "" if it is, or if t is nil: none is needed.
func (t *turn) bar() string {
	if t == nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.why
}

// end gives the turn back; it does not wait.
func (t *turn) end() { close(t.ended) }

// takeTurn has the turn asked for that a state needs, and any other given back; it fills in what keeps this node waiting. A
// turn is needed from when the target could take the place of something until it is proven, has failed, or is put off.
func (w *worker) takeTurn(ctx context.Context, d Desired, s *rollout.State) {
	needed := s.Selected && d.Target != nil && d.Target.Spec.Strategy.MaxUnavailable > 0 && w.cfg.Turns != nil &&
		(s.Fetched || s.Running == s.Target) && s.Stuck == "" && (s.Shut == "" || s.Begun) && s.Target != s.Verified && s.Target != s.Broken
	if w.turn != nil && (!needed || w.turn.claim.Statement != string(s.Target)) {
		w.turn.end()
		w.turn = nil
	}
	if needed && w.turn == nil && s.Running != s.Target && (s.Running != "" || s.Verified != "") {
		w.turn = startTurn(ctx, &w.turns, w.cfg.Turns, *d.Target, w.name, w.poke)
	}
	s.Turn = w.turn.bar()
}
