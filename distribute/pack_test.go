package distribute

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"selvage/internal/ident"
)

// prose is n bytes of words that come again and again, as programs and their data have them.
func prose(seed byte, n int) []byte {
	r := rand.New(rand.NewChaCha8([32]byte{seed}))
	words := make([][]byte, 4096)
	for i := range words {
		words[i] = content(seed+byte(i), 3+i%9)
	}
	var out []byte
	for len(out) < n {
		out = append(out, words[int(r.ExpFloat64()*300)%len(words)]...)
	}
	return out[:n]
}

// TestUplinkIsPacked: over the uplink a blob takes fewer bytes than it has, if it has anything to say twice, and no more if not.
func TestUplinkIsPacked(t *testing.T) {
	for what, c := range map[string]struct {
		data []byte
		most float64 // of its bytes
	}{
		"prose": {prose(1, 3<<20), 0.5},
		"noise": {content(1, 3<<20), 1.002},
	} {
		t.Run(what, func(t *testing.T) {
			run(t, func(t *testing.T, w *world) {
				n, seed := w.node("a"), w.node("b")
				want := seed.add(c.data)
				w.mesh()
				if err := n.fetch(want, time.Minute); err != nil {
					t.Fatal(err)
				}
				n.holds(want, c.data)
				share := float64(w.net.down["a"].bytes) / float64(len(c.data))
				t.Logf("%.3f of its bytes", share)
				if share > c.most {
					t.Errorf("%.3f of its bytes crossed, at most %.3f", share, c.most)
				}
				if p, _ := n.swarm.Progress(want.Digest); p.FromUplink != int64(len(c.data)) {
					t.Errorf("%d bytes of chunks are counted, not %d", p.FromUplink, len(c.data))
				}
			})
		})
	}
}

// counting is a connection that counts what is written.
type counting struct {
	altering
	bytes *atomic.Int64
}

func (c *counting) Write(b []byte) (int, error) {
	c.bytes.Add(int64(len(b)))
	return c.Conn.Write(b)
}

// TestMatesGetBytes: on the LAN nothing is packed.
func TestMatesGetBytes(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		n, seed := w.node("a"), w.node("a")
		var sent atomic.Int64
		streams := 0
		seed.serves(FetchProtocol, &streams, func(from ident.NodeID, c net.Conn, before func(ident.NodeID, net.Conn)) {
			before(from, &counting{altering{Conn: c}, &sent})
		})
		data := prose(2, 1<<20)
		want := seed.add(data)
		w.mesh()
		if err := n.fetch(want, time.Minute); err != nil {
			t.Fatal(err)
		}
		if sent.Load() < int64(len(data)) {
			t.Errorf("%d bytes were sent of %d", sent.Load(), len(data))
		}
	})
}

func TestPackersAreBounded(t *testing.T) {
	p := newPackers()
	var taken []*packer
	for range maxPackers {
		taken = append(taken, p.take())
	}
	if p.take() != nil {
		t.Error("one more was given")
	}
	p.give(taken[0])
	p.give(nil)
	if k := p.take(); k == nil || p.take() != nil {
		t.Error("what was given back cannot be taken, or twice")
	}
}

// packed returns chunks as a packer sends them.
func packed(t testing.TB, chunks ...[]byte) []byte {
	k := packing{packers: newPackers()}
	for _, c := range chunks {
		if err := k.append(c); err != nil {
			t.Fatal(err)
		}
	}
	return k.sent
}

func TestUnpack(t *testing.T) {
	chunks := [][]byte{prose(3, 100_000), content(3, 128<<10), prose(3, 100_000), content(4, 1)}
	r, u := reader(packed(t, chunks...)), unpacker{}
	defer u.close()
	for i, want := range chunks {
		got := make([]byte, len(want))
		if _, err := u.read(r, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("chunk %d: %v", i, err)
		}
	}
	if _, err := u.read(r, make([]byte, 1)); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if again := packed(t, chunks[0], chunks[0]); len(again) > len(packed(t, chunks[0]))+1000 {
		t.Error("what went before is forgotten")
	}
}

// TestPacks: a program's bytes pack for what they are, and noise that comes again because it does.
func TestPacks(t *testing.T) {
	noise := content(9, 32<<10)
	for what, c := range map[string]struct {
		chunk []byte
		want  bool
	}{
		"prose":                {prose(9, 32<<10), true},
		"noise":                {noise, false},
		"noise, a third twice": {append(noise[:24<<10:24<<10], noise[:8<<10]...), true},
		"zeros":                {make([]byte, 32<<10), true},
		"a few bytes":          {noise[:5], false},
		"nothing":              {nil, false},
	} {
		if got := packs(c.chunk); got != c.want {
			t.Errorf("%s: %v", what, got)
		}
	}
}

// TestNothingToPack: no packer is made for what does not become smaller, and no more than a byte told of it; nor where too many are in use.
func TestNothingToPack(t *testing.T) {
	p := newPackers()
	noise, text := content(8, 64<<10), prose(8, 64<<10)
	k := packing{packers: p}
	if err := k.append(noise); err != nil || len(k.sent) != 1+len(noise) || k.packer != nil {
		t.Errorf("%d bytes for %d of noise, packer %v, %v", len(k.sent), len(noise), k.packer, err)
	}
	for range maxPackers {
		p.take()
	}
	if err := k.append(text); err != nil || len(k.sent) != 2+len(noise)+len(text) {
		t.Errorf("%d bytes for %d without a packer, %v", len(k.sent), len(noise)+len(text), err)
	}
	r, u := reader(k.sent), unpacker{}
	for _, want := range [][]byte{noise, text} {
		got := make([]byte, len(want))
		if n, err := u.read(r, got); err != nil || n != len(want) || !bytes.Equal(got, want) {
			t.Errorf("%d bytes came, %v", n, err)
		}
	}
	if u.dec != nil {
		t.Error("a decoder for nothing")
	}
}

// TestUnpackRefuses: what no packer sends breaks the protocol; what was cut off does not.
func TestUnpackRefuses(t *testing.T) {
	chunk := prose(5, 10_000)
	whole := packed(t, chunk)
	size, n := binary.Uvarint(whole)
	section := func(size uint64, b []byte) []byte { return append(binary.AppendUvarint(nil, size), b...) }
	var wide bytes.Buffer
	enc, err := zstd.NewWriter(&wide, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(8<<20))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = enc.Write(chunk) // into memory
	_ = enc.Flush()
	for what, c := range map[string]struct {
		sent  []byte
		wrong bool
	}{
		"no frame":        {section(1000, content(6, 1000)), true},
		"too long":        {section(1<<20, content(6, 1<<20)), true},
		"too short":       {section(size-1, whole[n:len(whole)-1]), true},
		"more after it":   {section(size+10, append(whole[n:len(whole):len(whole)], make([]byte, 10)...)), true},
		"a larger window": {section(uint64(wide.Len()), wide.Bytes()), true},
		"as it is, cut":   {section(0, chunk[:100]), false},
		"cut off":         {whole[:len(whole)-1], false},
	} {
		u := unpacker{}
		_, err := u.read(reader(c.sent), make([]byte, len(chunk)))
		if err == nil || errors.Is(err, errProtocol) != c.wrong {
			t.Errorf("%s: %v", what, err)
		}
		u.close()
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(packed(f, prose(7, 3000), content(7, 100)))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, u := reader(b), unpacker{}
		defer u.close()
		chunk := make([]byte, 3000)
		for range 4 {
			if _, err := u.read(r, chunk); err != nil {
				return
			}
		}
	})
}

// BenchmarkPack packs and unpacks this very program, as an example of one, in pieces of a chunk's usual size, and noise, which does not pack.
func BenchmarkPack(b *testing.B) {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	program, err := os.ReadFile(exe)
	if err != nil {
		b.Fatal(err)
	}
	for what, data := range map[string][]byte{"program": program, "noise": content(1, 32<<20)} {
		b.Run(what+"/pack", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				b.ReportMetric(float64(len(packedPieces(b, data)))/float64(len(data)), "of-bytes")
			}
		})
		b.Run(what+"/unpack", func(b *testing.B) {
			sent := packedPieces(b, data)
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				r, u := reader(sent), unpacker{}
				for piece := range slices.Chunk(data, 32<<10) {
					if _, err := u.read(r, make([]byte, len(piece))); err != nil {
						b.Fatal(err)
					}
				}
				u.close()
			}
		})
	}
}

func packedPieces(b *testing.B, data []byte) []byte {
	return packed(b, slices.Collect(slices.Chunk(data, 32<<10))...)
}
