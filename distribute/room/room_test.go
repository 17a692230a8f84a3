package room

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestShort(t *testing.T) {
	for _, c := range []struct {
		d    Disk
		want uint64
	}{
		{Disk{}, 0},
		{Disk{Free: 11, Total: 100}, 0},
		{Disk{Free: 10, Total: 100}, 0}, // at the mark
		{Disk{Free: 9, Total: 100}, 21},
		{Disk{Free: 0, Total: 100}, 30},
		{Disk{Free: 50, Total: 100, Need: 60}, 10},
		{Disk{Free: 9, Total: 100, Need: 20}, 21},
		{Disk{Free: 9, Total: 100, Need: 60}, 51},
		{Disk{Free: 1 << 63, Total: 1 << 63}, 0}, // a disk that does not say
		{Disk{Free: 200, Total: 100}, 0},
	} {
		if got := c.d.Short(Usual); got < c.want || got > c.want+1 { // a share of a whole is rounded
			t.Errorf("%+v: short of %d, want %d", c.d, got, c.want)
		}
	}
}

// Random stores against the rule: nothing that is kept goes, nothing goes without need, what goes was wanted before what stays, no
// more goes than has to, and what is short is said.
func TestGiveUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "blobs")
		blobs := make([]Blob, n)
		var used, spare uint64
		for i := range blobs {
			blobs[i] = Blob{Digest: [32]byte{byte(i)}, Bytes: rapid.Int64Range(0, 100).Draw(t, "bytes"), Kept: rapid.Bool().Draw(t, "kept"),
				Wanted: time.Unix(rapid.Int64Range(0, 5).Draw(t, "wanted"), 0)}
			used += uint64(blobs[i].Bytes)
			if !blobs[i].Kept {
				spare += uint64(blobs[i].Bytes)
			}
		}
		d := Disk{Free: rapid.Uint64Range(0, 500).Draw(t, "free"), Need: rapid.Uint64Range(0, 300).Draw(t, "need")}
		d.Total = d.Free + used + rapid.Uint64Range(0, 500).Draw(t, "others")
		before := slices.Clone(blobs)
		gone, short := GiveUp(blobs, d, Usual)
		if !slices.Equal(blobs, before) {
			t.Fatal("it changed what it was given")
		}
		need := d.Short(Usual)
		var freed uint64
		for i, b := range gone {
			if b.Kept || freed >= need {
				t.Fatalf("%d went without need, or is kept", b.Digest[0])
			}
			freed += uint64(b.Bytes)
			if i > 0 && gone[i-1].Wanted.After(b.Wanted) {
				t.Fatal("out of order")
			}
		}
		if need-min(need, freed) != short || short > 0 && freed != spare {
			t.Fatalf("needed %d, freed %d of %d, short of %d", need, freed, spare, short)
		}
		for _, b := range blobs {
			stays := !slices.Contains(gone, b)
			if stays && !b.Kept && b.Bytes > 0 && slices.ContainsFunc(gone, func(g Blob) bool { return g.Wanted.After(b.Wanted) }) {
				t.Fatalf("%d stays, and was wanted before what went", b.Digest[0])
			}
		}
		again, _ := GiveUp(slices.DeleteFunc(slices.Clone(blobs), func(b Blob) bool { return slices.Contains(gone, b) }),
			Disk{Free: d.Free + freed, Total: d.Total, Need: d.Need}, Usual)
		if short == 0 && len(again) > 0 {
			t.Fatalf("%d more would go at the next look", len(again))
		}
	})
}
