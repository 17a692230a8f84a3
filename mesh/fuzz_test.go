package mesh

import (
	"bytes"
	"strings"
	"testing"

	"selvage/internal/ident"
)

// reencodes checks that what a decoder took can be written within its bound and reads the same.
func reencodes(t *testing.T, c codec, most int, v any, read func(*bytes.Buffer) (any, error)) {
	t.Helper()
	var one, two bytes.Buffer
	if err := c.write(&one, most, v); err != nil {
		// What came may have been a denser form of the same: only what is deterministic has the bound.
		return
	}
	first := bytes.Clone(one.Bytes())
	back, err := read(&one)
	if err != nil {
		t.Fatalf("cannot read what was written of %+v: %v", v, err)
	}
	if err := c.write(&two, most, back); err != nil || !bytes.Equal(first, two.Bytes()) {
		t.Fatalf("%+v was written as %x and then as %x: %v", v, first, two.Bytes(), err)
	}
}

func fuzzCodec(f *testing.F) codec {
	f.Helper()
	c, err := newCodec()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Add(rawFrame([]byte{0xa0}))
	f.Add(rawFrame([]byte{0xa1, 0x01}))
	return c
}

func FuzzHello(f *testing.F) {
	c := fuzzCodec(f)
	f.Add(encoded(f, Hello{Fleet: []byte("f"), Credential: []byte("c"), Charter: 3, Protocols: []string{"p"}, Addrs: []string{quicAddr(1)}, Incarnation: 1 << 63}))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := c.readHello(bytes.NewReader(data))
		if err != nil {
			return
		}
		if len(h.Addrs) > maxAddrs || len(h.Credential) > maxHello {
			t.Fatalf("beyond its bounds: %+v", h)
		}
		for _, a := range ofPeers(h.Addrs) {
			if checkDialable(a) != nil {
				t.Fatalf("%q is stored", a)
			}
		}
		reencodes(t, c, maxHello, h, func(b *bytes.Buffer) (any, error) { return c.readHello(b) })
	})
}

func FuzzCharters(f *testing.F) {
	c := fuzzCodec(f)
	f.Add(encoded(f, [][]byte{[]byte("{}"), {}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := c.readCharters(bytes.NewReader(data))
		if err != nil {
			return
		}
		if len(all) > maxEnvelopes {
			t.Fatalf("%d charters", len(all))
		}
		reencodes(t, c, maxCharters, all, func(b *bytes.Buffer) (any, error) { return c.readCharters(b) })
	})
}

func FuzzVerdict(f *testing.F) {
	c := fuzzCodec(f)
	f.Add(encoded(f, verdict{OK: true}))
	f.Add(encoded(f, verdict{Code: CodeHeld, Text: "the uplink is held"}))
	f.Add(encoded(f, verdict{Code: CodeCredential, Text: "node was revoked", Proof: []byte("{}")}))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := c.readVerdict(bytes.NewReader(data))
		if err != nil || r == nil {
			return
		}
		if len(r.Text) > maxText || r.Text != plain(r.Text) || !r.ByRemote || strings.ContainsAny(r.Error(), "\n\x1b") {
			t.Fatalf("%+v", r)
		}
		if err := c.write(&bytes.Buffer{}, maxVerdict, verdict{Code: r.Code, Text: r.Text, Proof: r.Proof}); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzPeers(f *testing.F) {
	c := fuzzCodec(f)
	id := idOf("a")
	f.Add(encoded(f, []listed{{id[:], "s1", []string{quicAddr(1)}}, {id[:], "", nil}}))
	h := quietHost("self", "s1")
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := c.readList(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, l := range all {
			h.overheard(l)
			if k := h.known[ident.NodeID(l.Node)]; k != nil && len(k.addrs()) > maxHeard {
				t.Fatalf("%d addresses are stored", len(k.addrs()))
			}
		}
		if len(h.known) > maxKnown {
			t.Fatalf("%d nodes are stored", len(h.known))
		}
		reencodes(t, c, maxPeers, all, func(b *bytes.Buffer) (any, error) { return c.readList(b) })
	})
}

func FuzzProtocol(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte("\x04/abc"))
	f.Add([]byte{65})
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := readProtocol(bytes.NewReader(data))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := writeProtocol(&b, p); err != nil || !bytes.HasPrefix(data, b.Bytes()) {
			t.Fatalf("%q is written as %x: %v", p, b.Bytes(), err)
		}
	})
}

func FuzzSplitAddr(f *testing.F) {
	f.Add("/ip4/10.0.0.1/udp/4001/quic-v1/p2p/" + idOf("a").String())
	f.Add("/ip6/fe80::1/udp/1/quic-v1/p2p/" + idOf("a").String())
	f.Add("/dns/x/udp/1/quic-v1/p2p/" + idOf("a").String())
	f.Add("/p2p/")
	f.Fuzz(func(t *testing.T, s string) {
		id, addr, err := SplitAddr(s)
		if err != nil {
			return
		}
		if id.IsZero() && id.String() != "" || len(addr) > maxAddr || checkDialable(addr) != nil {
			t.Fatalf("%q is taken as %v at %q", s, id, addr)
		}
		if _, again, err := SplitAddr(addr + "/p2p/" + id.String()); err != nil && !id.IsZero() || err == nil && again != addr {
			t.Fatalf("%q does not survive: %q %v", s, again, err)
		}
	})
}
