package gossip

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func FuzzFrame(f *testing.F) {
	c, err := newCodec()
	if err != nil {
		f.Fatal(err)
	}
	for _, fr := range []frame{
		{Kind: kindRoot, Root: make([]byte, 32), Local: true},
		{Kind: kindFrontier, Marks: encodeMarks([]markEntry{{Mark: Mark{Seq: 7}}}), Last: true},
		recordsFrame([]Record{{"feed", 3, []byte("data")}}),
		{Kind: kindDone, Stored: 3, More: true},
	} {
		b, err := c.encode(fr)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, err := c.decode(b)
		if err != nil {
			return
		}
		for _, r := range fr.records() {
			if len(r.Feed) == 0 || len(r.Feed) > MaxFeed || len(r.Data) > MaxData {
				t.Fatalf("a record out of bounds: %d, %d", len(r.Feed), len(r.Data))
			}
		}
		again, err := c.encode(fr)
		if err != nil {
			return // longer than what was read, as that was not deterministic
		}
		back, err := c.decode(again)
		if diff := cmp.Diff(fr, back, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(wireRecord{})); err != nil || diff != "" {
			t.Fatalf("%v: %s", err, diff)
		}
	})
}

func FuzzMarks(f *testing.F) {
	f.Add(encodeMarks([]markEntry{{feedHash{1}, Mark{300, [8]byte{2}}}, {feedHash{3}, Mark{1, [8]byte{}}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		es, err := decodeMarks(b)
		if err != nil {
			return
		}
		back, err := decodeMarks(encodeMarks(es))
		if diff := cmp.Diff(es, back); err != nil || diff != "" {
			t.Fatalf("%v: %s", err, diff)
		}
	})
}

func FuzzWants(f *testing.F) {
	f.Add(encodeWants([]want{{feedHash{1}, 300}, {feedHash{3}, 0}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		ws, err := decodeWants(b)
		if err != nil {
			return
		}
		back, err := decodeWants(encodeWants(ws))
		if diff := cmp.Diff(ws, back); err != nil || diff != "" {
			t.Fatalf("%v: %s", err, diff)
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 7})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readFrame(bytes.NewReader(b))
		if err == nil && (len(got) > maxFrame || !bytes.Equal(got, b[4:4+len(got)])) {
			t.Fatalf("%d bytes, not those that were sent", len(got))
		}
	})
}

func encodeMarks(es []markEntry) (b []byte) {
	for _, e := range es {
		b = e.appendTo(b)
	}
	return b
}
