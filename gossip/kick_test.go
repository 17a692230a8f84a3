package gossip

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"selvage/internal/ident"
)

// TestKickDuringPeek: a session that becomes due while a peek goes on is not put off by what the peek finds.
func TestKickDuringPeek(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(1, 1, true)
		defer f.close()
		rep := f.nodes[0].rep
		peer := f.net.port(nodeID(9, 9))
		var kicked, next time.Time
		peer.Handle(syncProtocol, func(_ ident.NodeID, conn net.Conn) {
			defer conn.Close()
			l := newLink(rep.codec, conn)
			root, err := l.receive(time.Second)
			answer := frame{Kind: kindSame}
			switch {
			case err != nil:
				return
			case root.Peek && kicked.IsZero():
				kicked, answer.Kind = time.Now(), kindDiffers
				rep.Kick()
			case next.IsZero() && !kicked.IsZero():
				next = time.Now()
			}
			l.send(answer)
		})
		peer.Handle(pushProtocol, func(_ ident.NodeID, conn net.Conn) { awaitEOF(conn) })
		rep.PeerUp(peer.id, false)
		time.Sleep(10 * time.Minute)
		if took := next.Sub(kicked); kicked.IsZero() || next.IsZero() || took > firstRetry {
			t.Errorf("kicked at %v, the next session came %v later", kicked, took)
		}
	})
}
