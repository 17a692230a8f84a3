package store

import (
	"errors"
	"testing"

	"github.com/ipfs/go-cid"

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
