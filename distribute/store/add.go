package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"selvage/internal/disk"

	_ "github.com/PlakarKorp/go-cdc-chunkers/chunkers/fastcdc" // registers the algorithm by name
	"golang.org/x/sync/errgroup"
)

// Chunk sizes, bytes. They are part of the format.
const (
	minChunk     = 8 << 10
	averageChunk = 32 << 10
	MaxChunk     = 128 << 10

	algorithm = "fastcdc-v1.0.0"
	blockSize = 1 << 20 // bytes that travel together through the stages of Add
)

// Add puts a blob into the store. A blob that is there already is stored once. When the disk is
// full, disk.ErrFull is in the error's chain and nothing of the blob stays.
func (s *Store) Add(ctx context.Context, r io.Reader) (*Object, error) {
	return s.take(ctx, r, func(Want) error { return nil })
}

// AddAs puts a certain blob into the store, made in another way than chunk by chunk. If the bytes, or
// their chunk list, are not its own, nothing of them stays and ErrCorrupt is in the error's chain.
func (s *Store) AddAs(ctx context.Context, w Want, r io.Reader) (*Object, error) {
	return s.take(ctx, r, func(got Want) error {
		if got.Digest != w.Digest || got.Size != w.Size || !got.Root.Equals(w.Root) {
			return ErrCorrupt
		}
		return nil
	})
}

// take reads a blob, and keeps it unless check refuses what it turned out to be.
func (s *Store) take(ctx context.Context, r io.Reader, check func(Want) error) (*Object, error) {
	temp := s.tempName()
	file, err := s.fs.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("add blob: %w", err)
	}
	a, err := s.cut(ctx, r, file)
	if err == nil {
		err = check(a.want)
	}
	if err == nil {
		err = file.Sync()
	}
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	var o *Object
	if err == nil {
		o, err = s.adopt(temp, a)
	}
	if err != nil {
		_ = s.fs.Remove(temp) // it may have been renamed or never been there
		return nil, fmt.Errorf("add blob: %w", err)
	}
	return o, nil
}

// added is what the stages of Add found out.
type added struct {
	want   Want
	chunks []Chunk
	marks  []uint32 // of the chunks; nil if they were not taken
	nodes  [][]byte
}

// cut reads a blob once: one stage finds chunks and writes the file, one names the chunks, one
// names the whole, each on its own goroutine.
func (s *Store) cut(ctx context.Context, r io.Reader, w io.Writer) (added, error) {
	g, ctx := errgroup.WithContext(ctx)
	toName, toSum := make(chan *block, 4), make(chan *block, 4)
	var chunks []Chunk
	var marks []uint32
	whole := sha256.New()
	g.Go(func() error {
		defer close(toName)
		defer close(toSum)
		return split(ctx, r, w, toName, toSum)
	})
	g.Go(func() error {
		chunks, marks = nameChunks(toName)
		return nil
	})
	g.Go(func() error {
		sumBlocks(whole, toSum)
		return nil
	})
	if err := g.Wait(); err != nil {
		return added{}, err
	}
	if len(chunks) == 0 {
		chunks = []Chunk{{Hash: sha256.Sum256(nil)}}
	}
	root, nodes, err := buildDAG(chunks)
	if err != nil {
		return added{}, err
	}
	last := chunks[len(chunks)-1]
	want := Want{Digest(whole.Sum(nil)), last.Offset + int64(last.Size), root}
	return added{want, chunks, marks, nodes}, checkList(want.Size, nodes)
}

// checkList refuses a chunk list that nobody would read, here or elsewhere: that of a blob of some 45 GB.
func checkList(size int64, nodes [][]byte) error {
	n := int64(0)
	for _, node := range nodes {
		n += int64(len(node)) + binary.MaxVarintLen32
	}
	if n > MaxList(size) {
		return fmt.Errorf("%w: it has %d bytes, more than a blob's can have", ErrDAG, n)
	}
	return nil
}

// adopt makes a checked file the blob that it is.
func (s *Store) adopt(temp string, a added) (*Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.adoptHeld(temp, a)
}

// adoptHeld is adopt for who holds mu.
func (s *Store) adoptHeld(temp string, a added) (*Object, error) {
	o := s.objects[a.want.Digest] // somebody may be fetching it
	switch {
	case o == nil:
		o = newObject(s, a.want)
	case o.Complete():
		return o, s.fs.Remove(temp)
	case !o.Root.Equals(a.want.Root):
		return nil, errOther
	}
	if err := s.saveNodes(a.want.Digest, a.nodes); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := s.moveIn(temp, o); err != nil {
		if s.objects[o.Digest] != o {
			_ = s.fs.Remove(s.dagName(o.Digest)) // it is of no use to anybody; a leftover is swept at the next start
		}
		return nil, err
	}
	o.whole(a)
	o.local = a.want.Size
	s.indexChunks(o)
	return o, nil
}

// whole takes in what was found out of a blob of which all is here. The caller holds mu, or nobody else knows o.
func (o *Object) whole(a added) {
	o.learn(a.chunks, nil)
	for i, m := range a.marks {
		o.marks[i].Store(m)
	}
	o.have.SetAll()
	o.haveBytes = o.Size
}

// saveNodes is durable when it returns.
func (s *Store) saveNodes(d Digest, nodes [][]byte) error {
	if len(nodes) == 0 {
		return nil
	}
	return disk.WriteFile(s.fs, s.dagName(d), EncodeNodes(nodes), 0o600)
}
