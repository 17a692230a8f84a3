package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

// Digest is a blob's SHA-256.
type Digest [sha256.Size]byte

// String returns the digest in hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// ParseDigest reads what String returns.
func ParseDigest(s string) (Digest, error) {
	raw, err := hex.DecodeString(s)
	if err != nil || len(raw) != sha256.Size {
		return Digest{}, fmt.Errorf("%q is not a SHA-256 in hex", s)
	}
	return Digest(raw), nil
}

// Want names a blob that is to be had.
type Want struct {
	Digest Digest
	Size   int64   // bytes
	Root   cid.Cid // of its DAG
}

// Chunk is one piece of a blob.
type Chunk struct {
	Hash   [sha256.Size]byte // of its CID
	Offset int64             // bytes, in the blob
	Size   int32             // bytes; at most MaxChunk
}

// CID returns the chunk's name: CIDv1, raw, SHA-256.
func (c Chunk) CID() cid.Cid { return cidOf(cid.Raw, c.Hash) }

func cidOf(codec uint64, hash [sha256.Size]byte) cid.Cid {
	mh, err := multihash.Encode(hash[:], multihash.SHA2_256)
	if err != nil { // the length is right
		panic(err)
	}
	return cid.NewCidV1(codec, mh)
}

// hashOf returns the SHA-256 in a CID, if it is of one of the two kinds that the DAG has.
func hashOf(c cid.Cid) (hash [sha256.Size]byte, codec uint64, err error) {
	p := c.Prefix()
	if p.Version != 1 || p.MhType != multihash.SHA2_256 || p.MhLength != sha256.Size || p.Codec != cid.Raw && p.Codec != cid.DagProtobuf {
		return hash, 0, fmt.Errorf("%w: a CID of another kind: %s", ErrDAG, c)
	}
	mh, err := multihash.Decode(c.Hash())
	if err != nil {
		return hash, 0, fmt.Errorf("%w: %w", ErrDAG, err)
	}
	return [sha256.Size]byte(mh.Digest), p.Codec, nil
}
