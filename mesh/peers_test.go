package mesh

import (
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/transport"
)

// hostile admits a bare peer x of site s1 at a node, and returns its connection, and the stream on
// which the node asks whom it knows.
func hostile(t *testing.T, nw *fabric, n *testNode) (transport.CapableConn, network.MuxedStream) {
	t.Helper()
	c := newRawPeer(t, keyOf("x"), nw.options("10.0.0.66")...).dial(n)
	hello := rawOpen(t, c, helloProtocol, encoded(t, Hello{Fleet: []byte("f"), Credential: fmt.Append(nil, "x s1 ", idOf("x"))}),
		encoded(t, [][]byte{}), encoded(t, verdict{OK: true}))
	if r := readRefusal(t, n, hello); r != nil {
		t.Fatal(r)
	}
	s, err := c.AcceptStream()
	if err != nil {
		t.Fatal(err)
	}
	if p, err := readProtocol(s); err != nil || p != peersProtocol {
		t.Fatalf("the node asks for %q, %v", p, err)
	}
	return c, s
}

func TestJunkInAListOfPeersIsTriedALittleAtATime(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		a, mate := start(t, nw.config("a", "s1", "10.0.0.1")), start(t, nw.config("b", "s1", "10.0.0.2"))
		c, s := hostile(t, nw, a)
		var junk []listed
		for i := range maxListed {
			id := idOf(fmt.Sprint("junk", i))
			junk = append(junk, listed{id[:], "s1", []string{fmt.Sprintf("/ip4/10.9.0.%d/udp/4001/quic-v1", i)}})
		}
		if _, err := s.Write(encoded(t, junk)); err != nil {
			t.Fatal(err)
		}
		s.Close()
		soon(t, "the junk is tried", time.Second, func() bool { return a.dialling() > 0 })
		a.LearnNode(mate.self, "s1", mate.ownAddrs())
		soon(t, "a true mate is met meanwhile", time.Second, func() bool { return a.knows(mate) })
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			if n := a.dialling(); n > maxStrangers {
				t.Errorf("%d dials to strangers at once", n)
				break
			}
		}
		a.Host.mu.Lock()
		if n := len(a.known); n != maxListed+2 {
			t.Errorf("%d nodes are known", n)
		}
		a.Host.mu.Unlock()
		c.Close()
		closeAll(a, mate)
	})
}

// dialling returns how many dials are under way.
func (n *testNode) dialling() (count int) {
	n.Host.mu.Lock()
	defer n.Host.mu.Unlock()
	for _, k := range n.known {
		if k.attempt != nil {
			count++
		}
	}
	return count
}

func TestBadListOfPeersDoesNoHarm(t *testing.T) {
	id := idOf("b")
	for name, answer := range map[string][]byte{
		"nothing":       nil,
		"garbage":       []byte("HTTP/1.1 200 OK\r\n"),
		"long":          {0xff, 0xff, 0xff, 0xff},
		"too many":      encoded(t, make([]listed, maxListed+1)),
		"no node":       encoded(t, []listed{{[]byte("short"), "s1", nil}}),
		"long site":     encoded(t, []listed{{id[:], string(make([]byte, maxSite+1)), nil}}),
		"bad addresses": encoded(t, []listed{{id[:], "s1", []string{"", "/", "/ip4/0.0.0.0/udp/1/quic-v1", "/dns/evil.example/udp/1/quic-v1"}}}),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, nw *fabric) {
				a := start(t, nw.config("a", "s1", "10.0.0.1"))
				c, s := hostile(t, nw, a)
				if _, err := s.Write(answer); err != nil {
					t.Fatal(err)
				}
				s.Close()
				time.Sleep(time.Second)
				if a.dialling() != 0 || a.names() != "x" {
					t.Errorf("%d dials, peers %q", a.dialling(), a.names())
				}
				c.Close()
				closeAll(a)
			})
		})
	}
}
