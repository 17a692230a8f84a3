package store

import (
	"bytes"
	"testing"

	"selvage/internal/disk/memdisk"
)

func FuzzBitmap(f *testing.F) {
	b := NewBitmap(70)
	b.Set(3)
	b.Set(69)
	f.Add(b.Marshal())
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := UnmarshalBitmap(data)
		if err != nil {
			return
		}
		n := 0
		for i := range b.Len() {
			if b.Has(i) {
				n++
			}
		}
		if n != b.Count() {
			t.Fatalf("counts %d of %d", b.Count(), n)
		}
		if again, err := UnmarshalBitmap(b.Marshal()); err != nil || again.Count() != n || again.Len() != b.Len() {
			t.Fatalf("does not read back: %v", err)
		}
	})
}

func FuzzHave(f *testing.F) {
	f.Add(formatHave(NewBitmap(9)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if b, err := parseHave(data); err == nil && !bytes.Equal(formatHave(b)[:4], data[:4]) {
			t.Fatal("does not write back") // the number of bits has more than one form; the checksum tells
		}
	})
}

func FuzzNodes(f *testing.F) {
	from := add(f, open(f, memdisk.New(0)), content(1, 3<<20))
	enc, err := from.Nodes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(enc)
	f.Fuzz(func(t *testing.T, data []byte) {
		nodes, err := DecodeNodes(bytes.NewReader(data))
		if err != nil {
			return
		}
		if chunks, err := readDAG(from.Want, nodes); err == nil && len(chunks) != len(from.Chunks()) {
			t.Fatal("another list for one root")
		}
		for _, n := range nodes {
			_, _, _ = readNode(n) // any error will do
		}
	})
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"manifests":[{"mediaType":"application/vnd.selvage.blob.v1","digest":"sha256:00"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) { _ = parseIndex(data) })
}

func FuzzWant(f *testing.F) {
	f.Add([]byte(`{"digest":"00","size":1,"root":"x"}`))
	f.Fuzz(func(t *testing.T, data []byte) { _, _, _ = parseWant(data) })
}

// FuzzNode reads single inner nodes, which come from peers before they are known to be right.
func FuzzNode(f *testing.F) {
	from := add(f, open(f, memdisk.New(0)), content(1, 3<<20))
	for _, n := range nodesOf(f, from) {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if cids, sizes, err := readNode(data); err == nil && (len(cids) != len(sizes) || len(cids) == 0 || len(cids) > maxNodeLinks) {
			t.Fatalf("%d links, %d sizes", len(cids), len(sizes))
		}
	})
}
