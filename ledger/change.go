package ledger

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"selvage/internal/mutant"
)

// transaction is one change of the ledger: what is stored at once, and shown and told of after that.
type transaction struct {
	batch    Batch
	feeds    map[string]*feedState // those that it changes, each a copy
	tell     []Record
	retry    []waiter // records that waited and may be judged now
	charters uint64   // the length of the chain that all was judged by
	news     bool     // what is in memory has changed
	anew     bool     // all was made anew from the log
	stored   int      // records
	beacons  int      // of these
}

// store has a record kept, and others told of it.
func (t *transaction) store(r Record) {
	t.batch.Delete = slices.DeleteFunc(t.batch.Delete, func(i Item) bool { return i.Feed == r.Feed && i.Seq == r.Seq })
	t.batch.Put = append(t.batch.Put, Item(r))
	t.tell = append(t.tell, r)
	t.news = true
	t.stored++
}

// remove has a record forgotten. One of this transaction was never durable, and is not told of.
func (t *transaction) remove(feed string, seq uint64) {
	t.batch.Put = slices.DeleteFunc(t.batch.Put, func(i Item) bool { return i.Feed == feed && i.Seq == seq })
	t.tell = slices.DeleteFunc(t.tell, func(r Record) bool { return r.Feed == feed && r.Seq == seq })
	t.batch.Delete = append(t.batch.Delete, Item{Feed: feed, Seq: seq})
}

// feed returns a feed as a change has it so far; nil if there is none.
func (l *Ledger) feed(t *transaction, key string) *feedState {
	if f := t.feeds[key]; f != nil {
		return f
	}
	return l.feeds[key]
}

// edit returns the change's own copy of a feed.
func (t *transaction) edit(f *feedState) *feedState {
	if own := t.feeds[f.key]; own != nil {
		return own
	}
	if t.feeds == nil {
		t.feeds = map[string]*feedState{}
	}
	own := f.clone()
	t.feeds[f.key] = own
	return own
}

// change runs f, stores what it changed, and then shows and tells of it. If f or the storing fails,
// what is in memory is made anew from the log.
func (l *Ledger) change(f func(*transaction) error) error {
	l.writing.Lock()
	t, err := l.attempt(f)
	if err != nil {
		defer l.writing.Unlock()
		l.undo(t)
		return err
	}
	l.show(t)
	l.stored.Lock()
	defer l.stored.Unlock()
	l.writing.Unlock()
	l.tell(t)
	return nil
}

// show has queries answer what a change that is durable has come to.
func (l *Ledger) show(t *transaction) {
	view, news := l.fold.view(l.floor), l.fold.news()
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.anew {
		l.shown.lists, l.shown.roots = newLists(), map[string]*root{}
	}
	for _, f := range t.feeds {
		l.hold(f)
		for _, r := range l.shown.roots {
			r.touch(f.key)
		}
	}
	l.shown.take(view, news)
	l.shown.feeds, l.shown.keys = l.feeds, l.keys
	if !t.news {
		return
	}
	if t.stored == 0 || t.stored > t.beacons {
		l.shown.revision++
	}
	close(l.shown.changed)
	l.shown.changed = make(chan struct{})
}

// tell has others told, once, of what a transaction stored.
func (l *Ledger) tell(t *transaction) {
	for _, r := range t.tell {
		for _, f := range l.onStored {
			f(r)
		}
	}
	t.tell = nil
}

func (l *Ledger) attempt(f func(*transaction) error) (*transaction, error) {
	anew := l.stale
	if anew {
		if err := l.load(); err != nil {
			return &transaction{charters: l.fold.charters.latest()}, failed(fmt.Errorf("read it again: %w", err))
		}
	}
	t := &transaction{charters: l.fold.charters.latest(), anew: anew}
	if err := f(t); err != nil {
		return t, err
	}
	if err := l.settle(t); err != nil {
		return t, err
	}
	if err := l.note(t); err != nil {
		return t, err
	}
	if t.batch.empty() {
		return t, nil
	}
	if mutant.On(mutant.ForgetFsync) {
		l.tell(t)
	}
	if err := l.cfg.Log.Commit(t.batch); err != nil {
		return t, failed(err)
	}
	l.noted = l.fold.charters.latest()
	return t, nil
}

// settle judges what waited for this change, until nothing more comes of it. It ends, as what is
// tried again has left the waiting room for something that was taken.
func (l *Ledger) settle(t *transaction) error {
	for {
		if latest := l.fold.charters.latest(); latest != t.charters {
			t.charters, t.news = latest, true
			t.retry = append(t.retry, l.waiting.takeAll()...)
			if err := l.gatherAll(t); err != nil {
				return err
			}
			continue
		}
		if len(t.retry) == 0 {
			return nil
		}
		again := t.retry
		t.retry = nil
		for _, x := range again {
			if _, err := l.judge(t, x); err != nil {
				return err
			}
		}
	}
}

// gatherAll looks through all closed feeds again.
func (l *Ledger) gatherAll(t *transaction) error {
	all := maps.Clone(l.feeds)
	maps.Copy(all, t.feeds)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if f := all[key]; f.closed != nil {
			if err := l.gather(t, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// note has the floor and the charters kept with the entries.
func (l *Ledger) note(t *transaction) error {
	chain := l.fold.chain()
	if chain == nil {
		return nil
	}
	for v := l.noted + 1; v <= l.fold.charters.latest(); v++ {
		data, err := json.Marshal(chain.Envelopes()[v-1])
		if err != nil {
			return err
		}
		t.batch.setMeta(metaCharter(v), data)
	}
	if l.floor.Raise(l.fold.raised.Truncate(time.Millisecond), chain.Latest()) {
		t.batch.setMeta(metaFloor, binary.BigEndian.AppendUint64(nil, uint64(l.floor.At().UnixMilli())))
	}
	return nil
}

// undo forgets in memory what could not be stored, and nobody was shown. If the log cannot be read
// either, that waits for the next change.
func (l *Ledger) undo(t *transaction) {
	if !t.anew && !t.news && t.batch.empty() && t.charters == l.fold.charters.latest() {
		return
	}
	l.stale = true
	if err := l.load(); err != nil {
		l.cfg.Logger.Error("ledger: the log cannot be read", "err", err)
		return
	}
	l.show(&transaction{anew: true})
}
