package locks

import (
	"context"
	"errors"
	"sync"
	"time"

	"selvage/node/runtime"
)

// The pace of a Client.
const (
	keepEvery  = time.Second            // from one time that it asks for more to the next
	nextEvery  = 200 * time.Millisecond // while it is the next to have the lock
	waitEvery  = time.Second            // while others come before
	askTimeout = 2 * time.Second        // for one answer
)

var (
	// ErrNotTaken: others have the lock, or come before.
	ErrNotTaken = errors.New("the lock was not to be had")
	// ErrNobodyLeads: the site has no leader that could give it, or that one does not answer.
	ErrNobodyLeads = errors.New("nobody leads the site, who could give the lock")
)

// hold is what a client has of a lock, by its own clock. The zero hold is of who has nothing yet.
type hold struct {
	token uint64
	until time.Duration // Invariant: never prolonged once it has passed; Take may begin with another hold
	over  bool          // no more time will be had
}

// took takes in an answer that came at now to what was asked at sent.
func (h hold) took(sent, now time.Duration, a Answer) hold {
	switch {
	case h.token != 0 && now >= h.until:
		h.over = true
	case a.State == Held && !h.over && (h.token == 0 || h.token == a.Token):
		if until := sent + a.For; until > now {
			h.token, h.until = a.Token, max(h.until, until)
		}
	case a.State == Lost && h.token != 0:
		h.over = true
	}
	return h
}

// Client takes one lock, and keeps it. Its methods may be called from several goroutines at once; Take before the others.
type Client struct {
	name  string
	claim Claim
	ask   func(context.Context, Ask) (Answer, error)
	clock func() time.Duration

	mu      sync.Mutex
	hold    hold
	changed chan struct{}
}

var _ runtime.Lease = (*Client)(nil)

// NewClient returns a client that has asked for nothing yet. ask puts a question to the leader, by way of this machine's node; its errors are
// taken for silence. The clock never goes back and counts suspend.
func NewClient(name string, claim Claim, ask func(context.Context, Ask) (Answer, error), clock func() time.Duration) *Client {
	return &Client{name: name, claim: claim, ask: ask, clock: clock, changed: make(chan struct{})}
}

// put asks once, and takes in the answer.
func (c *Client) put(ctx context.Context, w Want) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	sent := c.clock()
	a, err := c.ask(ctx, Ask{w, c.name, c.claim})
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.hold
	c.hold = c.hold.took(sent, c.clock(), a)
	if c.hold.over != before.over || c.hold.token != before.token {
		close(c.changed)
		c.changed = make(chan struct{})
	}
	return a, err
}

// Take asks until the lock is held, with at least LeaseGrace to spare. It gives up after patience, unless that is negative, with
// an error in whose chain is ErrNotTaken or, if nobody answered last, what ask said. Whoever gives up calls Release. told hears of each answer.
func (c *Client) Take(ctx context.Context, patience time.Duration, told func(Answer, error)) error {
	begun := c.clock()
	for {
		c.startOver()
		a, err := c.put(ctx, Take)
		if c.Term().Run > 0 {
			return nil
		}
		told(a, err)
		left := patience - (c.clock() - begun)
		if patience >= 0 && left <= 0 {
			if err == nil {
				err = ErrNotTaken
			}
			return err
		}
		wait := waitEvery
		if err == nil && a.State == Waiting && a.Ahead == 1 || a.State == Held {
			wait = nextEvery
		}
		if patience >= 0 {
			wait = min(wait, left)
		}
		if err := rest(ctx, wait); err != nil {
			return err
		}
	}
}

// startOver forgets a hold that ended before there was time to begin: nobody works under it, and who takes it for the last one would
// keep the lock from others for as long as he asks.
func (c *Client) startOver() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hold.token != 0 && c.clock() >= c.hold.until {
		c.hold = hold{}
	}
}

// Keep asks for more time until there is none to be had, or ctx ends.
func (c *Client) Keep(ctx context.Context) {
	for c.Term().Live > 0 && !c.isOver() {
		if rest(ctx, keepEvery) != nil {
			return
		}
		_, _ = c.put(ctx, Keep) // who is not heard is asked again, while there is time
	}
}

func (c *Client) isOver() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hold.over
}

// Release says that the client is done, or waits no longer. If nobody hears it, the lock is free when what was granted is over.
func (c *Client) Release(ctx context.Context) error {
	_, err := c.put(ctx, Release)
	return err
}

// Token is the fencing token that the lock is held with; 0 if it never was.
func (c *Client) Token() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hold.token
}

// Term implements runtime.Lease: Epoch is the token.
func (c *Client) Term() runtime.Term {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := c.hold.until - c.clock()
	if left <= 0 {
		return runtime.Term{}
	}
	t := runtime.Term{Epoch: c.hold.token, Live: left}
	if !c.hold.over {
		t.Run = max(0, left-runtime.LeaseGrace)
	}
	return t
}

// Changed implements runtime.Lease.
func (c *Client) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// rest waits for d, or until ctx ends, which is the error then.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
