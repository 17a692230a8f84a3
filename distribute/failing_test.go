package distribute

import (
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"selvage/distribute/store"
	"selvage/internal/ident"
)

// A peer that says to have everything and gives nothing is told of once, and is not taken for a liar; the blob comes from
// elsewhere.
func TestGivesNothing(t *testing.T) {
	for name, do := range map[string]func(ident.NodeID, net.Conn, func(ident.NodeID, net.Conn)){
		"stalls": hold,
		"has nothing after all": func(from ident.NodeID, c net.Conn, _ func(ident.NodeID, net.Conn)) {
			_, _ = io.ReadFull(c, make([]byte, sha256.Size+3)) // the digest, and a request of one run
			_, _ = c.Write([]byte{statusMissing})
			hold(from, c, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, w *world) {
				w.net.uplink("b", 50<<10, 0)
				data := content(40, 4<<20)
				n, idle, seed := w.node("a"), w.node("a"), w.node("b")
				want := seed.add(data)
				idle.add(data)
				streams := 0
				idle.serves(FetchProtocol, &streams, do)
				w.mesh()
				if err := n.fetch(want, 10*time.Minute); err != nil {
					t.Fatal(err)
				}
				n.holds(want, data)
				if len(n.failing) != 1 || !strings.Contains(n.failing[0], "gave nothing") || !strings.HasPrefix(n.failing[0], "2: it ") || len(n.blamed) > 0 {
					t.Errorf("told of %q, blamed %v", n.failing, n.blamed)
				}
				if streams < nothingMost || streams > 30 {
					t.Errorf("it was asked %d times in minutes", streams)
				}
			})
		})
	}
}

// A release that names another size than its chunk list has, or another digest, ends the fetch at once, is not fetched again
// and again, and costs no honest peer anything; the right release can be had after it.
func TestReleaseContradictsItself(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(w *store.Want)
		most  int64 // bytes that may come
	}{
		"one byte more":   {func(w *store.Want) { w.Size++ }, 64 << 10},
		"one byte less":   {func(w *store.Want) { w.Size-- }, 64 << 10},
		"tiny":            {func(w *store.Want) { w.Size = 100 }, 64 << 10},
		"absurdly large":  {func(w *store.Want) { w.Size = 1 << 39 }, 64 << 10},
		"another's chunk": {func(w *store.Want) { w.Digest[0]++ }, 3 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, w *world) {
				data := content(41, 2<<20)
				n, seed := w.node("a"), w.node("b")
				w.net.uplink("b", 1<<20, 0)
				right := seed.add(data)
				wrong := right
				c.spoil(&wrong)
				if wrong.Digest != right.Digest {
					o, _ := seed.store.Object(right.Digest)
					seed.hasAll(wrong, o, data)
				}
				w.mesh()
				for range 5 {
					if err := n.fetch(wrong, time.Minute); !errors.Is(err, store.ErrContradiction) || !errors.Is(err, store.ErrCorrupt) {
						t.Fatalf("got %v", err)
					}
				}
				if came := w.net.up["b"].came(); came > c.most {
					t.Errorf("%d bytes came", came)
				}
				if len(n.blamed)+len(n.failing) > 0 {
					t.Errorf("blamed %v, told of %q", n.blamed, n.failing)
				}
				if err := n.fetch(right, time.Minute); err != nil {
					t.Fatal(err)
				}
				n.holds(right, data)
			})
		})
	}
}

// A peer whose chunk list is of another root than the release's may have cut the blob in another way: it is told of, not put out.
func TestListOfAnotherRoot(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		data, other := content(42, 2<<20), content(43, 2<<20)
		n, seed, third := w.node("a"), w.node("a"), w.node("b")
		want := third.add(data)
		from, _ := w.node("x").store.Object(w.nodes[3].add(other).Digest)
		alien := from.Want
		alien.Digest = want.Digest
		seed.hasAll(alien, from, other)
		streams := 0
		seed.serves(dagProtocol, &streams, func(from ident.NodeID, c net.Conn, before func(ident.NodeID, net.Conn)) { before(from, c) })
		w.net.connect(n.port, seed.port)
		w.net.wg.Go(func() {
			time.Sleep(20 * time.Second)
			w.net.connect(n.port, third.port)
		})
		if err := n.fetch(want, time.Minute); err != nil {
			t.Fatal(err)
		}
		n.holds(want, data)
		if len(n.failing) != 1 || !strings.Contains(n.failing[0], "another root") || len(n.blamed) > 0 || streams != 1 {
			t.Errorf("told of %q, blamed %v, asked %d times", n.failing, n.blamed, streams)
		}
	})
}
