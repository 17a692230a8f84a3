package gossip

import (
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"selvage/internal/ident"
)

// TestPushToWhoHangsUp: a peer that closes each push stream as soon as it is opened, as one that ignores this node does, is not called again and again.
func TestPushToWhoHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(1, 1, true)
		defer f.close()
		peer := f.net.port(nodeID(9, 9))
		var calls atomic.Int64
		peer.Handle(pushProtocol, func(_ ident.NodeID, conn net.Conn) {
			calls.Add(1)
			newLink(f.nodes[0].rep.codec, conn).receive(time.Second)
			conn.Close()
		})
		f.nodes[0].rep.PeerUp(peer.id, false)
		time.Sleep(time.Minute)
		if n := calls.Load(); n == 0 || n > 10 {
			t.Errorf("it was called %d times in a minute", n)
		}
	})
}
