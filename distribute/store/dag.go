package store

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	"github.com/ipfs/go-cid"
	format "github.com/ipfs/go-ipld-format"
)

var (
	// ErrDAG: a chunk list does not hold together, or is not the one that was asked for.
	ErrDAG = errors.New("bad chunk list")
	// ErrOtherRoot: a chunk list is of another root than the one that was asked for. It may be a good one of the same blob.
	ErrOtherRoot = fmt.Errorf("%w: it is of another root", ErrDAG)
	// ErrContradiction: the nodes of a chunk list are what the release names, and cannot be of a blob of the size that it
	// names, or of any. Whoever gave them is not to blame.
	// ErrCorrupt and ErrDAG are in its chain.
	ErrContradiction error = contradiction{}
)

type contradiction struct{}

func (contradiction) Error() string        { return "the release contradicts itself" }
func (contradiction) Is(target error) bool { return target == ErrCorrupt || target == ErrDAG }

// Bounds of a DAG. Those of the builder are part of the format; those of the reader are wider.
const (
	minLinks  = 32
	maxLinks  = 512
	linkBound = 2 // of 256: a node ends on average 128 children after its minLinks-th

	maxDepth     = 8
	maxNode      = 256 << 10 // bytes
	maxDAG       = 64 << 20  // bytes of all nodes
	maxNodeLinks = 2048
	minAverage   = 4 << 10 // bytes of a chunk, on average: bounds their number
	minNode      = 32      // bytes; one with a single link has more
	linkCost     = 128     // bytes of a link in a node, at most, and of the node of a single link
)

// child is a link with what lies below it.
type child struct {
	cid  cid.Cid
	hash [sha256.Size]byte
	size uint64 // bytes of the blob
	tree uint64 // bytes of the subtree as blocks, for the link's Tsize
	node []byte // nil for a leaf
	subs []*child
}

// buildDAG returns the root of the chunks' DAG and its nodes, each before its children.
func buildDAG(chunks []Chunk) (cid.Cid, [][]byte, error) {
	level := make([]*child, len(chunks))
	for i, c := range chunks {
		level[i] = &child{cid: c.CID(), hash: c.Hash, size: uint64(c.Size), tree: uint64(c.Size)}
	}
	for len(level) > 1 {
		var next []*child
		for len(level) > 0 {
			n := nodeEnd(level)
			node, err := newNode(level[:n])
			if err != nil {
				return cid.Undef, nil, err
			}
			next = append(next, node)
			level = level[n:]
		}
		level = next
	}
	var nodes [][]byte
	level[0].walk(func(c *child) { nodes = append(nodes, c.node) })
	return level[0].cid, nodes, nil
}

// nodeEnd returns how many of the next children go into one node.
func nodeEnd(level []*child) int {
	for i, c := range level {
		if i+1 >= maxLinks || i+1 >= minLinks && c.hash[sha256.Size-1] < linkBound {
			return i + 1
		}
	}
	return len(level)
}

func newNode(children []*child) (*child, error) {
	file := unixfs.NewFSNode(unixfs.TFile)
	node := new(merkledag.ProtoNode)
	if err := node.SetCidBuilder(merkledag.V1CidPrefix()); err != nil {
		return nil, err
	}
	out := &child{subs: children}
	for _, c := range children {
		file.AddBlockSize(c.size)
		if err := node.AddRawLink("", &format.Link{Cid: c.cid, Size: c.tree}); err != nil {
			return nil, err
		}
		out.size += c.size
		out.tree += c.tree
	}
	data, err := file.GetBytes()
	if err != nil {
		return nil, err
	}
	node.SetData(data)
	if out.node, err = node.EncodeProtobuf(false); err != nil {
		return nil, err
	}
	out.tree += uint64(len(out.node))
	out.hash = sha256.Sum256(out.node)
	out.cid = cidOf(cid.DagProtobuf, out.hash)
	return out, nil
}

// walk calls f for every inner node, each before its children.
func (c *child) walk(f func(*child)) {
	if c.node == nil {
		return
	}
	f(c)
	for _, s := range c.subs {
		s.walk(f)
	}
}

// dagReader follows a DAG, depth first, each node before its children.
type dagReader struct {
	node  func(hash [sha256.Size]byte) ([]byte, error) // an inner node's bytes, checked against its hash
	chunk func(Chunk) error                            // is told of each chunk, in their order
	from  int64                                        // bytes of the blob that were passed
	count int                                          // chunks
	most  int                                          // likewise
}

// readDAG checks nodes, each before its children, against the root that a blob was promised to have, and
// returns its chunks.
func readDAG(w Want, nodes [][]byte) ([]Chunk, error) {
	return readList(w, func() ([]byte, error) {
		if len(nodes) == 0 {
			return nil, io.EOF
		}
		data := nodes[0]
		nodes = nodes[1:]
		return data, nil
	})
}

// readList is readDAG for nodes as they come, to io.EOF: what is not as it should be is found at once.
func readList(w Want, next func() ([]byte, error)) ([]Chunk, error) {
	var chunks []Chunk
	take := func(c Chunk) error {
		chunks = append(chunks, c)
		return nil
	}
	if err := followDAG(w, checkNodes(w, next), take); err != nil {
		return nil, err
	}
	if _, err := next(); err == nil {
		return nil, fmt.Errorf("%w: there are more nodes than it has", ErrDAG)
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return chunks, nil
}

// checkNodes holds nodes against the hashes that they should have, of which the first is the root's.
func checkNodes(w Want, next func() ([]byte, error)) func(hash [sha256.Size]byte) ([]byte, error) {
	root := true
	return func(hash [sha256.Size]byte) ([]byte, error) {
		data, err := next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%w: a node is missing", ErrDAG)
		}
		if err != nil {
			return nil, err
		}
		if len(data) > maxNode || sha256.Sum256(data) != hash {
			if _, sizes, err := readNode(data); root && err == nil && total(sizes) == uint64(w.Size) {
				return nil, ErrOtherRoot
			}
			return nil, fmt.Errorf("%w: a node is not what its CID says", ErrDAG)
		}
		root = false
		return data, nil
	}
}

// total is the sum, or the greatest number where that is larger.
func total(sizes []uint64) (sum uint64) {
	for _, s := range sizes {
		if s > math.MaxUint64-sum {
			return math.MaxUint64
		}
		sum += s
	}
	return sum
}

// followDAG checks a blob's DAG as it goes.
func followDAG(w Want, node func([sha256.Size]byte) ([]byte, error), chunk func(Chunk) error) error {
	if w.Size < 0 {
		return fmt.Errorf("%w: a blob of %d bytes", ErrContradiction, w.Size)
	}
	r := &dagReader{node: node, chunk: chunk, most: maxChunks(w.Size)}
	return r.read(w.Root, uint64(w.Size), 0)
}

// maxChunks bounds the chunks of a blob of so many bytes.
func maxChunks(size int64) int { return int(min(size/minAverage+16, MaxBits)) }

// MaxList bounds the bytes of the nodes of a blob of so many bytes, as EncodeNodes writes them. It has room for the root
// of any, which tells how large its blob is.
func MaxList(size int64) int64 {
	return max(min(int64(maxChunks(size))*2*linkCost+1, maxDAG), maxNode+binary.MaxVarintLen64)
}

func (r *dagReader) read(c cid.Cid, size uint64, depth int) error {
	hash, codec, err := hashOf(c)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrContradiction, err)
	}
	if codec == cid.Raw {
		return r.leaf(hash, size, depth)
	}
	if depth >= maxDepth {
		return fmt.Errorf("%w: too deep", ErrContradiction)
	}
	data, err := r.node(hash)
	if err != nil {
		return err
	}
	links, sizes, err := readNode(data)
	if err != nil {
		return err
	}
	if total(sizes) != size {
		return fmt.Errorf("%w: a part of %d bytes is said to have %d", ErrContradiction, total(sizes), size)
	}
	for i, l := range links {
		if err := r.read(l, sizes[i], depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (r *dagReader) leaf(hash [sha256.Size]byte, size uint64, depth int) error {
	if size > MaxChunk || size == 0 && depth > 0 || r.count >= r.most {
		return fmt.Errorf("%w: a chunk of %d bytes, or too many chunks", ErrContradiction, size)
	}
	c := Chunk{hash, r.from, int32(size)}
	r.count++
	r.from += int64(size)
	return r.chunk(c)
}

// readNode returns an inner node's links and the bytes of the blob below each.
func readNode(data []byte) ([]cid.Cid, []uint64, error) {
	node, err := merkledag.DecodeProtobuf(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrContradiction, err)
	}
	file, err := unixfs.FSNodeFromBytes(node.Data())
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrContradiction, err)
	}
	links := node.Links()
	if file.Type() != unixfs.TFile || len(file.Data()) > 0 || file.NumChildren() != len(links) || len(links) == 0 || len(links) > maxNodeLinks {
		return nil, nil, fmt.Errorf("%w: not a node of a file", ErrContradiction)
	}
	cids, sizes := make([]cid.Cid, len(links)), make([]uint64, len(links))
	for i, l := range links {
		cids[i], sizes[i] = l.Cid, file.BlockSize(i)
	}
	return cids, sizes, nil
}

// EncodeNodes writes nodes as they lie on disk and travel: uvarint length and bytes, each.
func EncodeNodes(nodes [][]byte) []byte {
	var out []byte
	for _, n := range nodes {
		out = append(binary.AppendUvarint(out, uint64(len(n))), n...)
	}
	return out
}

// DecodeNodes reads what EncodeNodes writes, to the end.
func DecodeNodes(r io.Reader) ([][]byte, error) {
	next := nodeReader(r)
	var nodes [][]byte
	for {
		n, err := next()
		if errors.Is(err, io.EOF) {
			return nodes, nil
		}
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
}

// nodeReader reads node by node what EncodeNodes writes; io.EOF is its end, and no other error's.
func nodeReader(r io.Reader) func() ([]byte, error) {
	br, total := bufio.NewReader(r), uint64(0)
	return func() ([]byte, error) {
		n, err := binary.ReadUvarint(br)
		if err == io.EOF { // within a number it would be io.ErrUnexpectedEOF
			return nil, err
		}
		if err != nil {
			return nil, fmt.Errorf("read chunk list: %w", err)
		}
		if total += n; n < minNode || n > maxNode || total > maxDAG {
			return nil, fmt.Errorf("%w: a node of %d bytes, or too many", ErrDAG, n)
		}
		var b bytes.Buffer
		if _, err := io.CopyN(&b, br, int64(n)); err != nil {
			return nil, fmt.Errorf("read chunk list: %w", noEnd(err))
		}
		return b.Bytes(), nil
	}
}

// noEnd makes an end in the middle of something the error that it is.
func noEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
