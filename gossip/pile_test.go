package gossip

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"selvage/internal/ident"
)

// stuckLog does not get on with storing records.
type stuckLog struct {
	*memLog
	free chan struct{}
	busy atomic.Int32 // offers under way
	most atomic.Int32
}

func (l *stuckLog) Offer(from ident.NodeID, rs []Record) ([]Outcome, []error) {
	n := l.busy.Add(1)
	defer l.busy.Add(-1)
	for most := l.most.Load(); n > most && !l.most.CompareAndSwap(most, n); most = l.most.Load() {
	}
	<-l.free
	return l.memLog.Offer(from, rs)
}

// TestStreamsDoNotPileUp: while the disk stands still, a peer that opens one stream after another has one frame of records wait
// for it, and not one of each.
func TestStreamsDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newMemNet()
		log := &stuckLog{memLog: newMemLog("s"), free: make(chan struct{})}
		self, peer := nodeID(0, 0), net.port(nodeID(0, 1))
		r := NewReplicator(Config{Network: net.port(self), Log: log, Self: self})
		r.PeerUp(peer.id, true)
		for range 20 {
			conn, err := peer.Open(context.Background(), self, pushProtocol)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			go newLink(r.codec, conn).send(recordsFrame([]Record{{admitFeed, 1, []byte("x")}}))
			time.Sleep(time.Second)
		}
		if most := log.most.Load(); most != 1 {
			t.Errorf("%d frames wait for the disk", most)
		}
		close(log.free)
		time.Sleep(time.Second)
		if len(log.marks(true)) != 1 || log.busy.Load() != 0 {
			t.Error("what was sent did not come")
		}
		r.Close()
	})
}
