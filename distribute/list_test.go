package distribute

import (
	"net"
	"testing"
	"time"

	"selvage/internal/ident"
)

// trickling is a connection that gives some bytes each second.
type trickling struct {
	net.Conn
	rate int
}

func (d *trickling) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; rest = rest[min(len(rest), d.rate):] {
		time.Sleep(time.Second)
		if n, err := d.Conn.Write(rest[:min(len(rest), d.rate)]); err != nil {
			return len(b) - len(rest) + n, err
		}
	}
	return len(b), nil
}

func (d *trickling) Reset() error { return d.Conn.(*conn).Reset() }

// tricklesLists has a node give chunk lists slowly; it counts how often it is asked.
func (n *node) tricklesLists(rate int, asked *int) {
	n.serves(dagProtocol, asked, func(from ident.NodeID, c net.Conn, before func(ident.NodeID, net.Conn)) {
		before(from, &trickling{c, rate})
	})
}

// One that gives the chunk list drop by drop is left for another that has it, of the site or not.
func TestListDropByDrop(t *testing.T) {
	for _, site := range []string{"a", "b"} {
		run(t, func(t *testing.T, w *world) {
			data := content(80, 32<<20)
			slow := w.node(site)
			n, seed := w.node("a"), w.node(site)
			asked := 0
			slow.tricklesLists(500, &asked)
			want := seed.add(data)
			slow.add(data)
			w.net.connect(n.port, slow.port)
			w.net.wg.Go(func() {
				time.Sleep(time.Second)
				w.mesh()
			})
			began := time.Now()
			if err := n.fetch(want, time.Minute); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took < patience/2 || took > 2*patience || asked != 1 {
				t.Errorf("from site %s: it took %v, and the slow one was asked %d times", site, took, asked)
			}
		})
	}
}

// Who gives the list as fast as its link goes is asked once, though others have it: over 64 kbit/s, half of which somebody else uses. Where
// all are slower than that, it comes nevertheless.
func TestListOverAThinLink(t *testing.T) {
	for _, c := range []struct{ rate, most int }{{4000, 1}, {500, 6}} {
		run(t, func(t *testing.T, w *world) {
			data := content(81, 24<<20)
			n, far := w.node("a"), []*node{w.node("b"), w.node("c")}
			asked := 0
			for _, f := range far {
				f.tricklesLists(c.rate, &asked)
			}
			far[0].add(data)
			want := far[1].add(data)
			w.mesh()
			if err := n.fetch(want, 10*time.Minute); err != nil {
				t.Fatal(err)
			}
			if asked > c.most {
				t.Errorf("%d B/s: it was asked for %d times, want %d at most", c.rate, asked, c.most)
			}
		})
	}
}
