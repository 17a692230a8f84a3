package distribute

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"sync"

	"github.com/klauspost/compress/zstd"

	"selvage/distribute/store"
	"selvage/internal/ident"
)

const (
	// packWindow is how far back on a stream a chunk may repeat what went before, in bytes. With 128 KiB a program takes
	// 2% more than with 512, and with 4 MiB 1% less, at eight times the memory.
	packWindow = 512 << 10
	// maxPackers bounds what is packed at a time: each takes 2.2 MB. A stream beyond them is answered as it is.
	maxPackers = 16
	// packHeaders is how much larger than the chunk a packed one may be: what nothing makes smaller goes as it is,
	// with a header before it, and the stream's before the first.
	packHeaders = 64
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

// packer makes the chunks of one stream smaller, in the light of those that went before. It is for one goroutine.
type packer struct {
	enc  *zstd.Encoder
	out  bytes.Buffer // of one chunk
	sent []byte       // of one portion
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

// append adds a chunk to what is to be sent, as unpacker reads it.
func (k *packer) append(chunk []byte) error {
	k.out.Reset()
	if _, err := k.enc.Write(chunk); err != nil {
		return err
	}
	if err := k.enc.Flush(); err != nil { // so that a stream that is cut loses a chunk at most
		return err
	}
	k.sent = append(binary.AppendUvarint(k.sent, uint64(k.out.Len())), k.out.Bytes()...)
	return nil
}

// of returns a portion as it is sent, packed unless k is nil. It is good until the next.
func (k *packer) of(p portion, chunks []store.Chunk) ([]byte, error) {
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

// packedSize returns how many bytes chunks of a complete blob take over an uplink.
func packedSize(ctx context.Context, o *store.Object, chunks []int) (size int64, err error) {
	k, buf := newPacker(), make([]byte, store.MaxChunk)
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

// packerFor returns what packs the answers to a peer on a stream: nothing for a mate, as the LAN is faster than packing.
func (s *Swarm) packerFor(peer ident.NodeID) *packer {
	s.mu.Lock()
	n := s.peers[peer]
	s.mu.Unlock()
	if n == nil || n.local {
		return nil
	}
	return s.packers.take()
}
