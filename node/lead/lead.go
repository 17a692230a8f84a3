package lead

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"selvage/internal/disk"
	"selvage/internal/ident"
	"selvage/ledger/lease"
)

// Network opens and serves streams between admitted nodes.
type Network interface {
	Open(ctx context.Context, to ident.NodeID, protocol string) (net.Conn, error)
	Handle(protocol string, serve func(from ident.NodeID, conn net.Conn))
}

// Config is what a Lead works with. All fields but those that say otherwise must be set; functions are called from
// several goroutines.
type Config struct {
	Self ident.NodeID
	Site string // whose lease it is
	// witness: the node is of another site, and votes only. It has a record of its own for each such site, and answers who asks;
	// see Witnesses.
	witness  bool
	Settings lease.Settings // they pass Settings.Check
	FS       disk.FS        // where the record is kept
	Network  Network
	// InSite reports whether a node is an admitted one of this site. It must not wait for the disk.
	InSite func(ident.NodeID) bool
	// Clock never goes back, and counts suspend.
	Clock func() time.Duration
	// Founder: this node is the first voter of its site, unless it has heard of others.
	Founder bool
	// Known are the lease records of the site that the ledger holds.
	Known func() []Known
	// Mates are the members of the site, in the order in which they are preferred as voters. It is asked now and then by who leads.
	Mates func() []Mate
	// Publish puts a lease record into the ledger. It may take its time; if it fails it is tried again.
	Publish func(lease.Held) error
	// Record puts the begin of a term into the ledger, on the same terms.
	Record func(Begun) error
	// Held is called when this node's lease has begun or was prolonged, at the moment from which Active says so. It must not
	// block. nil is fine.
	Held func(lease.Token)
	// Alert tells people of what is wrong.
	Alert  func(string)
	Logger *slog.Logger
}

// Mate is a member of the site, or a witness for it.
type Mate struct {
	Node    ident.NodeID
	Up      bool
	Witness bool // of another site: it may vote, and never leads
}

// Known is a lease record of the ledger, and who wrote it.
type Known struct {
	Author ident.NodeID
	lease.Held
}

// Lead is one node's part in leading its site. It is safe for concurrent use.
type Lead struct {
	cfg    Config
	ctx    context.Context // ends at Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
	inbox  chan delivery
	learnt chan Known
	orders chan order
	quiet  chan struct{}   // holds one: no message is on its way
	tell   chan lease.Held // holds one: the newest that the ledger is to be told
	voting voting          // the run loop's own

	mu      sync.Mutex
	held    lease.Lease
	fence   uint64 // of held
	first   uint64 // what fence was when this node came to lead; 0 while it does not
	seen    View
	changed chan struct{}
	flying  map[ident.NodeID]int // messages on their way
	stops   stops
	past    past
	begun   []Begun // not recorded yet, at most maxBegun
}

// View is what this node sees of its site's lease, for people.
type View struct {
	Config lease.Config
	// Leader is the lease that this node holds, or that it has accepted and takes to be alive; zero for none. Its deadline is by
	// this node's clock: that of another's lease is a little late.
	Leader lease.Lease
	Fence  uint64        // of Leader, see lease.Token.Number
	Mute   time.Duration // until then, by this node's clock, it neither votes nor asks for the lease
}

// Votes reports whether a node is one of the voters.
func (v View) Votes(n ident.NodeID) bool {
	return slices.ContainsFunc(v.Config.Voters, func(o lease.Voter) bool { return o.Node == n })
}

// Start has the node take part. It does not wait for the disk.
func Start(cfg Config) *Lead {
	l := &Lead{cfg: cfg, inbox: make(chan delivery, maxInbox), learnt: make(chan Known, maxInbox), orders: make(chan order),
		quiet: make(chan struct{}, 1), tell: make(chan lease.Held, 1), changed: make(chan struct{}), flying: map[ident.NodeID]int{}}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	if !cfg.witness {
		cfg.Network.Handle(protocol, l.serve)
	}
	l.wg.Go(l.run)
	l.wg.Go(l.guard)
	l.wg.Go(l.publish)
	return l
}

// Active reports whether this node leads its site at this very moment, and with which token. It looks at the clock each
// time; so must the caller, who acts on the answer within Settings.Margin.
func (l *Lead) Active() (lease.Token, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.held.Active(l.cfg.Clock()) {
		return lease.Token{}, false
	}
	return l.held.Token, true
}

// Fence is Active with the token as one number, which is never lower for a lease that is granted later: for resources that
// compare numbers (lease.Token.Number).
func (l *Lead) Fence() (uint64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fence, l.held.Active(l.cfg.Clock())
}

// Since is Fence with the first token of this term, which stays what it is while the node leads on, whatever tokens its lease takes.
func (l *Lead) Since() (fence, first uint64, leads bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fence, l.first, l.held.Active(l.cfg.Clock())
}

// left is how long the authority of this node lasts at least, by its clock; 0 if it does not lead. The caller holds mu.
func (l *Lead) left() time.Duration { return max(0, l.held.Deadline-l.cfg.Clock()) }

// Changed returns a channel that is closed when the answer of Active or Term may have changed: gained, lost, another token, a
// stop begun or ended, other voters. Renewals do not wake it.
func (l *Lead) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// notify wakes whoever waits for a change. The caller holds mu.
func (l *Lead) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// View returns what this node sees of the lease.
func (l *Lead) View() View {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.seen
	now := l.cfg.Clock()
	mine := v.Leader.Token.Ballot.Node == l.cfg.Self // its acceptor holds to that longer than it leads
	switch {
	case l.held.Active(now):
		v.Leader, v.Fence = l.held, l.fence
	case mine || !v.Leader.Active(now):
		v.Leader, v.Fence = lease.Lease{}, 0
	}
	return v
}

// Now reads the clock that deadlines are by.
func (l *Lead) Now() time.Duration { return l.cfg.Clock() }

var (
	// ErrNotLeading: this node does not lead its site.
	ErrNotLeading = errors.New("this node does not lead its site")
	// ErrClosed: the node is on its way down.
	ErrClosed = errors.New("the node is stopping")
)

// Yield stops the leader's work, then gives the lease up, and this node does not compete for a while. If the work has
// not stopped when ctx ends, the lease is kept, and the error is ctx's. ErrNotLeading if there is nothing to give up.
func (l *Lead) Yield(ctx context.Context) error {
	if _, ok := l.Active(); !ok {
		return ErrNotLeading
	}
	done, err := l.halt(ctx)
	defer done()
	if err != nil {
		return err
	}
	return l.order(ctx, func(m *lease.Machine, now time.Duration) (lease.Effects, error) { return m.Yield(now), nil })
}

// Renumber has a node that leads take a higher token with its next renewal: see lease.Machine.Renumber. It returns when that is
// under way; the error is ctx's, or ErrClosed.
func (l *Lead) Renumber(ctx context.Context) error {
	return l.order(ctx, func(m *lease.Machine, now time.Duration) (lease.Effects, error) { return m.Renumber(now), nil })
}

// Closing is closed when the Lead goes down, and neither renews its lease nor gives it up any more: work that has not stopped by then need
// not be waited for.
func (l *Lead) Closing() <-chan struct{} { return l.ctx.Done() }

// Close stops the leader's work, gives the lease up if that has stopped when ctx ends, and waits for all that the Lead has
// begun. A lease that is not given up runs out.
func (l *Lead) Close(ctx context.Context) error {
	_, err := l.halt(ctx)
	if _, leads := l.Active(); err == nil && leads && ctx.Err() == nil {
		err = l.order(ctx, func(m *lease.Machine, now time.Duration) (lease.Effects, error) { return m.Yield(now), nil })
		l.flush(ctx)
	}
	l.cancel()
	l.wg.Wait()
	if ctx.Err() != nil {
		return nil // it was in a hurry: the lease runs out
	}
	return err
}

// Learn takes in a lease record of the ledger. It does not wait; a record for which there is no room is learnt of others'
// messages, or at the next start.
func (l *Lead) Learn(k Known) {
	select {
	case l.learnt <- k:
	default:
	}
}
