package distribute

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"selvage/distribute/planner"
	"selvage/distribute/store"
	"selvage/internal/ident"
)

// serves has a node serve a protocol in another way; it counts the streams.
func (n *node) serves(protocol string, count *int, f func(from ident.NodeID, c net.Conn, before func(ident.NodeID, net.Conn))) {
	before := n.port.handlers[protocol]
	n.port.Handle(protocol, func(from ident.NodeID, c net.Conn) {
		n.mu.Lock()
		*count++
		n.mu.Unlock()
		f(from, c, before)
	})
}

// altering is a connection whose writes are altered.
type altering struct {
	net.Conn
	alter func(b []byte) []byte
}

func (a *altering) Write(b []byte) (int, error) {
	if _, err := a.Conn.Write(a.alter(slices.Clone(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (a *altering) Reset() error { return a.Conn.(*conn).Reset() }

// dripping is a connection that gives a little each second.
type dripping struct{ net.Conn }

func (d *dripping) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; rest = rest[min(len(rest), 100):] {
		time.Sleep(time.Second)
		if n, err := d.Conn.Write(rest[:min(len(rest), 100)]); err != nil {
			return len(b) - len(rest) + n, err
		}
	}
	return len(b), nil
}

func (d *dripping) Reset() error { return d.Conn.(*conn).Reset() }

func alter(f func(b []byte) []byte) func(ident.NodeID, net.Conn, func(ident.NodeID, net.Conn)) {
	return func(from ident.NodeID, c net.Conn, before func(ident.NodeID, net.Conn)) {
		before(from, &altering{c, f})
	}
}

// hold keeps a connection until it is reset, and gives nothing.
func hold(_ ident.NodeID, c net.Conn, _ func(ident.NodeID, net.Conn)) {
	buf := make([]byte, 1024)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

// Whatever one peer does, the blob comes from the others, and who broke a rule is named.
func TestLiars(t *testing.T) {
	type manner = func(from ident.NodeID, c net.Conn, before func(ident.NodeID, net.Conn))
	for name, c := range map[string]struct {
		protocol string
		do       manner
		blamed   string // one of these is in the reason; "" if the peer is not to be blamed
	}{
		"corrupt chunk":  {FetchProtocol, alter(func(b []byte) []byte { b[len(b)-1] ^= 1; return b }), "digest"},
		"surplus":        {FetchProtocol, alter(func(b []byte) []byte { return append(b, 200, 201, 202) }), "protocol|digest"}, // for a status or, within a run, for a chunk
		"short":          {FetchProtocol, alter(func(b []byte) []byte { return b[:len(b)/2] }), " "},                           // what follows is taken for it
		"strange status": {FetchProtocol, alter(func(b []byte) []byte { b[0] = 77; return b }), "protocol"},
		"unasked": {FetchProtocol, func(_ ident.NodeID, c net.Conn, _ func(ident.NodeID, net.Conn)) {
			_, _ = c.Write(make([]byte, 4<<20)) // more than was asked for, or before it was
		}, " "},
		"stall":      {FetchProtocol, hold, ""},
		"slow death": {FetchProtocol, func(_ ident.NodeID, c net.Conn, _ func(ident.NodeID, net.Conn)) { time.Sleep(time.Second); reset(c) }, ""},
		"drop by drop": {FetchProtocol, func(from ident.NodeID, c net.Conn, before func(ident.NodeID, net.Conn)) {
			before(from, &dripping{c})
		}, ""},
		"nothing there": {FetchProtocol, func(from ident.NodeID, c net.Conn, _ func(ident.NodeID, net.Conn)) {
			_, _ = io.ReadFull(c, make([]byte, 32+3)) // the digest, and a request of one run
			_, _ = c.Write([]byte{statusMissing})
			hold(from, c, nil)
		}, ""},
		"wrong list":       {dagProtocol, alter(func(b []byte) []byte { b[len(b)-1] ^= 1; return b }), "chunk list"},
		"garbled list":     {dagProtocol, alter(func(b []byte) []byte { return append(b[:1:1], 0xff, 0xff, 0xff, 0xff, 0x7f) }), "chunk list"},
		"empty nodes":      {dagProtocol, alter(func(b []byte) []byte { return append(b[:1:1], make([]byte, 1000)...) }), "chunk list"},
		"endless list":     {dagProtocol, alter(func(b []byte) []byte { return append(b, slices.Repeat(b[1:], 50)...) }), "chunk list"},
		"no list":          {dagProtocol, func(_ ident.NodeID, c net.Conn, _ func(ident.NodeID, net.Conn)) { reset(c) }, ""},
		"list that stalls": {dagProtocol, hold, ""},
	} {
		for _, site := range []string{"a", "b"} {
			t.Run(name+" from "+site, func(t *testing.T) {
				run(t, func(t *testing.T, w *world) {
					data := content(3, 3<<20)
					liar := w.node(site) // its ID is the lowest: it is asked first for the list
					n, seed := w.node("a"), w.node("b")
					streams := 0
					liar.serves(c.protocol, &streams, c.do)
					want := seed.add(data)
					liar.add(data)
					w.net.connect(n.port, liar.port)
					w.net.wg.Go(func() {
						time.Sleep(time.Second)
						w.mesh()
					})
					if err := n.fetch(want, 3*time.Minute); err != nil {
						t.Fatal(err)
					}
					n.holds(want, data)
					blame := n.blames(liar.port.id)
					named := slices.ContainsFunc(strings.Split(c.blamed, "|"), func(w string) bool { return strings.Contains(blame, w) })
					if c.blamed == "" && blame != "" || !named {
						t.Errorf("blamed for %q", blame)
					}
					if n.blames(seed.port.id) != "" {
						t.Errorf("the seed is blamed for %q", n.blames(seed.port.id))
					}
					if streams == 0 {
						t.Error("the liar was not asked")
					}
					if c.blamed != "" && streams > 1 {
						t.Errorf("the liar was asked %d times", streams)
					}
				})
			})
		}
	}
}

// A peer that was caught is not asked again when it comes back during the same fetch.
func TestLiarComesBack(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.net.uplink("b", 200<<10, 0)
		data := content(4, 4<<20)
		n, liar, seed := w.node("a"), w.node("a"), w.node("b")
		streams := 0
		liar.serves(FetchProtocol, &streams, alter(func(b []byte) []byte { b[len(b)-1] ^= 1; return b }))
		want := seed.add(data)
		liar.add(data)
		w.mesh()
		w.net.wg.Go(func() {
			for range 5 {
				time.Sleep(2 * time.Second)
				w.net.disconnect(n.port, liar.port)
				w.net.connect(n.port, liar.port)
			}
		})
		if err := n.fetch(want, time.Minute); err != nil {
			t.Fatal(err)
		}
		if streams != 1 {
			t.Errorf("asked %d times", streams)
		}
	})
}

// speak opens a have stream as a node and says something on it.
func (n *node) speak(to *node, b []byte) {
	n.w.t.Helper()
	c, err := n.port.Open(n.w.t.Context(), to.port.id, haveProtocol)
	if err != nil {
		n.w.t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(b); err != nil {
		n.w.t.Fatal(err)
	}
	time.Sleep(time.Second)
}

// Peers that break the form of what they say, or say what cannot be, are named.
func TestBadHaves(t *testing.T) {
	data := content(5, 2<<20)
	long := store.NewBitmap(5000)
	long.SetAll()
	for name, say := range map[string]func(d Digest) []byte{
		"kind":          func(d Digest) []byte { return append([]byte{99}, d[:]...) },
		"bitmap length": func(d Digest) []byte { return message{kind: msgBitmap, digest: d, bitmap: long}.append(nil) },
		"bitmap form": func(d Digest) []byte {
			return append(append([]byte{msgBitmap}, d[:]...), 2, 200, 1)
		},
		"huge bitmap": func(d Digest) []byte {
			return binary.AppendUvarint(append([]byte{msgBitmap}, d[:]...), 1<<40)
		},
		"chunk out of range": func(d Digest) []byte {
			return message{kind: msgGot, digest: d, runs: []planner.Run{{First: 0, Count: 1 << 20}}}.append(nil)
		},
		"descending runs": func(d Digest) []byte {
			return message{kind: msgGot, digest: d, runs: []planner.Run{{First: 9, Count: 1}, {First: 3, Count: 1}}}.append(nil)
		},
		"too many runs": func(d Digest) []byte {
			return binary.AppendUvarint(append([]byte{msgGot}, d[:]...), 1<<20)
		},
		"too many wants": func(Digest) []byte {
			var b []byte
			for i := range maxWants + 1 {
				b = message{kind: msgWant, digest: Digest{byte(i), byte(i >> 8)}}.append(b)
			}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, w *world) {
				w.net.uplink("b", 100<<10, 0)
				n, liar, seed := w.node("a"), w.node("a"), w.node("b")
				want := seed.add(data)
				w.mesh()
				w.net.wg.Go(func() {
					time.Sleep(3 * time.Second)
					liar.speak(n, say(want.Digest))
				})
				if err := n.fetch(want, time.Minute); err != nil {
					t.Fatal(err)
				}
				if n.blames(liar.port.id) == "" {
					t.Error("not blamed")
				}
				n.holds(want, data)
			})
		})
	}
}

// A peer that says that it has everything before the chunk list is known, and has another number of chunks, is caught too.
func TestEarlyBitmapOfAnotherBlob(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		data := content(6, 2<<20)
		n, liar, seed := w.node("a"), w.node("a"), w.node("b")
		want := seed.add(data)
		w.net.connect(n.port, liar.port)
		w.net.wg.Go(func() {
			time.Sleep(time.Second)
			b := store.NewBitmap(7)
			b.SetAll()
			liar.speak(n, message{kind: msgBitmap, digest: want.Digest, bitmap: b}.append(nil))
			w.net.connect(n.port, seed.port)
		})
		if err := n.fetch(want, time.Minute); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(n.blames(liar.port.id), "another blob") {
			t.Errorf("blamed for %q", n.blames(liar.port.id))
		}
	})
}

// A peer that asks and never listens costs no more than what it wants.
func TestDeafPeer(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		seed, deaf := w.node("a"), w.node("a")
		want := seed.add(content(7, 1<<20))
		count := 0
		deaf.serves(haveProtocol, &count, func(_ ident.NodeID, _ net.Conn, _ func(ident.NodeID, net.Conn)) {
			<-deaf.swarm.ctx.Done()
		})
		w.mesh()
		c, err := deaf.port.Open(t.Context(), seed.port.id, haveProtocol)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ask := message{kind: msgWant, digest: want.Digest}.append(nil)
		for range 200 {
			if _, err := c.Write(slices.Repeat(ask, 500)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		n := seed.swarm.peers[deaf.port.id]
		n.mu.Lock()
		defer n.mu.Unlock()
		if len(n.wants) != 1 || len(n.all) > 1 || len(n.asks) > 0 || len(n.news) > 0 {
			t.Errorf("keeps %d, %d, %d, %d for it", len(n.wants), len(n.all), len(n.asks), len(n.news))
		}
	})
}

// A peer may open only so many streams.
func TestStreamsAreBounded(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		n, greedy := w.node("a"), w.node("a")
		w.mesh()
		var ends []net.Conn
		for range maxStreams + 10 {
			c, err := greedy.port.Open(t.Context(), n.port.id, FetchProtocol)
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, c)
		}
		time.Sleep(time.Second)
		ended := 0
		for _, c := range ends {
			if _, err := c.Write([]byte{0}); errors.Is(err, net.ErrClosed) {
				ended++
			}
		}
		if ended < 10 {
			t.Errorf("%d of %d streams are served", len(ends)-ended, len(ends))
		}
	})
}
