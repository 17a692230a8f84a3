package distribute

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"sync"

	"github.com/klauspost/compress"
	"github.com/klauspost/compress/zstd"

	"selvage/distribute/store"
	"selvage/internal/ident"
)

const (
	// packWindow is how far back on a stream a chunk may repeat what went before, in bytes. With 128 KiB a program takes
	// 2% more than with 512, and with 4 MiB 1% less, at eight times the memory.
	packWindow = 512 << 10
	// maxPackers bounds what is packed at a time: each takes 2.2 MB. On a stream beyond them chunks go as they are.
	maxPackers = 16
	// packHeaders is how much larger than the chunk a packed one may be: zstd leaves what it cannot make smaller as it is,
	// with a header before it, and the stream's before the first.
	packHeaders = 64
	// packable is compress.Estimate of a chunk from which on it becomes smaller. It looks at which bytes there are and which follow
	// which; of a program of 35 MB a fifth of the chunks are below it, and would have been larger packed.
	packable = 0.1
	// Words of 8 bytes at about one place in wordGap, which the bytes themselves pick, tell whether a chunk repeats itself: that makes it
	// smaller too, whatever its bytes are. It does if one in repeating of them was there before.
	wordGap   = 64
	repeating = 16
)

// packers are those of a swarm. What they keep, a goroutine of another test's bubble must not meet: so they are not
// shared by all swarms.
type packers struct {
	free  sync.Pool
	taken chan struct{} // holds one for each that is in use
}

func newPackers() *packers { return &packers{taken: make(chan struct{}, maxPackers)} }

// take returns a packer at the beginning of a stream; nil if too many are in use.
func (p *packers) take() *packer {
	select {
	case p.taken <- struct{}{}:
	default:
		return nil
	}
	k, ok := p.free.Get().(*packer)
	if !ok {
		k = newPacker()
	}
	k.enc.Reset(&k.out)
	return k
}

func (p *packers) give(k *packer) {
	if k != nil {
		p.free.Put(k)
		<-p.taken
	}
}

// packer makes chunks of one stream smaller, in the light of those that it has seen before. It is for one goroutine.
type packer struct {
	enc *zstd.Encoder
	out bytes.Buffer // of one chunk
}

// newPacker panics if zstd does not take the constants above.
func newPacker() *packer {
	k := &packer{}
	enc, err := zstd.NewWriter(&k.out, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(packWindow),
		zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false)) // a chunk's digest says more than a sum
	if err != nil {
		panic(err)
	}
	k.enc = enc
	return k
}

// pack returns a chunk as the packer makes it. It is good until the next.
func (k *packer) pack(chunk []byte) ([]byte, error) {
	k.out.Reset()
	if _, err := k.enc.Write(chunk); err != nil {
		return nil, err
	}
	err := k.enc.Flush() // so that a stream that is cut loses a chunk at most
	return k.out.Bytes(), err
}

// packing is how the answers on one stream are packed. It is for one goroutine.
type packing struct {
	packers *packers
	packer  *packer // nil before the first chunk that becomes smaller: much does not
	sent    []byte  // of one portion
}

// append adds a chunk to what is to be sent, as unpacker reads it: packed, or as it is if nothing on the stream has become smaller so far and
// this would not either, or too much is packed already.
func (k *packing) append(chunk []byte) error {
	if k.packer == nil && packs(chunk) {
		k.packer = k.packers.take()
	}
	if k.packer == nil {
		k.sent = append(binary.AppendUvarint(k.sent, 0), chunk...)
		return nil
	}
	b, err := k.packer.pack(chunk)
	k.sent = append(binary.AppendUvarint(k.sent, uint64(len(b))), b...)
	return err
}

// packs reports whether a chunk would become smaller, as far as a look tells that takes less than to pack it.
func packs(chunk []byte) bool {
	if compress.Estimate(chunk) >= packable {
		return true
	}
	var seen [1024]uint64 // by a part of the word's hash; of those that share a place the last
	words, again := 0, 0
	for i := 0; i+8 <= len(chunk); i++ {
		w := binary.LittleEndian.Uint64(chunk[i:])
		h := w * 0x9e3779b97f4a7c15 >> 32
		if h%wordGap != 0 {
			continue
		}
		words++
		at := h / wordGap % uint64(len(seen))
		if seen[at] == w {
			again++
		}
		seen[at] = w
	}
	return again > 0 && again*repeating >= words
}

// of returns a portion as it is sent, packed unless k is nil. It is good until the next.
func (k *packing) of(p portion, chunks []store.Chunk) ([]byte, error) {
	if k == nil || p.part.Count == 0 {
		return p.data, nil
	}
	data := p.data
	k.sent = k.sent[:0]
	if p.begins {
		k.sent, data = append(k.sent, statusPacked), data[1:]
	}
	for _, c := range chunks[p.part.First:][:p.part.Count] {
		if err := k.append(data[:c.Size]); err != nil {
			return nil, err
		}
		data = data[c.Size:]
	}
	return k.sent, nil
}

// end gives back what the stream needed.
func (k *packing) end() {
	if k != nil {
		k.packers.give(k.packer)
	}
}

// packedSize returns how many bytes chunks of a complete blob take over an uplink.
func packedSize(ctx context.Context, o *store.Object, chunks []int) (size int64, err error) {
	k, buf := packing{packers: newPackers()}, make([]byte, store.MaxChunk)
	for _, i := range chunks {
		n, err := o.ReadChunks(i, 1, buf)
		if err = errors.Join(err, ctx.Err()); err != nil {
			return 0, err
		}
		k.sent = k.sent[:0]
		if err := k.append(buf[:n]); err != nil {
			return 0, err
		}
		size += int64(len(k.sent))
	}
	return size, nil
}

// packingFor returns how the answers to a peer on a stream are packed: nil, not at all, for a mate, as the LAN is faster than packing.
func (s *Swarm) packingFor(peer ident.NodeID) *packing {
	s.mu.Lock()
	n := s.peers[peer]
	s.mu.Unlock()
	if n == nil || n.local {
		return nil
	}
	return &packing{packers: s.packers}
}
