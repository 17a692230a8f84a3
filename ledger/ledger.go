package ledger

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"selvage/internal/ident"
	"selvage/internal/lock"
	"selvage/ledger/trust"
)

var (
	// ErrNotMember: this node has not been admitted yet, so nobody would believe its entries.
	ErrNotMember = errors.New("this node is not admitted yet")
	// ErrForked: this node signed two different entries with one number, so nobody believes it.
	ErrForked = errors.New("this node was restored from a backup, or copied, and is quarantined")
	// ErrBehind: others hold entries of this node that it has lost. Writing before they have come
	// back would fork its feed.
	ErrBehind = errors.New("this node was restored from a backup and has not caught up yet")
	// ErrFull: nobody looks into more entries of this kind by this node; another node can write it.
	ErrFull = errors.New("this node has written as many entries of this kind as others look into")
)

// Config is what a ledger works with.
type Config struct {
	Log   Log
	Key   ed25519.PrivateKey // the node's
	Fleet trust.FleetID      // nothing of another fleet is taken
	Now   func() time.Time   // the machine's clock; nil is time.Now
	// Verify checks signatures of entries and credentials; nil is ed25519.Verify, with whose results its own must agree.
	Verify trust.VerifyFunc
	Shelf  *Shelf       // shared with other ledgers of this process; nil: none
	Logger *slog.Logger // nil discards
}

// Ledger is one node's copy of what the fleet knows. It is safe for concurrent use.
type Ledger struct {
	cfg   Config
	codec codec
	self  ident.NodeID

	// writing is held by the one change that is under way, while it is being stored too. It guards the
	// state, which is ahead of the log until then: no query looks at it.
	writing lock.Mutex
	state
	waiting *waitingRoom
	stale   bool // the state holds what the log could not keep

	rot sync.Once // people are told of the first entry that went bad in the log

	mu    sync.Mutex // guards shown; taken while writing is held; never held across a wait
	shown shown

	stored   lock.Mutex // keeps OnStored's calls in order; taken while writing is held
	onStored []func(Record)
}

// state is what the log holds, in memory.
type state struct {
	feeds map[string]*feedState // by Feed.Key; a change works on copies until it is stored
	keys  []string              // of feeds, in order
	fold  *fold
	clock Timestamp
	floor trust.Floor
	noted uint64 // the newest charter in the log's metadata
}

// hold has f among the feeds.
func (s *state) hold(f *feedState) {
	if s.feeds[f.key] == nil {
		at, _ := slices.BinarySearch(s.keys, f.key)
		s.keys = slices.Insert(s.keys, at, f.key)
	}
	s.feeds[f.key] = f
}

// Open reads the log and folds it. The caller closes the log after the ledger was last used.
func Open(cfg Config) (*Ledger, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c, err := newCodec()
	if err != nil {
		return nil, err
	}
	if cfg.Verify != nil {
		c.verify = cfg.Verify
	}
	l := &Ledger{cfg: cfg, codec: c, self: ident.FromPrivateKey(cfg.Key), waiting: newWaitingRoom()}
	if err := l.load(); err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	l.shown.changed = make(chan struct{})
	l.show(&transaction{anew: true})
	return l, nil
}

// Learn takes charters from version 1 on that were not written into the ledger: a founder's, and
// those that peers show in the hello. Charters that are not newer change nothing.
func (l *Ledger) Learn(envelopes []trust.Envelope) error {
	if _, err := trust.VerifyChain(l.cfg.Fleet, envelopes); err != nil {
		return err
	}
	return l.change(func(*transaction) error {
		for _, env := range envelopes {
			p, err := newProposal(env)
			if err != nil {
				return fmt.Errorf("learn charter: %w", err)
			}
			l.fold.addCharter(p, false)
		}
		return nil
	})
}

// Publish writes an entry of this node. It is durable, and will spread, when Publish returns.
// Only an admission may be published by a node that is not admitted yet. The caller must not
// change the entry.
func (l *Ledger) Publish(kind Kind, scope, key string, body []byte) (*Entry, error) {
	var e *Entry
	err := l.change(func(t *transaction) error {
		x, err := l.write(t, kind, scope, key, bytes.Clone(body))
		if err != nil {
			return err
		}
		outcome, err := l.judge(t, x)
		if outcome == Waiting {
			l.waiting.remove(x)
			return ErrNotMember
		}
		e = x.entry
		return err
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// write signs the next entry of one of this node's feeds.
func (l *Ledger) write(t *transaction, kind Kind, scope, key string, body []byte) (waiter, error) {
	feed := Feed{l.self, kind.Lane(), scope}
	f := newFeed(feed, feed.Key())
	if known := l.feed(t, f.key); known != nil {
		f = known
	}
	last := f.last()
	switch {
	case f.closed != nil:
		return waiter{}, ErrForked
	case f.Lane.linked() && l.waiting.ahead(f.Feed, last.seq):
		return waiter{}, ErrBehind
	case l.fold.full(f.key, kind):
		return waiter{}, ErrFull
	}
	l.clock = l.clock.next(l.now())
	e := &Entry{Version: entryVersion, Fleet: l.cfg.Fleet, Author: l.self, Seq: last.seq + 1, Time: l.clock,
		Kind: kind, Scope: scope, Key: key, Body: body}
	e.claim = claimOf(e)
	if f.Lane.linked() && last.seq > 0 {
		e.Prev = last.hash[:]
	}
	data, err := l.codec.sign(e, l.cfg.Key)
	if err != nil {
		return waiter{}, fmt.Errorf("write %s: %w", kind, err)
	}
	return waiter{entry: e, rec: Record{Feed: f.key, Seq: e.Seq, Data: data}, hash: sha256.Sum256(data)}, nil
}

// now is the effective time for a change. The caller holds writing.
func (l *Ledger) now() time.Time { return l.floor.Now(l.cfg.Now()) }

// Now returns the later of the machine's clock and the highest time that an operator has signed.
func (l *Ledger) Now() time.Time {
	l.mu.Lock()
	floor := l.shown.view.floor
	l.mu.Unlock()
	return floor.Now(l.cfg.Now())
}

// OnStored has f called for every entry after it is durable, in order. f must not block, nor call
// the ledger. Register it before the ledger is shared.
func (l *Ledger) OnStored(f func(Record)) { l.onStored = append(l.onStored, f) }

// Changed returns a channel that is closed when what queries answer next changes. To miss
// nothing, get the channel before asking.
func (l *Ledger) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shown.changed
}

// Revision is a number that grows with every change but the coming of beacons, which come all the time
// and of which nothing follows but what is shown of who is alive.
func (l *Ledger) Revision() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shown.revision
}

// EntryInfo is an entry as lists show it.
type EntryInfo struct {
	*Entry
	Size int // bytes
}

// Entries reads all entries, by time. Of a forked feed they differ from node to node.
func (l *Ledger) Entries() ([]EntryInfo, error) {
	var out []EntryInfo
	err := l.cfg.Log.Scan(func(_ string, _ uint64, data []byte) error {
		if isProof(data) {
			return nil
		}
		e, err := l.codec.parse(slices.Clone(data))
		if err == nil {
			out = append(out, EntryInfo{e, len(data)})
		}
		return err
	})
	slices.SortStableFunc(out, func(a, b EntryInfo) int { return compareSeq(uint64(a.Time), uint64(b.Time)) })
	return out, err
}
