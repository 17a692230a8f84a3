package gossip

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"selvage/internal/ident"
)

// TestThinLinkCatchesUp: what takes long to come comes once, however thin the link is.
func TestThinLinkCatchesUp(t *testing.T) {
	const lacking = 600 << 10
	for _, rate := range []int{16000, 4000, 1000} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(2, 1, true)
			defer f.close()
			f.net.rate = rate
			var bytes atomic.Int64
			f.net.spy = func(_, _ ident.NodeID, _ string, b []byte) { bytes.Add(int64(len(b))) }
			a := f.nodes[0]
			f.admit()
			for range 600 {
				a.log.publish("/durable/"+a.name, strings.Repeat("x", lacking/600))
			}
			f.pairs(all, f.link)
			// Both ends begin, and each may send the same: sessions do not know of each other.
			time.Sleep(3 * time.Duration(lacking/rate) * time.Second)
			if d := f.diverged(); d != "" || bytes.Load() > 5*lacking/2 {
				t.Errorf("%d bytes/s: after three times what it takes %q differs, and %d bytes were sent for %d", rate, d, bytes.Load(), lacking)
			}
		})
	}
}

// TestDripIsCut: who sends a byte now and then has no stream for it.
func TestDripIsCut(t *testing.T) {
	for _, protocol := range []string{syncProtocol, pushProtocol} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(1, 1, true)
			defer f.close()
			hostile := f.net.port(nodeID(9, 9))
			f.nodes[0].rep.PeerUp(hostile.id, false)
			conn, err := hostile.Open(context.Background(), f.nodes[0].id, protocol)
			if err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			for _, b := range fmt.Sprintf("\x00\x01\x00\x00%s", strings.Repeat("x", 1<<10)) {
				if _, err := conn.Write([]byte{byte(b)}); err != nil {
					break
				}
				time.Sleep(time.Second)
			}
			if took := time.Since(begun); took > frameTimeout+time.Second {
				t.Errorf("%s: a frame that drips is read for %v", protocol, took)
			}
		})
	}
}

// TestThinLinkGoesThroughContestedFeed: what is missing in a feed comes, though no session lasts long enough for all of the feed.
func TestThinLinkGoesThroughContestedFeed(t *testing.T) {
	const records, missing, rate = 1000, 500, 1000 // a session carries some 300 of them
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(2, 1, true)
		defer f.close()
		for i, n := range f.nodes {
			n.log.Offer(ident.NodeID{}, []Record{{admitFeed, 1, []byte(f.nodes[0].name)}})
			for seq := uint64(1); seq <= records; seq++ {
				if r := (Record{"/register/" + f.nodes[0].name, seq, fmt.Appendf(nil, "%d=%s", seq, strings.Repeat("x", 2000))}); i == 0 || seq != missing {
					n.log.Offer(ident.NodeID{}, []Record{r})
				}
			}
		}
		f.net.rate = rate
		f.pairs(all, f.link)
		time.Sleep(3 * time.Hour)
		if d := f.diverged(); d != "" {
			t.Errorf("%s still differs", d)
		}
	})
}
