package lead

import (
	"context"
	"testing"
	"time"
)

// TestTermsAreRecorded: each term once, when it begins, with how the one before it ended; nothing while one leads on, though its token grows.
func TestTermsAreRecorded(t *testing.T) {
	play(t, 3, func(t *testing.T, s *site) {
		s.settle(3) // its token has grown with the voters
		if err := s.nodes[0].lead().Renumber(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		first, _ := s.nodes[0].lead().Fence()
		if got := s.terms(); len(got) != 1 || got[0].Before != (Before{}) || got[0].Fence >= first || got[0].Token.Ballot.Node != id(0) {
			t.Fatalf("one leads on with %d, and recorded is %+v", first, got)
		}
		if err := s.nodes[0].lead().Yield(context.Background()); err != nil {
			t.Fatal(err)
		}
		s.await("another leader", time.Second, func() bool { return s.leader() != nil })
		time.Sleep(time.Minute)
		second := s.leader()
		if got := s.terms(); len(got) != 2 || got[1].Before != (Before{id(0), first, true}) || got[1].Token.Ballot.Node != second.id {
			t.Errorf("after a yield: %+v", got)
		}
		fence, _ := second.lead().Fence()
		second.crash()
		s.await("a third leader", time.Minute, func() bool { return s.leader() != nil })
		time.Sleep(time.Minute)
		if got := s.terms(); len(got) != 3 || got[2].Before != (Before{second.id, fence, false}) || got[2].At <= got[1].At {
			t.Errorf("after a crash: %+v", got)
		}
	})
}

// TestNewVoterSaysNothingOfBefore: who has not seen how the lease before its own ended does not claim to know.
func TestNewVoterSaysNothingOfBefore(t *testing.T) {
	play(t, 1, func(t *testing.T, s *site) {
		s.settle(1)
		s.nodes[0].crash()
		s.nodes[0].start()
		s.settle(1)
		time.Sleep(time.Second)
		if got := s.terms(); len(got) != 2 || got[1].Before != (Before{}) {
			t.Errorf("%+v", got)
		}
	})
}

// TestFirstToken: that a lease takes a higher token is no new term; that it is held again is one.
func TestFirstToken(t *testing.T) {
	play(t, 1, func(t *testing.T, s *site) {
		s.settle(1)
		l := s.nodes[0].lead()
		fence, first, leads := l.Since()
		if !leads || fence != first || first == 0 {
			t.Fatalf("it leads with %d since %d, %t", fence, first, leads)
		}
		if err := l.Renumber(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if later, still, leads := l.Since(); !leads || later <= fence || still != first {
			t.Errorf("it leads on with %d after %d, since %d", later, fence, still)
		}
		if err := l.Yield(context.Background()); err != nil {
			t.Fatal(err)
		}
		if _, _, leads := l.Since(); leads {
			t.Error("it leads, though it has yielded")
		}
		s.await("it leads again", time.Minute, func() bool { return s.leader() != nil })
		if fence, again, leads := l.Since(); !leads || again <= first || again > fence {
			t.Errorf("it leads again with %d since %d", fence, again)
		}
	})
}
