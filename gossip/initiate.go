package gossip

import "fmt"

// peek asks whether the peer has the same root.
func (s *session) peek() (same bool, err error) {
	root := s.r.cfg.Log.Root(s.p.local)
	if err := s.link.send(frame{Kind: kindRoot, Root: root[:], Local: s.p.local, Peek: true}); err != nil {
		return false, err
	}
	f, err := s.link.receive(frameTimeout)
	switch {
	case err != nil:
		return false, err
	case f.Kind != kindSame && f.Kind != kindDiffers:
		return false, fmt.Errorf("%w: a peek is answered with kind %d", errFrame, f.Kind)
	}
	return f.Kind == kindSame, nil
}

// initiate runs the initiator's side. again says that the session follows another at once.
func (s *session) initiate(again bool) error {
	root := s.r.cfg.Log.Root(s.p.local)
	if err := s.link.send(frame{Kind: kindRoot, Root: root[:], Local: s.p.local}); err != nil {
		return err
	}
	mine, theirs, err := s.exchangeMarks()
	if err != nil {
		return err
	}
	if theirs == nil {
		s.p.places = places{}
		s.result.Same = true
		return nil
	}
	todo := compare(mine, theirs, s.p.places)
	if again || s.most() < maxSession { // of several peers each begins with something else
		todo = todo.rotate()
	}
	left, err := s.exchangeRecords(todo)
	switch {
	case err != nil: // the next goes on from here: on a thin link none may ever come to its end
		s.p.places.note(todo, left)
		return err
	case s.result.More:
		s.result.Moved = s.p.places.note(todo, left)
	default:
		s.p.places = places{}
	}
	return nil
}

// exchangeRecords has both sides send what the other lacks, and returns what had no room or, with an error, what has not come.
func (s *session) exchangeRecords(todo plan) (left plan, err error) {
	s.got, s.asked = make(map[string]uint64), len(todo.Want)
	left = todo
	if err := s.sendWants(todo.Want); err != nil {
		return left, err
	}
	if left.Give, err = s.sendRecords(todo.Give); err != nil {
		return left, err
	}
	if err := s.link.send(frame{Kind: kindDone, More: len(left.Give) > 0}); err != nil {
		return left, err
	}
	left.Want = nil
	if err = s.receiveRecords(nil); err != nil || s.owes {
		left.Want = s.unread(todo)
	}
	return left, err
}

// unread is the function of this name for what has come.
func (s *session) unread(todo plan) []want {
	got, urgent := make(map[feedHash]uint64, len(s.got)), make(map[feedHash]bool)
	for name, last := range s.got {
		h := hashFeed(name)
		got[h], urgent[h] = last, s.r.cfg.Log.Urgent(name)
	}
	for h, name := range todo.contested {
		urgent[h] = s.r.cfg.Log.Urgent(name)
	}
	return unread(todo.Want, got, func(w want) bool { return urgent[w.Feed] })
}

// exchangeMarks reads the responder's answer to the root: that it has the same, then theirs is nil;
// its marks; or digests of them, then the initiator asks for those that differ. It returns the marks
// of both sides that are to be compared.
func (s *session) exchangeMarks() (mine frontier, theirs map[feedHash]Mark, err error) {
	f, err := s.link.receive(frameTimeout)
	switch {
	case err != nil || f.Kind == kindSame:
		return nil, nil, err
	case f.Kind != kindBuckets:
		theirs, err = s.receiveFrontier(f)
		return s.frontier(), theirs, err
	}
	n, err := bucketCount(f.Buckets)
	if err != nil {
		return nil, nil, err
	}
	s.local = s.p.local && f.Local
	mine = s.frontier()
	ask := differing(bucketDigests(mine, n), f.Buckets)
	if err := s.link.send(frame{Kind: kindAsk, Buckets: ask}); err != nil {
		return nil, nil, err
	}
	if f, err = s.link.receive(frameTimeout); err != nil {
		return nil, nil, err
	}
	theirs, err = s.receiveFrontier(f)
	return inBuckets(mine, ask, n), theirs, err
}

// receiveFrontier reads the responder's marks, of which f is the first frame.
func (s *session) receiveFrontier(f frame) (theirs map[feedHash]Mark, err error) {
	theirs = make(map[feedHash]Mark)
	for {
		es, err := decodeMarks(f.Marks)
		if err != nil {
			return nil, err
		}
		if f.Kind != kindFrontier || len(theirs)+len(es) > maxMarks || len(es) == 0 && !f.Last {
			return nil, fmt.Errorf("%w: not a frontier", errFrame)
		}
		for _, e := range es {
			theirs[e.Feed] = e.Mark
		}
		s.local = s.p.local && f.Local
		if f.Last {
			return theirs, nil
		}
		if f, err = s.link.receive(frameTimeout); err != nil {
			return nil, err
		}
	}
}
