// Package room decides which blobs a disk that fills up gives up. It is pure: what is known of blobs and disk comes in,
// and what is to be removed comes out.
//
// # Rule
//
// Above the high mark, or when there is too little room for what is wanted, blobs that nothing keeps are given up, those first that were
// wanted longest ago, until the low mark is reached and there is room. So a disk is not tidied for each blob anew. What is kept is
// never given up, however full the disk.
package room

import (
	"bytes"
	"cmp"
	"slices"
	"time"
)

// Blob is what is known of a blob.
type Blob struct {
	Digest [32]byte
	Bytes  int64     // that its removal makes free
	Kept   bool      // something needs it here
	Wanted time.Time // last, by whomever
}

// Disk is how full the disk is.
type Disk struct {
	Free, Total uint64 // bytes
	Need        uint64 // bytes that are to be free in any case, as for a blob that is about to come
}

// Marks are shares of the disk that may be in use.
type Marks struct {
	High, Low float64 // 0 < Low <= High <= 1
}

// Usual are the marks of a node.
var Usual = Marks{High: 0.90, Low: 0.70}

// Short returns how many bytes have to be made free; 0 if none.
func (d Disk) Short(m Marks) uint64 {
	var short uint64
	if d.Total > 0 && float64(d.Total-min(d.Free, d.Total)) > m.High*float64(d.Total) {
		want := uint64((1 - m.Low) * float64(d.Total))
		short = max(want, d.Free) - d.Free
	}
	if d.Need > d.Free {
		short = max(short, d.Need-d.Free)
	}
	return short
}

// GiveUp returns the blobs to remove, in order, and how many bytes are short even then.
func GiveUp(blobs []Blob, d Disk, m Marks) (gone []Blob, short uint64) {
	short = d.Short(m)
	if short == 0 {
		return nil, 0
	}
	all := slices.DeleteFunc(slices.Clone(blobs), func(b Blob) bool { return b.Kept || b.Bytes <= 0 })
	slices.SortFunc(all, func(a, b Blob) int {
		return cmp.Or(a.Wanted.Compare(b.Wanted), bytes.Compare(a.Digest[:], b.Digest[:]))
	})
	for _, b := range all {
		if short == 0 {
			break
		}
		gone = append(gone, b)
		short -= min(short, uint64(b.Bytes))
	}
	return gone, short
}
