package gossip

import (
	"context"
	"errors"
	"fmt"
	"time"

	"selvage/internal/mutant"
)

const (
	maxSession = 16 << 20 // bytes of records that one side sends in a session
	maxShare   = 64 << 10 // likewise, across the edge of a site while links rest
	maxServing = 8        // sessions across the edge that a node serves at a time while links rest; who is turned away tries again
)

var errBusy = errors.New("too many sessions are served")

// result is what a session brought to both sides.
type result struct {
	Stored uint32 // records that were new to the one who got them
	More   bool   // a side had more to send than a session may hold
	Moved  bool   // this node has initiated it, and it got on with a contested feed
	Same   bool   // both had the same
}

// session is one exchange with a peer. Its two sides take turns, so neither waits for the other to
// read while the other waits for it.
type session struct {
	r      *Replicator
	p      *peer
	link   *link
	local  bool // both sides hold that they are of one site
	peeked bool // the peer only wanted to know that roots differ
	owes   bool // the peer had more to send than the session may hold
	result result
	asked  int               // feeds that the peer was asked for
	got    map[string]uint64 // the last number that has come of each feed, of as many feeds as the peer was asked for
}

// most is how many bytes of records a side of the session sends, but one record at least. In a large fleet a node that lacks much has it from
// several at once, and each of them would go on to send what another has brought meanwhile: there a session across the edge is
// short, and the next one looks anew.
func (s *session) most() int {
	if !s.local && s.r.rest() > 0 {
		return maxShare
	}
	return maxSession
}

// frontier is what this side holds of what the peer may see.
func (s *session) frontier() frontier { return frontierOf(s.r.cfg.Log.Frontier(s.local)) }

// respond runs the responder's side of one session.
func (r *Replicator) respond(ctx context.Context, p *peer, l *link) {
	begun := time.Now()
	s := session{r: r, p: p, link: l}
	if err := s.respond(); err != nil {
		if ctx.Err() == nil {
			r.cfg.Logger.Debug("sync failed as responder", "peer", p.id, "err", err)
			r.blame(p.id, err)
		}
		return
	}
	if !s.peeked {
		r.finished(p, s.result, begun)
	}
}

func (s *session) respond() error {
	f, err := s.link.receive(frameTimeout)
	if err != nil {
		return err
	}
	if f.Kind != kindRoot {
		return fmt.Errorf("%w: a session begins with kind %d", errFrame, f.Kind)
	}
	s.local = s.p.local && f.Local
	if s.r.cfg.Log.Root(s.local) == [32]byte(f.Root) {
		s.result.Same = true
		return s.link.send(frame{Kind: kindSame})
	}
	if f.Peek {
		s.peeked = true
		return s.link.send(frame{Kind: kindDiffers})
	}
	done, ok := s.r.admit(s.p)
	if !ok {
		return errBusy
	}
	defer done()
	shown, err := s.narrow(s.frontier())
	if err != nil {
		return err
	}
	if err := s.sendFrontier(shown); err != nil {
		return err
	}
	var wants []want
	if err := s.receiveRecords(&wants); err != nil {
		return err
	}
	left, err := s.sendRecords(wanted(wants, shown))
	if err != nil {
		return err
	}
	return s.link.send(frame{Kind: kindDone, More: len(left) > 0, Stored: s.result.Stored})
}

// admit counts a session that is to be served, until done is called. ok is false if there are too many.
func (r *Replicator) admit(p *peer) (done func(), ok bool) {
	if p.local || r.rest() == 0 {
		return func() {}, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.serving == maxServing {
		return nil, false
	}
	r.serving++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.serving--
	}, true
}

// narrow shows digests of many marks to the initiator, and returns those that it asks for.
func (s *session) narrow(all frontier) (frontier, error) {
	n := buckets(len(all))
	if n == 1 {
		return all, nil
	}
	if err := s.link.send(frame{Kind: kindBuckets, Buckets: bucketDigests(all, n), Local: s.local}); err != nil {
		return nil, err
	}
	f, err := s.link.receive(frameTimeout)
	switch {
	case err != nil:
		return nil, err
	case f.Kind != kindAsk || len(f.Buckets) != n/8:
		return nil, fmt.Errorf("%w: digests are answered with kind %d, %d bytes", errFrame, f.Kind, len(f.Buckets))
	}
	return inBuckets(all, f.Buckets, n), nil
}

// wanted finds the feeds of a want-list, in its order, each once. What was not shown to the peer is left out: it was not offered.
func wanted(ws []want, shown frontier) []span {
	var spans []span
	listed := make(map[feedHash]bool, len(ws))
	for _, w := range ws {
		if m, ok := shown.find(w.Feed); ok && !listed[w.Feed] {
			listed[w.Feed] = true
			spans = append(spans, span{m.name, w.After})
		}
	}
	return spans
}

func (s *session) sendFrontier(shown frontier) error {
	if len(shown) > maxMarks {
		return fmt.Errorf("send frontier: %d feeds are more than %d", len(shown), maxMarks)
	}
	for {
		n := min(len(shown), maxPayload/maxMark)
		last := n == len(shown)
		if err := s.link.send(frame{Kind: kindFrontier, Marks: shown[:n].encode(), Local: s.local, Last: last}); err != nil || last {
			return err
		}
		shown = shown[n:]
	}
}

func (s *session) sendWants(ws []want) error {
	for len(ws) > 0 {
		n := min(len(ws), maxPayload/maxMark)
		if err := s.link.send(frame{Kind: kindWants, Wants: encodeWants(ws[:n])}); err != nil {
			return err
		}
		ws = ws[n:]
	}
	return nil
}

// receiveRecords offers what the peer sends until it is done. wants collects the peer's want-list;
// nil says that it may send none.
func (s *session) receiveRecords(wants *[]want) error {
	for received := 0; ; {
		f, err := s.link.receive(sessionPause)
		if err != nil {
			return err
		}
		switch {
		case f.Kind == kindDone:
			s.owes = f.More
			s.result.More = s.result.More || f.More
			s.result.Stored += f.Stored
			return nil
		case f.Kind == kindWants && wants != nil:
			ws, err := decodeWants(f.Wants)
			if err != nil {
				return err
			}
			if len(ws) == 0 || len(*wants)+len(ws) > maxMarks {
				return fmt.Errorf("%w: a want-list of %d", errFrame, len(*wants)+len(ws))
			}
			*wants = append(*wants, ws...)
		case f.Kind == kindRecords && len(f.Records) > 0:
			rs := f.records()
			for _, r := range rs {
				received += r.size()
			}
			if received > maxSession+maxFrame {
				return fmt.Errorf("%w: more records than a session holds", errFrame)
			}
			if err := s.offer(rs); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%w: kind %d out of turn", errFrame, f.Kind)
		}
	}
}

var errOwnTrouble = errors.New("cannot store records")

// offer gives records to the log. It fails if this node cannot store them.
func (s *session) offer(rs []Record) error {
	s.p.queue.drop(rs)
	stored, err := s.r.offer(s.p, rs)
	s.result.Stored += stored
	if err != nil {
		return err
	}
	for _, r := range rs {
		if _, known := s.got[r.Feed]; known || len(s.got) < s.asked {
			s.got[r.Feed] = r.Seq
		}
	}
	return nil
}

// offer gives records of a peer to the log and returns how many were new. A record of a feed that
// must not leave a site is rejected unless it comes from within.
func (r *Replicator) offer(p *peer, rs []Record) (stored uint32, err error) {
	var rejected []error
	fit := rs[:0:0]
	for _, rec := range rs {
		if !p.local && r.cfg.Log.Site(rec.Feed) {
			rejected = append(rejected, fmt.Errorf("feed %q must not leave its site", rec.Feed))
			continue
		}
		fit = append(fit, rec)
	}
	var outcomes []Outcome
	var errs []error
	if len(fit) > 0 {
		outcomes, errs = r.cfg.Log.Offer(p.id, fit)
	}
	for i, o := range outcomes {
		switch {
		case o == Stored:
			stored++
		case o == Rejected && errors.Is(errs[i], ErrNotStored):
			err = fmt.Errorf("%w: %w", errOwnTrouble, errs[i])
		case o == Rejected:
			if mutant.On(mutant.RelayUnverified) {
				r.Push(fit[i], p.id)
			}
			rejected = append(rejected, errs[i])
		}
	}
	r.reject(p.id, rejected)
	if stored > 0 {
		r.mu.Lock()
		r.flood.note(int(stored), time.Now(), r.rest())
		r.mu.Unlock()
	}
	return stored, err
}
