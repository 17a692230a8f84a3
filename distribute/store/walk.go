package store

import (
	"crypto/sha256"
	"fmt"

	"github.com/ipfs/go-cid"
)

// Block is one block of a blob's DAG.
type Block struct {
	CID   cid.Cid
	Size  int    // bytes
	Node  []byte // of an inner node, nil of a chunk
	Chunk int    // the chunk's number, if it is one
}

// Walk calls f for every block of the blob's DAG, depth first, each node before its children; for one that
// stands at several places each time. ErrMissing is in the error's chain if the chunk list is not here.
func (o *Object) Walk(f func(Block) error) error {
	nodes, err := o.nodes()
	if err != nil {
		return fmt.Errorf("walk blob %s: %w", o.Digest, err)
	}
	node := func(hash [sha256.Size]byte) ([]byte, error) {
		if len(nodes) == 0 || sha256.Sum256(nodes[0]) != hash {
			return nil, fmt.Errorf("walk blob %s: its chunk list: %w", o.Digest, ErrDamaged)
		}
		data := nodes[0]
		nodes = nodes[1:]
		return data, f(Block{CID: cidOf(cid.DagProtobuf, hash), Size: len(data), Node: data})
	}
	i := 0
	return followDAG(o.Want, node, func(c Chunk) error {
		i++
		return f(Block{CID: c.CID(), Size: int(c.Size), Chunk: i - 1})
	})
}
