package media

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ipfs/go-cid"

	"selvage/distribute/store"
)

// Document is a small file.
type Document struct {
	Name string
	Data []byte
}

// Contents is what a file holds.
type Contents struct {
	About    []byte
	Charters []Document // by name
	Releases []Document // likewise
	// Revocations are likewise; there may be none.
	Revocations []Document
	Blobs       []Blob // by digest
}

// Blob is a blob of a file.
type Blob struct {
	Digest store.Digest
	Root   cid.Cid
}

// block is a directory or document as it is written.
type block struct {
	cid  cid.Cid
	data []byte
}

// Plan is a file before it is written.
type Plan struct {
	Root   cid.Cid
	Bytes  int64 // of the file
	Blocks int

	small []block
	blobs []*store.Object
}

// Lay plans the file of contents and complete blobs of a store. It reads the blobs' chunk lists, not their bytes.
func Lay(c Contents, blobs []*store.Object) (*Plan, error) {
	p := &Plan{blobs: slices.Clone(blobs)}
	slices.SortFunc(p.blobs, func(a, b *store.Object) int { return bytes.Compare(a.Digest[:], b.Digest[:]) })
	if err := p.lay(c); err != nil {
		return nil, fmt.Errorf("lay out media: %w", err)
	}
	p.Bytes = int64(len(header(p.Root)))
	err := p.each(func(_ cid.Cid, size int, _ func() ([]byte, error)) error {
		p.Bytes += sectionLen(size)
		p.Blocks++
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("lay out media: %w", err)
	}
	return p, nil
}

// lay makes the small blocks, in their order.
func (p *Plan) lay(c Contents) error {
	about, aboutBlock := leaf(Document{aboutName, c.About})
	charters, charterBlocks, err := folder("charters", c.Charters)
	if err != nil {
		return err
	}
	releases, releaseBlocks, err := folder("releases", c.Releases)
	if err != nil {
		return err
	}
	top := []entry{about, charters, releases}
	small := slices.Concat([]block{aboutBlock}, charterBlocks, releaseBlocks)
	if len(c.Revocations) > 0 {
		revocations, blocks, err := folder(revocationsName, c.Revocations)
		if err != nil {
			return err
		}
		top, small = append(top, revocations), append(small, blocks...)
	}
	var entries []entry
	for _, o := range p.blobs {
		tree, err := treeOf(o)
		if err != nil {
			return err
		}
		entries = append(entries, entry{o.Digest.String(), o.Root, tree})
	}
	blobs, blobBlock, err := newFolder("sha256", entries)
	if err != nil {
		return err
	}
	_, root, err := newFolder("", append(top, blobs))
	if err != nil {
		return err
	}
	p.Root = root.cid
	p.small = slices.Concat([]block{root}, small)
	if n := p.documents(); n > maxDocuments {
		return fmt.Errorf("%d bytes of charters, releases and revocations are more than one file takes, which is %d", n, maxDocuments)
	}
	p.small = append(p.small, blobBlock)
	return nil
}

// documents is where in the file the last document ends.
func (p *Plan) documents() int64 {
	at := int64(len(header(p.Root)))
	for _, b := range p.small {
		at += sectionLen(len(b.data))
	}
	return at
}

// folder makes a directory of documents, and its blocks in order.
func folder(name string, docs []Document) (entry, []block, error) {
	docs = slices.SortedFunc(slices.Values(docs), func(a, b Document) int { return strings.Compare(a.Name, b.Name) })
	var entries []entry
	var leaves []block
	for _, d := range docs {
		if len(d.Data) > MaxDocument {
			return entry{}, nil, fmt.Errorf("%s/%s has %d bytes, at most %d can be", name, d.Name, len(d.Data), MaxDocument)
		}
		e, b := leaf(d)
		entries, leaves = append(entries, e), append(leaves, b)
	}
	e, b, err := newFolder(name, entries)
	return e, append([]block{b}, leaves...), err
}

func newFolder(name string, entries []entry) (entry, block, error) {
	data, err := encodeFolder(entries)
	if err != nil {
		return entry{}, block{}, err
	}
	tree := uint64(len(data))
	for _, e := range entries {
		tree += e.tree
	}
	b := block{cidOf(cid.DagProtobuf, data), data}
	return entry{name, b.cid, tree}, b, nil
}

func leaf(d Document) (entry, block) {
	b := block{cidOf(cid.Raw, d.Data), d.Data}
	return entry{d.Name, b.cid, uint64(len(d.Data))}, b
}

// treeOf is how many bytes all blocks of a blob have.
func treeOf(o *store.Object) (tree uint64, err error) {
	err = o.Walk(func(b store.Block) error {
		tree += uint64(b.Size)
		return nil
	})
	return tree, err
}

// each calls f for every block of the file in order, each once, with how to get its bytes.
func (p *Plan) each(f func(c cid.Cid, size int, data func() ([]byte, error)) error) error {
	seen := map[string]bool{}
	once := func(c cid.Cid, size int, data func() ([]byte, error)) error {
		if seen[c.KeyString()] {
			return nil
		}
		seen[c.KeyString()] = true
		return f(c, size, data)
	}
	for _, b := range p.small {
		if err := once(b.cid, len(b.data), func() ([]byte, error) { return b.data, nil }); err != nil {
			return err
		}
	}
	buf := make([]byte, store.MaxChunk)
	for _, o := range p.blobs {
		err := o.Walk(func(b store.Block) error {
			return once(b.CID, b.Size, func() ([]byte, error) {
				if b.Node != nil {
					return b.Node, nil
				}
				return readChunk(o, b.Chunk, buf)
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// readChunk reads a chunk and checks it again: the disk may have changed it.
func readChunk(o *store.Object, i int, buf []byte) ([]byte, error) {
	n, err := o.ReadChunks(i, 1, buf)
	if err != nil {
		return nil, err
	}
	if sha256.Sum256(buf[:n]) != o.Chunks()[i].Hash {
		return nil, fmt.Errorf("chunk %d of blob %s: %w", i, o.Digest, store.ErrDamaged)
	}
	return buf[:n], nil
}

// Write writes the file. It fails with store.ErrDamaged in the chain, and no wrong byte written, when a blob went bad.
func (p *Plan) Write(ctx context.Context, w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<20)
	_, err := out.Write(header(p.Root))
	if err == nil {
		err = p.each(func(c cid.Cid, _ int, data func() ([]byte, error)) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			b, err := data()
			if err != nil {
				return err
			}
			return writeSection(out, c, b)
		})
	}
	if err = cmp.Or(err, out.Flush()); err != nil {
		return fmt.Errorf("write media: %w", err)
	}
	return nil
}
