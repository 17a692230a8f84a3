package distribute

import (
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"selvage/internal/ident"
)

// metered is a connection whose writes take their time, and whose bytes are counted.
type metered struct {
	net.Conn
	rate  float64 // bytes a second that are written; 0 is any
	bytes *atomic.Int64
}

func (m *metered) Write(b []byte) (sent int, err error) {
	for err == nil && sent < len(b) {
		part := b[sent:min(len(b), sent+4<<10)]
		if m.rate > 0 {
			time.Sleep(time.Duration(float64(len(part)) / m.rate * float64(time.Second)))
		}
		var n int
		n, err = m.Conn.Write(part)
		sent += n
		m.bytes.Add(int64(n))
	}
	return sent, err
}

func (m *metered) Read(b []byte) (int, error) {
	n, err := m.Conn.Read(b)
	m.bytes.Add(int64(n))
	return n, err
}

func (m *metered) Reset() error { return m.Conn.(*conn).Reset() }

// meter has a node's streams of a protocol metered.
func (n *node) meter(protocol string, rate float64) *atomic.Int64 {
	var bytes atomic.Int64
	streams := 0
	n.serves(protocol, &streams, func(from ident.NodeID, c net.Conn, before func(ident.NodeID, net.Conn)) {
		before(from, &metered{c, rate, &bytes})
	})
	return &bytes
}

// One slow peer of the site does not keep a blob from being whole: another gives what it was asked for last, and little is sent twice.
func TestSlowMateIsHedged(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		data := content(31, 8<<20)
		n, quick, slow := w.node("a"), w.node("a"), w.node("a")
		want := quick.add(data)
		slow.add(data)
		given := []*atomic.Int64{quick.meter(FetchProtocol, 4e6), slow.meter(FetchProtocol, 50e3)}
		w.mesh()
		took := w.fetchAll([]*node{n}, want, time.Hour)
		n.holds(want, data)
		sent := given[0].Load() + given[1].Load()
		t.Logf("%v, %.3f times sent", took, float64(sent)/float64(len(data)))
		if took > 6*time.Second { // the slow one was asked for a half, which would take it 80 s
			t.Errorf("took %v", took)
		}
		if most := int64(len(data)) + 1<<20; sent > most {
			t.Errorf("%d bytes were sent for %d", sent, len(data))
		}
	})
}

// A mate that gives next to nothing, and has all, keeps a blob for no more than a while from being got beyond the uplink; and a person hears
// of it, once.
func TestMateThatTricklesIsLeft(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		data := content(32, 8<<20)
		n, mate, seed := w.node("a"), w.node("a"), w.node("b")
		want := mate.add(data)
		seed.add(data)
		mate.meter(FetchProtocol, 2e3)
		w.mesh()
		took := w.fetchAll([]*node{n}, want, time.Hour)
		n.holds(want, data)
		if took < 30*time.Second || took > 2*time.Minute {
			t.Errorf("took %v", took)
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		if len(n.failing) != 1 || !strings.HasPrefix(n.failing[0], "2: it gives less than 16 KiB a second") {
			t.Errorf("it is said that %q", n.failing)
		}
	})
}

// Where a site has many nodes each is told of more at a time, and gets the blob about as soon.
func TestManyMatesAreToldLessOften(t *testing.T) {
	fetch := func(others int32) (told int64, took time.Duration) {
		run(t, func(t *testing.T, w *world) {
			w.net.uplink("a", 500e3, 20*time.Millisecond)
			data := content(32, 8<<20)
			seed, a, b := w.node("far"), w.node("a"), w.node("a")
			want := seed.add(data)
			bytes := b.meter(haveProtocol, 0)
			for _, n := range []*node{a, b} {
				n.swarm.mates.Add(others)
			}
			w.mesh()
			took = w.fetchAll([]*node{a, b}, want, time.Hour)
			told = bytes.Load()
		})
		return told, took
	}
	few, soon := fetch(0)
	many, later := fetch(160)
	t.Logf("%d bytes and %v, among many %d and %v", few, soon, many, later)
	if many*2 > few {
		t.Errorf("among many it is told %d bytes, else %d", many, few)
	}
	if later > soon+3*time.Second {
		t.Errorf("among many it takes %v, else %v", later, soon)
	}
}
