package gossip

import (
	"slices"
	"time"
)

// sessionPause is how long a side may take to begin its next frame: it may be writing the other's
// records to a slow disk.
const sessionPause = time.Minute

// sendRecords sends spans of feeds in frames, up to the session's bound. Urgent ones come first, in frames of their own,
// so that what is late need not wait for what is much. It returns what had no room or, with an error, what was not sent.
func (s *session) sendRecords(spans []span) (left []span, err error) {
	b := batch{send: s.link.send, sent: s.p.queue.drop}
	urgent := func(sp span) bool { return s.r.cfg.Log.Urgent(sp.Feed) }
	spans = urgentFirst(spans, urgent)
	for i, sp := range spans {
		if i > 0 && !urgent(sp) && b.urgent {
			if err := b.flush(); err != nil {
				return b.unsent(spans), err
			}
		}
		b.urgent = urgent(sp)
		if s.r.cfg.Log.Site(sp.Feed) && !s.local {
			continue
		}
		rest, full, err := s.sendSpan(&b, sp)
		if err != nil {
			return b.unsent(spans), err
		}
		if full {
			s.result.More = true
			left = slices.Clone(spans[i:])
			left[0] = rest
			break
		}
	}
	if err := b.flush(); err != nil {
		return b.unsent(spans), err
	}
	return left, nil
}

// sendSpan reports whether the session is full, and what of the span had no room then.
func (s *session) sendSpan(b *batch, sp span) (rest span, full bool, err error) {
	most := s.most()
	for {
		rs, err := s.r.cfg.Log.Read(sp.Feed, sp.After, maxPayload)
		if err != nil || len(rs) == 0 {
			return sp, false, err
		}
		begun := sp.After
		for _, r := range rs {
			if b.total > 0 && b.total+r.size() > most {
				return sp, true, nil
			}
			if err := b.add(r); err != nil {
				return sp, false, err
			}
			sp.After = r.Seq
		}
		if sp.After <= begun {
			return sp, false, nil // the log has put something behind the feed's end; there is no next
		}
	}
}

// batch collects records into frames.
type batch struct {
	send    func(frame) error
	sent    func([]Record) // told of what was sent
	records []Record
	size    int
	total   int // bytes added so far
	urgent  bool
	last    recordKey // of what was sent; zero if nothing was
}

func (b *batch) add(r Record) error {
	if b.size+r.size() > maxPayload || len(b.records) == maxRecords {
		if err := b.flush(); err != nil {
			return err
		}
	}
	b.records = append(b.records, r)
	b.size += r.size()
	b.total += r.size()
	return nil
}

func (b *batch) flush() error {
	if len(b.records) == 0 {
		return nil
	}
	err := b.send(recordsFrame(b.records))
	if err == nil {
		last := b.records[len(b.records)-1]
		b.last = recordKey{last.Feed, last.Seq}
		b.sent(b.records)
	}
	b.records, b.size = nil, 0
	return err
}

// unsent returns what is left of spans, whose records were sent in their order.
func (b *batch) unsent(spans []span) []span {
	i := slices.IndexFunc(spans, func(sp span) bool { return sp.Feed == b.last.feed })
	if i < 0 {
		return spans
	}
	left := slices.Clone(spans[i:])
	left[0].After = b.last.seq
	return left
}
