package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"selvage/ledger/trust"
)

// metaFloor is the key of the log's metadata that holds the time floor: unix milliseconds, 8
// bytes, big endian.
const metaFloor = "floor"

// metaCharter is the key that holds the charter of a version: its envelope, JSON. The chain is
// kept beside the entries that it came by, as of two charters with one version the first counts.
func metaCharter(version uint64) string { return fmt.Sprintf("charter/%d", version) }

// load builds everything in memory from the log. If that fails, what was in memory stays.
func (l *Ledger) load() (err error) {
	before := l.state
	l.state = state{feeds: map[string]*feedState{}, fold: newFold(l.cfg.Fleet, l.codec.verify), clock: before.clock}
	defer func() {
		if err != nil {
			l.state = before
		}
	}()
	if err := l.loadMeta(); err != nil {
		return err
	}
	if err := l.cfg.Log.Scan(l.loadRecord); err != nil {
		return err
	}
	t := &transaction{}
	if err := l.gatherAll(t); err != nil {
		return err
	}
	for _, f := range t.feeds {
		l.hold(f)
	}
	l.stale = false
	return nil
}

func (l *Ledger) loadMeta() error {
	floor, err := l.cfg.Log.Meta(metaFloor)
	if err != nil {
		return err
	}
	if l.floor, err = decodeFloor(floor); err != nil {
		return err
	}
	for {
		v := l.fold.charters.latest() + 1
		data, err := l.cfg.Log.Meta(metaCharter(v))
		if err != nil {
			return err
		}
		if data == nil {
			l.noted = v - 1
			return nil
		}
		p, err := readProposal(data)
		if err != nil {
			return fmt.Errorf("read charter %d: %w", v, err)
		}
		if l.fold.addCharter(p, false); l.fold.charters.latest() != v {
			return fmt.Errorf("%w: charter %d does not follow those before it", ErrMalformed, v)
		}
	}
}

func decodeFloor(data []byte) (trust.Floor, error) {
	switch len(data) {
	case 0:
		return trust.Floor{}, nil
	case 8:
		return trust.NewFloor(time.UnixMilli(int64(binary.BigEndian.Uint64(data)))), nil
	}
	return trust.Floor{}, fmt.Errorf("%w: a time floor of %d bytes", ErrMalformed, len(data))
}

// loadRecord takes what the log holds under a feed and a number. Signatures were checked before it
// was stored.
func (l *Ledger) loadRecord(key string, seq uint64, data []byte) error {
	feed, err := ParseFeed(key)
	if err != nil {
		return err
	}
	f := l.feeds[key]
	if f == nil {
		f = newFeed(feed, key)
		l.hold(f)
	}
	hash := sha256.Sum256(data)
	switch {
	case seq == proofSeq && isProof(data):
		f.closed = newClosedFeed(hash)
		l.fold.fork(f.Author)
		return nil
	case seq > proofSeq && (f.closed == nil || seq != f.closed.keep(hash)):
		return fmt.Errorf("%w: the log holds number %d of %v", ErrMalformed, seq, feed)
	}
	e, err := l.codec.parse(bytes.Clone(data))
	if err != nil {
		return fmt.Errorf("entry %d of %v: %w", seq, feed, err)
	}
	switch {
	case e.Feed() != feed, seq < proofSeq && seq != e.Seq:
		return fmt.Errorf("%w: the log holds another entry as %d of %v", ErrMalformed, seq, feed)
	case seq > proofSeq:
		return nil // gathered when all are read
	case feed.Lane.linked() && seq != f.last().seq+1:
		return fmt.Errorf("%w: the log lacks what is before %d of %v", ErrMalformed, seq, feed)
	}
	f.put(slot{seq: seq, hash: hash}, e.Key)
	l.fold.add(e, l.heard(e))
	l.observe(e)
	return nil
}

// heard returns when an entry came that the log has held already: as was shown before, or else its own time. That may lie ahead,
// if its author's clock did, and would have a node that is gone taken for alive until then. A clock that is before the floor says nothing of that.
func (l *Ledger) heard(e *Entry) time.Time {
	if isHead(e.Kind) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if r, ok := l.shown.lists.heads(e.Kind).find(e.Author, compareAuthor); ok && r.Seq == e.Seq && r.Time == e.Time {
			return r.Received
		}
	}
	own, now := e.Time.Time(), l.cfg.Now()
	if own.After(now) && !now.Before(l.floor.At()) {
		return now
	}
	return own
}

// observe moves the clock up to an entry's time: to that of this node's own in any case, also if it was lost and came back.
func (l *Ledger) observe(e *Entry) {
	if e.Author == l.self {
		l.clock = max(l.clock, e.Time)
	} else {
		l.clock = l.clock.observe(e.Time, l.now())
	}
}
