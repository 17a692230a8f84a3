package distribute

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"reflect"
	"slices"
	"testing"

	"selvage/distribute/planner"
	"selvage/distribute/store"
)

func reader(b []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(b)) }

func messages() []message {
	some := store.NewBitmap(100)
	some.Set(0)
	some.Set(99)
	return []message{
		{kind: msgWant, digest: Digest{1}},
		{kind: msgUnwant, digest: Digest{2}},
		{kind: msgWhole, digest: Digest{3}},
		{kind: msgBitmap, digest: Digest{4}, bitmap: some},
		{kind: msgBitmap, digest: Digest{4}, bitmap: store.NewBitmap(0)},
		{kind: msgGot, digest: Digest{5}, runs: []planner.Run{{First: 0, Count: 3}, {First: 3, Count: 1}, {First: 1000, Count: 1 << 20}}},
		{kind: msgTaking, digest: Digest{5}, runs: []planner.Run{{First: 7, Count: 2}}},
		{kind: msgTaking, digest: Digest{5}},
		{kind: msgLater, digest: Digest{7}},
		{kind: msgUrgent, digest: Digest{8}},
		{kind: msgWaits, digest: Digest{9}},
		{kind: msgShare, digest: Digest{6}, share: planner.Share{Place: 2, Of: 3}},
		{kind: msgDeals, digest: Digest{6}, askers: []asker{{0, 5}, {7, -1}, {math.MaxUint64, math.MaxInt64}}},
		{kind: msgDeals, digest: Digest{6}},
	}
}

// A share that there cannot be breaks the protocol.
func TestWrongShare(t *testing.T) {
	for _, s := range []planner.Share{{Place: 0, Of: 0}, {Place: 3, Of: 3}, {Place: 1, Of: planner.MaxShares + 1}, {Place: math.MaxInt - 1, Of: math.MaxInt}} {
		m := message{kind: msgShare, share: s}
		if _, err := readMessage(reader(m.append(nil))); !errors.Is(err, errProtocol) {
			t.Errorf("%+v: got %v", s, err)
		}
	}
	long := message{kind: msgShare}.append(nil)
	long = binary.AppendUvarint(binary.AppendUvarint(long[:len(long)-2], 1<<40), 1<<41) // more than an int of 32 bits, of which nothing is left
	if _, err := readMessage(reader(long)); !errors.Is(err, errProtocol) {
		t.Errorf("a share of 2^41: got %v", err)
	}
}

// So do more sites than a blob is dealt out among; of each that is there the first counts, in whatever order they come.
func TestWrongAskers(t *testing.T) {
	m := message{kind: msgDeals, askers: make([]asker, planner.MaxShares+1)}
	if _, err := readMessage(reader(m.append(nil))); !errors.Is(err, errProtocol) {
		t.Errorf("got %v", err)
	}
	m.askers = []asker{{9, 1}, {2, 4}, {9, 0}, {0, 3}}
	if got, err := readMessage(reader(m.append(nil))); err != nil || !slices.Equal(got.askers, []asker{{0, 3}, {2, 4}, {9, 0}}) {
		t.Errorf("got %v, %v", got.askers, err)
	}
}

func TestMessages(t *testing.T) {
	var b []byte
	for _, m := range messages() {
		b = m.append(b)
	}
	r := reader(b)
	for i, want := range messages() {
		got, err := readMessage(r)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("message %d: %+v, %v", i, got, err)
		}
	}
	if _, err := readMessage(r); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	for n := range b {
		for r := reader(b[:n]); ; {
			if _, err := readMessage(r); errors.Is(err, errProtocol) {
				t.Fatalf("cut at %d: %v", n, err)
			} else if err != nil {
				break
			}
		}
	}
}

// What is read writes back to the same; what cannot be read is an error, and not much is kept for it.
func FuzzMessage(f *testing.F) {
	for _, m := range messages() {
		f.Add(m.append(nil))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := readMessage(reader(data))
		if err != nil {
			return
		}
		again, err := readMessage(reader(m.append(nil)))
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("%+v reads back as %+v, %v", m, again, err)
		}
		ascend(t, m.runs)
		if len(m.runs) > maxGotRuns || m.bitmap != nil && m.bitmap.Len() > store.MaxBits {
			t.Fatal("beyond the bounds")
		}
	})
}

func FuzzRequest(f *testing.F) {
	f.Add(appendRuns(nil, []planner.Run{{First: 4, Count: 2}, {First: 9, Count: 1}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		runs, err := readRuns(reader(data), maxRuns)
		if err != nil {
			return
		}
		if ascend(t, runs); len(runs) > maxRuns {
			t.Fatal("beyond the bounds")
		}
		if again, err := readRuns(reader(appendRuns(nil, runs)), maxRuns); err != nil || !reflect.DeepEqual(runs, again) {
			t.Fatalf("%v reads back as %v, %v", runs, again, err)
		}
	})
}

func ascend(t *testing.T, runs []planner.Run) {
	next := 0
	for _, r := range runs {
		if r.First < next || r.Count < 1 || r.First+r.Count > store.MaxBits {
			t.Fatalf("runs %v", runs)
		}
		next = r.First + r.Count
	}
}
