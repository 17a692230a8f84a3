package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	"github.com/ipfs/go-cid"
	format "github.com/ipfs/go-ipld-format"

	"selvage/internal/disk/memdisk"
)

// A blob that was here when it came, and was given up before it was kept, is not said to be kept.
func TestGivenUpWhileTakenIn(t *testing.T) {
	s := open(t, memdisk.New(0))
	data := content(50, 300_000)
	o := add(t, s, data)
	blocks := map[cid.Cid][]byte{}
	if err := o.Walk(func(b Block) error {
		c := o.Chunks()[b.Chunk]
		if blocks[b.CID] = b.Node; b.Node == nil {
			blocks[b.CID] = data[c.Offset:][:c.Size]
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []bool{false, true} {
		in := s.Intake()
		if err := in.Take(t.Context(), o.Want, func(c cid.Cid, _ int) ([]byte, error) { return blocks[c], nil }); err != nil {
			t.Fatal(err)
		}
		if gone {
			if err := s.Remove(o.Digest); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := in.Keep(); errors.Is(err, ErrMissing) != gone || err != nil && !gone {
			t.Errorf("given up: %v; kept: %v", gone, err)
		}
		in.Close()
	}
}

// A node that is in a DAG many times counts each time: its list would be that long on disk.
func TestIntakeCountsNodesThatComeAgain(t *testing.T) {
	s := open(t, memdisk.New(0))
	data := content(51, 4096)
	leaf := Chunk{Hash: sha256.Sum256(data), Size: int32(len(data))}
	blocks := map[cid.Cid][]byte{leaf.CID(): data}
	node := func(name string, below cid.Cid, size uint64, times int) cid.Cid {
		file, n := unixfs.NewFSNode(unixfs.TFile), new(merkledag.ProtoNode)
		if err := n.SetCidBuilder(merkledag.V1CidPrefix()); err != nil {
			t.Fatal(err)
		}
		for range times {
			file.AddBlockSize(size)
			if err := n.AddRawLink(name, &format.Link{Cid: below, Size: size}); err != nil {
				t.Fatal(err)
			}
		}
		unixed, err := file.GetBytes()
		if err != nil {
			t.Fatal(err)
		}
		n.SetData(unixed)
		encoded, err := n.EncodeProtobuf(false)
		if err != nil {
			t.Fatal(err)
		}
		c := cidOf(cid.DagProtobuf, sha256.Sum256(encoded))
		blocks[c] = encoded
		return c
	}
	const times = 500
	for name, bad := range map[string]bool{"": false, strings.Repeat("x", 200<<10): true} {
		root := node("", node(name, leaf.CID(), 4096, 1), 4096, times)
		w := Want{Digest: sha256.Sum256(bytes.Repeat(data, times)), Root: root, Size: 4096 * times}
		in := s.Intake()
		err := in.Take(t.Context(), w, func(c cid.Cid, most int) ([]byte, error) { return blocks[c], nil })
		if errors.Is(err, ErrDAG) != bad || err != nil && !bad {
			t.Errorf("a link's name of %d bytes: %v", len(name), err)
		}
		in.Close()
	}
}
