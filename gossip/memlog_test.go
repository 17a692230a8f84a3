package gossip

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"selvage/internal/ident"
)

// memLog is a Log in memory. A feed is named SITE/LANE/AUTHOR: SITE is empty for the fleet, LANE
// is "durable" or "urgent" (numbers without holes) or "register" (data is KEY=VALUE and the newest of a key is
// kept, so there are holes). Records of an author wait until the feed admitFeed names him. It
// sorts last, so that they come first.
type memLog struct {
	site string

	mu       sync.Mutex
	feeds    map[string][]Record // by number
	onStored func(Record, ident.NodeID)
}

const admitFeed = "/durable/~admissions\xff" // names need not be text

var _ Log = (*memLog)(nil)

func newMemLog(site string) *memLog {
	return &memLog{site: site, feeds: map[string][]Record{}}
}

func (l *memLog) Site(feed string) bool { return !strings.HasPrefix(feed, "/") }

func (l *memLog) Urgent(feed string) bool { return strings.Contains(feed, "/urgent/") }

func (l *memLog) Frontier(local bool) iter.Seq2[string, Mark] { return maps.All(l.marks(local)) }

func (l *memLog) marks(local bool) map[string]Mark {
	l.mu.Lock()
	defer l.mu.Unlock()
	marks := map[string]Mark{}
	for feed, rs := range l.feeds {
		if l.Site(feed) && !local {
			continue
		}
		h := sha256.New()
		for _, r := range rs {
			h.Write(binary.BigEndian.AppendUint64(nil, r.Seq))
			h.Write(r.Data)
		}
		marks[feed] = Mark{rs[len(rs)-1].Seq, [8]byte(h.Sum(nil))}
	}
	return marks
}

func (l *memLog) Root(local bool) [32]byte {
	marks := l.marks(local)
	h := sha256.New()
	for _, feed := range slices.Sorted(maps.Keys(marks)) {
		fmt.Fprintf(h, "%q %v\n", feed, marks[feed])
	}
	return [32]byte(h.Sum(nil))
}

func (l *memLog) Read(feed string, after uint64, maxBytes int) ([]Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Record
	for _, r := range l.feeds[feed] {
		if r.Seq <= after {
			continue
		}
		if maxBytes -= r.size(); maxBytes < 0 && len(out) > 0 {
			break
		}
		out = append(out, r)
	}
	return out, nil
}

var errBad = errors.New("bad record")

func (l *memLog) Offer(from ident.NodeID, rs []Record) ([]Outcome, []error) {
	outcomes, errs := make([]Outcome, len(rs)), make([]error, len(rs))
	for i, r := range rs {
		outcomes[i] = l.offer(r)
		if outcomes[i] == Rejected {
			errs[i] = errBad
		}
		if outcomes[i] == Stored && l.onStored != nil {
			l.onStored(r, from)
		}
	}
	return outcomes, errs
}

// publish adds a record of this node's own to a feed.
func (l *memLog) publish(feed, data string) {
	l.mu.Lock()
	var seq uint64 = 1
	if rs := l.feeds[feed]; len(rs) > 0 {
		seq = rs[len(rs)-1].Seq + 1
	}
	l.mu.Unlock()
	r := Record{feed, seq, []byte(data)}
	if o := l.offer(r); o != Stored {
		panic(fmt.Sprintf("publish %v: outcome %d", r, o))
	}
	if l.onStored != nil {
		l.onStored(r, ident.NodeID{})
	}
}

func (l *memLog) offer(r Record) Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	rs := l.feeds[r.Feed]
	parts := strings.Split(r.Feed, "/")
	if len(parts) != 3 || string(r.Data) == "bad" || l.Site(r.Feed) && parts[0] != l.site {
		return Rejected
	}
	if r.Feed != admitFeed && !l.admitted(parts[2]) {
		return Waiting
	}
	if parts[1] == "register" {
		return l.offerRegister(r)
	}
	switch {
	case r.Seq <= uint64(len(rs)):
		return Known
	case r.Seq > uint64(len(rs))+1:
		return Waiting
	}
	l.feeds[r.Feed] = append(rs, r)
	return Stored
}

func (l *memLog) offerRegister(r Record) Outcome {
	key, _, _ := strings.Cut(string(r.Data), "=")
	rs := slices.Clone(l.feeds[r.Feed])
	for i, old := range rs {
		if strings.HasPrefix(string(old.Data), key+"=") {
			if old.Seq >= r.Seq {
				return Known
			}
			rs = slices.Delete(rs, i, i+1)
			break
		}
	}
	rs = append(rs, r)
	slices.SortFunc(rs, func(a, b Record) int { return int(a.Seq) - int(b.Seq) })
	l.feeds[r.Feed] = rs
	return Stored
}

func (l *memLog) admitted(author string) bool {
	return slices.ContainsFunc(l.feeds[admitFeed], func(r Record) bool { return string(r.Data) == author })
}
