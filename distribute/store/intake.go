package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/ipfs/go-cid"

	"selvage/internal/disk"
)

// Intake takes in blobs that come as the blocks of their DAGs, in the order of Walk, without those that
// came before, in the same blob or an earlier one. Nobody sees anything of them until Keep. It needs memory for
// the nodes, at most maxDAG bytes, and some 60 bytes for each chunk. It is not safe for concurrent use.
type Intake struct {
	store *Store
	blobs []*incoming
	seen  map[[sha256.Size]byte]origin // chunks
	nodes map[[sha256.Size]byte][]byte
	bytes int // of nodes
	buf   []byte
}

// incoming is a blob of an intake.
type incoming struct {
	added
	temp *Temp   // nil if the blob is here already
	here *Reader // the other way round
	sum  hash.Hash
	list int64 // bytes of its nodes, as they will lie on disk
}

// origin is where a chunk's bytes are.
type origin struct {
	blob  *incoming
	chunk Chunk
}

// Intake begins one. Close it.
func (s *Store) Intake() *Intake {
	return &Intake{store: s, seen: map[[sha256.Size]byte]origin{}, nodes: map[[sha256.Size]byte][]byte{}, buf: make([]byte, MaxChunk)}
}

// Room fails with disk.ErrFull in the chain if there is none for those of the blobs that are not here.
func (s *Store) Room(all ...Want) error {
	var bytes uint64
	for _, w := range all {
		if o, ok := s.Object(w.Digest); !ok || !o.Complete() {
			bytes += uint64(w.Size)
		}
	}
	return s.room(bytes)
}

func (s *Store) room(bytes uint64) error {
	free, _, err := s.fs.Free()
	if err != nil {
		return err
	}
	if bytes > free {
		return fmt.Errorf("%d bytes: %w: %d free", bytes, disk.ErrFull, free)
	}
	return nil
}

// Take takes the next blob. It asks next for each block that has not come before, by its CID, of at most so many bytes;
// next answers with bytes that have that CID, which Take does not check again and needs until it asks anew. The
// bytes are checked against the blob's size and SHA-256: ErrDAG or ErrCorrupt is in the error's chain if they are another's.
func (in *Intake) Take(ctx context.Context, w Want, next func(c cid.Cid, most int) ([]byte, error)) error {
	b, err := in.begin(w)
	if err != nil {
		return fmt.Errorf("blob %.12s: %w", w.Digest, err)
	}
	node := func(hash [sha256.Size]byte) ([]byte, error) { return in.node(b, hash, next) }
	chunk := func(c Chunk) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return in.chunk(b, c, next)
	}
	if err := followDAG(w, node, chunk); err != nil {
		return fmt.Errorf("blob %.12s: %w", w.Digest, err)
	}
	if Digest(b.sum.Sum(nil)) != w.Digest {
		return fmt.Errorf("blob %.12s: its chunks are another blob's: %w", w.Digest, ErrCorrupt)
	}
	return nil
}

// begin makes a place for a blob's bytes.
func (in *Intake) begin(w Want) (*incoming, error) {
	b := &incoming{added: added{want: w}, sum: sha256.New()}
	o, known := in.store.Object(w.Digest)
	if known && (o.Size != w.Size || !o.Root.Equals(w.Root)) {
		return nil, errOther
	}
	var err error
	if known && o.Complete() {
		b.here, err = in.store.OpenBlob(w.Digest)
	} else {
		b.temp, err = in.store.Temp()
	}
	if err != nil {
		return nil, err
	}
	in.blobs = append(in.blobs, b)
	return b, nil
}

// node returns an inner node that came before, or comes now.
func (in *Intake) node(b *incoming, hash [sha256.Size]byte, next func(cid.Cid, int) ([]byte, error)) ([]byte, error) {
	data, ok := in.nodes[hash]
	if !ok {
		got, err := next(cidOf(cid.DagProtobuf, hash), maxNode)
		if err != nil {
			return nil, err
		}
		if in.bytes += len(got); in.bytes > maxDAG {
			return nil, fmt.Errorf("%w: more than %d bytes of nodes", ErrDAG, maxDAG)
		}
		data = append([]byte(nil), got...)
		in.nodes[hash] = data
	}
	// One that comes again takes none of the memory here, but as much as the first on disk, and on its way to a peer.
	if b.list += int64(len(binary.AppendUvarint(nil, uint64(len(data)))) + len(data)); b.list > MaxList(b.want.Size) {
		return nil, fmt.Errorf("%w: more than %d bytes of nodes for %d bytes", ErrDAG, MaxList(b.want.Size), b.want.Size)
	}
	b.added.nodes = append(b.added.nodes, data)
	return data, nil
}

// chunk puts a chunk, which came before or comes now, at the end of the blob.
func (in *Intake) chunk(b *incoming, c Chunk, next func(cid.Cid, int) ([]byte, error)) error {
	var data []byte
	var err error
	if o, ok := in.seen[c.Hash]; ok {
		data, err = in.again(o)
	} else {
		in.seen[c.Hash] = origin{b, c}
		data, err = next(c.CID(), int(c.Size))
	}
	if err == nil && len(data) != int(c.Size) {
		err = fmt.Errorf("%w: a chunk of %d bytes, not %d", ErrDAG, len(data), c.Size)
	}
	if err != nil {
		return err
	}
	b.sum.Write(data) // a hash never fails
	b.chunks = append(b.chunks, c)
	if b.temp == nil {
		return nil
	}
	_, err = b.temp.WriteAt(data, c.Offset)
	return err
}

// again reads a chunk that came before.
func (in *Intake) again(o origin) ([]byte, error) {
	var file io.ReaderAt = o.blob.here
	if o.blob.temp != nil {
		file = o.blob.temp
	}
	data := in.buf[:o.chunk.Size]
	if _, err := file.ReadAt(data, o.chunk.Offset); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if sha256.Sum256(data) != o.chunk.Hash {
		return nil, fmt.Errorf("blob %s: %w", o.blob.want.Digest, ErrDamaged)
	}
	return data, nil
}

// Keep makes the blobs that were taken in blobs of the store, one after the other, and returns those that are
// new. Each is durable then. On an error the others are left out. ErrMissing is in its chain if one that was here was given up since: it
// has to be taken in again.
func (in *Intake) Keep() ([]*Object, error) {
	var kept []*Object
	for _, b := range in.blobs {
		if b.temp == nil {
			if o, ok := in.store.Object(b.want.Digest); !ok || !o.Complete() {
				return kept, fmt.Errorf("keep blob %s: %w", b.want.Digest, errGone)
			}
			continue
		}
		if err := b.temp.Sync(); err != nil {
			return kept, fmt.Errorf("keep blob %s: %w", b.want.Digest, err)
		}
		o, err := in.store.adopt(b.temp.name, b.added)
		if err != nil {
			return kept, fmt.Errorf("keep blob %s: %w", b.want.Digest, err)
		}
		kept = append(kept, o)
	}
	return kept, nil
}

// Close ends the intake; what was not kept is gone.
func (in *Intake) Close() {
	for _, b := range in.blobs {
		if b.temp != nil {
			_ = b.temp.Close() // what was kept has another name; what stays is swept at the next start
		} else {
			_ = b.here.Close() // it was only read
		}
	}
	in.blobs = nil
}
