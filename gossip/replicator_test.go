package gossip

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"selvage/internal/ident"
)

// inBubble hides from rapid that it is in a bubble, where the test's deadline may not be asked.
type inBubble struct{ testing.TB }

func TestDivergentLogsConverge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(inBubble{t}, func(t *rapid.T) {
			f := newFleet(3, 5, false)
			defer f.close()
			f.seed(t)
			for _, n := range f.nodes {
				n.log.onStored = n.rep.Push
			}
			f.pairs(all, f.link)
			f.converge(t, 3*time.Minute)
			if feed := f.leaked(); feed != "" {
				t.Fatalf("%s left its site", feed)
			}
			for _, n := range f.nodes {
				if len(n.misbehaved()) > 0 {
					t.Fatalf("%s blames %v", n.name, n.misbehaved())
				}
			}
		})
	})
}

// seed has authors write records, of which any node may have got any, in order or not.
func (f *testFleet) seed(t *rapid.T) {
	f.admit()
	admissions := f.nodes[0].log.feeds[admitFeed]
	steps := rapid.SliceOfN(rapid.IntRange(0, len(f.nodes)-1), 0, 12).Draw(t, "authors")
	for i, a := range steps {
		n := f.nodes[a]
		n.log.Offer(ident.NodeID{}, admissions) // who writes is admitted, and knows it
		scope := rapid.SampledFrom([]string{"", siteName(n.site)}).Draw(t, "scope")
		lane := rapid.SampledFrom([]string{"durable", "register"}).Draw(t, "lane")
		feed := scope + "/" + lane + "/" + n.name
		n.log.publish(feed, fmt.Sprintf("%s=%d", rapid.SampledFrom([]string{"k1", "k2", "k3"}).Draw(t, "key"), i))
		rs, _ := n.log.Read(feed, 0, 1<<20)
		if got := f.nodes[rapid.IntRange(0, len(f.nodes)-1).Draw(t, "got")]; scope == "" || got.site == n.site {
			got.log.Offer(n.id, rs)
		}
	}
}

func TestPushReachesAllSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(3, 5, true)
		defer f.close()
		f.pairs(all, f.link)
		f.admit()
		f.converge(t, time.Minute)
		time.Sleep(time.Minute)
		f.nodes[7].log.publish("/durable/"+f.nodes[7].name, "news")
		time.Sleep(3 * relayDelay)
		if d := f.diverged(); d != "" {
			t.Errorf("%s has no news yet", d)
		}
	})
}

func TestPushCrossesEdgeOnDuty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(2, 3, true)
		defer f.close()
		// The author's site has an edge that the author is not at.
		author := f.nodes[0]
		f.pairs(func(a, b *testNode) bool { return a.site == b.site || a != author && b != author }, f.link)
		f.admit()
		f.converge(t, time.Minute)
		for i := range 20 {
			author.log.publish("/durable/"+author.name, fmt.Sprint(i))
		}
		time.Sleep(3 * relayDelay)
		if d := f.diverged(); d != "" {
			t.Errorf("%s has no news yet", d)
		}
	})
}

func TestSiteFeedsNeverLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(3, 2, true)
		defer f.close()
		var seen atomic.Int64
		f.net.spy = func(from, to ident.NodeID, _ string, b []byte) {
			if bytes.Contains(b, []byte("secret")) && from[0] != to[0] {
				seen.Add(1)
			}
		}
		f.admit()
		f.pairs(all, f.link)
		f.converge(t, time.Minute)
		for _, n := range f.nodes {
			n.log.publish(siteName(n.site)+"/register/"+n.name, "secret=1")
		}
		f.converge(t, time.Minute)
		f.pairs(otherSites, f.unlink)
		for _, n := range f.nodes {
			n.log.publish(siteName(n.site)+"/durable/"+n.name, "secret 2")
		}
		f.pairs(otherSites, f.link)
		f.converge(t, time.Minute)
		time.Sleep(5 * time.Minute)
		if seen.Load() > 0 {
			t.Errorf("%d writes to other sites hold a site's secret", seen.Load())
		}
	})
}

func TestPartitionHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(3, 5, true)
		defer f.close()
		f.admit()
		f.pairs(all, f.link)
		f.converge(t, time.Minute)
		f.pairs(otherSites, f.unlink)
		for i, n := range f.nodes {
			for j := range 5 {
				n.log.publish("/durable/"+n.name, fmt.Sprint(j))
				n.log.publish("/register/"+n.name, fmt.Sprintf("k%d=%d", (i+j)%3, j))
			}
		}
		time.Sleep(10 * time.Minute)
		if f.diverged() == "" {
			t.Fatal("the cut did not cut")
		}
		f.pairs(otherSites, f.link)
		f.converge(t, 10*time.Second)
	})
}

func TestCutInMidSessionLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(2, 1, false)
		defer f.close()
		a, b := f.nodes[0], f.nodes[1]
		f.admit()
		for range 60 {
			a.log.publish("/durable/"+a.name, strings.Repeat("x", 100_000))
		}
		var sent atomic.Int64
		f.net.spy = func(from, _ ident.NodeID, _ string, p []byte) {
			if from == a.id && len(p) > 100_000 && sent.Add(1)%10 == 0 {
				f.net.set(a.id, b.id, true)
				f.net.set(a.id, b.id, false) // the peers notice nothing but their broken stream
			}
		}
		f.link(a, b)
		f.converge(t, 10*time.Minute)
		if sent.Load() < 20 {
			t.Errorf("%d frames: the session was not cut", sent.Load())
		}
	})
}

func TestSessionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(2, 1, false)
		defer f.close()
		a, b := f.nodes[0], f.nodes[1]
		f.admit()
		for range 400 { // 40 MB, all of which waits for the admissions
			a.log.publish("/durable/"+a.name, strings.Repeat("x", 100_000))
		}
		early := false
		b.log.onStored = func(Record, ident.NodeID) { early = early || b.syncedWith(a.id) }
		f.link(a, b)
		f.converge(t, 5*time.Second)
		if early {
			t.Error("a session that left something out was taken for a whole one")
		}
		// The session that finds nothing missing is the one after that which brought the last record.
		for range 100 {
			if time.Sleep(100 * time.Millisecond); b.syncedWith(a.id) {
				break
			}
		}
		if !b.syncedWith(a.id) {
			t.Error("no whole session was told of")
		}
	})
}

func TestOverflowHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(2, 1, true)
		defer f.close()
		a, b := f.nodes[0], f.nodes[1]
		f.admit()
		f.link(a, b)
		f.converge(t, time.Minute)
		for i := range 5 * maxQueued {
			a.log.publish("/durable/"+a.name, fmt.Sprint(i))
		}
		if took := f.converge(t, time.Minute); took > 5*time.Second {
			t.Errorf("took %v, as if the overflow had waited for the pace", took)
		}
	})
}

func TestGarbageIsDropped(t *testing.T) {
	good, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	bad, err := good.encode(recordsFrame([]Record{{"/durable/x", 1, []byte("bad")}}))
	if err != nil {
		t.Fatal(err)
	}
	framed := append([]byte{0, 0, byte(len(bad) >> 8), byte(len(bad))}, bad...)
	tests := []struct {
		name, protocol string
		write          []byte
	}{
		{"sync garbage", syncProtocol, []byte("\x00\x00\x00\x04garbage")},
		{"push garbage", pushProtocol, []byte("\xff\xff\xff\xffgarbage")},
		{"push of bad records", pushProtocol, bytes.Repeat(framed, maxRejected)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { checkGarbage(t, tt.protocol, tt.write) })
		})
	}
}

func checkGarbage(t *testing.T, protocol string, write []byte) {
	f := newFleet(2, 2, true)
	defer f.close()
	f.admit()
	f.pairs(all, f.link)
	f.converge(t, time.Minute)
	hostile := f.net.port(nodeID(9, 9))
	victim := f.nodes[0]
	victim.rep.PeerUp(hostile.id, false)
	conn, err := hostile.Open(context.Background(), victim.id, protocol)
	if err != nil {
		t.Fatal(err)
	}
	conn.Write(write) // it may be cut short
	synctest.Wait()
	if len(victim.misbehaved()) != 1 {
		t.Fatalf("misbehaved: %q, want one", victim.misbehaved())
	}
	if again, err := hostile.Open(context.Background(), victim.id, protocol); err != nil {
		t.Fatal(err)
	} else if _, err := again.Read(make([]byte, 1)); err == nil {
		t.Error("a stream is served though the peer is ignored")
	}
	f.nodes[3].log.publish("/durable/"+f.nodes[3].name, "news")
	f.converge(t, time.Second)
	conn.Close()
}

func TestStrangerIsNotServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(1, 1, true)
		defer f.close()
		stranger := f.net.port(nodeID(9, 9))
		for _, protocol := range []string{syncProtocol, pushProtocol} {
			conn, err := stranger.Open(context.Background(), f.nodes[0].id, protocol)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Read(make([]byte, 1)); err == nil {
				t.Errorf("%s serves a stranger", protocol)
			}
		}
	})
}

func TestKickSyncsSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(2, 1, false)
		defer f.close()
		f.admit()
		f.link(f.nodes[0], f.nodes[1])
		f.converge(t, time.Minute)
		f.nodes[0].log.publish("/durable/"+f.nodes[0].name, "quiet")
		f.nodes[1].rep.Kick()
		synctest.Wait()
		if d := f.diverged(); d != "" {
			t.Errorf("%s differs", d)
		}
	})
}
