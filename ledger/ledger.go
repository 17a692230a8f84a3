package ledger

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"selvage/internal/ident"
	"selvage/ledger/trust"
)

// ErrNotMember: this node has not been admitted yet, so nobody would believe its entries.
var ErrNotMember = errors.New("this node is not admitted yet")

// Config is what a ledger works with.
type Config struct {
	Log    Log
	Key    ed25519.PrivateKey // the node's
	Fleet  trust.FleetID      // nothing of another fleet is taken
	Now    func() time.Time   // the machine's clock; nil is time.Now
	Logger *slog.Logger       // nil discards
}

// Ledger is one node's copy of what the fleet knows. It is safe for concurrent use.
type Ledger struct {
	cfg   Config
	codec codec
	self  ident.NodeID

	mu      sync.Mutex
	feeds   map[string]*feedState // by Feed.Key
	fold    *fold
	waiting *waitingRoom
	clock   Timestamp
	floor   trust.Floor
	changed chan struct{} // closed at the next change
	broken  error         // the log failed and could not be read again: nothing more is taken

	stored   sync.Mutex // keeps OnStored's calls in order; taken while mu is held
	onStored []func(Record)
}

// Keys of the log's metadata.
const (
	metaFloor    = "floor"    // unix milliseconds, 8 bytes, big endian
	metaCharters = "charters" // JSON array of envelopes
	metaProof    = "proof/"   // and the feed's key: the proof of a fork
)

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
	l := &Ledger{cfg: cfg, codec: c, self: ident.FromPrivateKey(cfg.Key), changed: make(chan struct{}), waiting: newWaitingRoom()}
	if err := l.load(); err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	return l, nil
}

// load builds everything in memory from the log.
func (l *Ledger) load() error {
	l.feeds, l.fold = map[string]*feedState{}, newFold(l.cfg.Fleet)
	if err := l.loadMeta(); err != nil {
		return err
	}
	var entries []*Entry
	err := l.cfg.Log.Scan(func(feed string, seq uint64, data []byte) error {
		e, err := l.codec.parse(slices.Clone(data))
		if err != nil {
			return fmt.Errorf("entry %d of %x: %w", seq, feed, err)
		}
		entries = append(entries, e)
		l.feed(e.Feed()).put(slot{e.Seq, sha256.Sum256(data)}, e.Key)
		l.clock = max(l.clock, e.Time)
		return nil
	})
	if err != nil {
		return err
	}
	// Admissions first: the fold takes entries of members only.
	for _, admissions := range []bool{true, false} {
		for _, e := range entries {
			if (e.Kind == KindAdmission) == admissions {
				l.fold.add(e, e.Time.Time())
			}
		}
	}
	return l.loadProofs()
}

func (l *Ledger) loadMeta() error {
	floor, err := l.cfg.Log.Meta(metaFloor)
	if err != nil {
		return err
	}
	if len(floor) == 8 {
		l.floor = trust.NewFloor(time.UnixMilli(int64(binary.BigEndian.Uint64(floor))))
	}
	charters, err := l.cfg.Log.Meta(metaCharters)
	if err != nil || charters == nil {
		return err
	}
	var envelopes []trust.Envelope
	if err := json.Unmarshal(charters, &envelopes); err != nil {
		return fmt.Errorf("read charters: %w", err)
	}
	chain, err := trust.VerifyChain(l.cfg.Fleet, envelopes)
	if err != nil {
		return fmt.Errorf("read charters: %w", err)
	}
	l.fold.setChain(chain)
	return nil
}

func (l *Ledger) loadProofs() error {
	for key, f := range l.feeds {
		proof, err := l.cfg.Log.Meta(metaProof + key)
		if err != nil {
			return err
		}
		if proof != nil {
			f.proof = proof
			l.fold.forked[f.Author] = true
		}
	}
	return nil
}

// feed returns the state of a feed, made if need be.
func (l *Ledger) feed(f Feed) *feedState {
	key := f.Key()
	s := l.feeds[key]
	if s == nil {
		s = &feedState{Feed: f, key: key, byKey: map[string]uint64{}}
		l.feeds[key] = s
	}
	return s
}

// Learn takes charters from version 1 on that were not written into the ledger: a founder's, and
// those that peers show in the hello. Charters that are not newer change nothing.
func (l *Ledger) Learn(envelopes []trust.Envelope) error {
	chain, err := trust.VerifyChain(l.cfg.Fleet, envelopes)
	if err != nil {
		return err
	}
	data, err := json.Marshal(envelopes)
	if err != nil {
		return err
	}
	return l.change(func(t *transaction) error {
		if l.fold.setChain(chain) {
			t.batch.setMeta(metaCharters, data)
			t.retry = l.waiting.takeAll()
			t.news = true
		}
		return nil
	})
}

// Publish writes an entry of this node. It is durable, and will spread, when Publish returns.
// Only an admission may be published by a node that is not admitted yet.
func (l *Ledger) Publish(kind Kind, scope, key string, body []byte) (*Entry, error) {
	var e *Entry
	err := l.change(func(t *transaction) error {
		f := l.feed(Feed{l.self, kind.Lane(), scope})
		last := f.last()
		l.clock = l.clock.next(l.now())
		e = &Entry{Version: entryVersion, Fleet: l.cfg.Fleet, Author: l.self, Seq: last.seq + 1, Time: l.clock, Kind: kind, Scope: scope, Key: key, Body: body}
		if kind.Lane() == Durable && last.seq > 0 {
			e.Prev = last.hash[:]
		}
		data, err := l.codec.sign(e, l.cfg.Key)
		if err != nil {
			return err
		}
		outcome, err := l.offer(t, Record{Feed: f.key, Seq: e.Seq, Data: data})
		if err == nil && outcome == Waiting {
			l.waiting.take(l.self)
			err = ErrNotMember
		}
		return err
	})
	return e, err
}

// now is the effective time. The caller holds mu.
func (l *Ledger) now() time.Time { return l.floor.Now(l.cfg.Now()) }

// Now returns the later of the machine's clock and the highest time that an operator has signed.
func (l *Ledger) Now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now()
}

// OnStored has f called for every entry after it is durable, in order. f must not block, nor call
// the ledger. Register it before the ledger is shared.
func (l *Ledger) OnStored(f func(Record)) { l.onStored = append(l.onStored, f) }

// Changed returns a channel that is closed when what queries answer next changes. To miss
// nothing, get the channel before asking.
func (l *Ledger) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// EntryInfo is an entry as lists show it.
type EntryInfo struct {
	*Entry
	Size int // bytes
}

// Entries reads all entries, by time.
func (l *Ledger) Entries() ([]EntryInfo, error) {
	var out []EntryInfo
	err := l.cfg.Log.Scan(func(_ string, _ uint64, data []byte) error {
		e, err := l.codec.parse(slices.Clone(data))
		if err == nil {
			out = append(out, EntryInfo{e, len(data)})
		}
		return err
	})
	slices.SortStableFunc(out, func(a, b EntryInfo) int { return compareSeq(uint64(a.Time), uint64(b.Time)) })
	return out, err
}

// Forks returns the authors whose feeds are forked, as text for people.
func (l *Ledger) Forks() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for id := range l.fold.forked {
		out = append(out, fmt.Sprintf("%s (%s) has forked its feed", l.fold.members[id].Name, id.Short()))
	}
	slices.SortFunc(out, strings.Compare)
	return out
}
