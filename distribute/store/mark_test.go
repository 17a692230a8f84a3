package store

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/ipfs/go-cid"

	"selvage/internal/disk/memdisk"
)

// readAll reads all chunks of a blob, as they are served.
func readAll(t *testing.T, o *Object) ([]byte, error) {
	t.Helper()
	buf := make([]byte, o.Size)
	n, err := o.ReadChunks(0, len(o.Chunks()), buf)
	return buf[:n], err
}

// However a blob came, each of its chunks has its mark once it was checked, and a byte that turns after that is found: also
// in a part of a blob, and where the mark was not known yet.
func TestRotIsFoundByMarks(t *testing.T) {
	data := content(35, 1<<20)
	for name, c := range map[string]struct {
		bring  func(t *testing.T, fs *memdisk.FS) *Object
		marked bool
	}{
		"added": {func(t *testing.T, fs *memdisk.FS) *Object { return add(t, open(t, fs), data) }, true},
		"fetched": {func(t *testing.T, fs *memdisk.FS) *Object {
			return fetch(t, open(t, fs), add(t, open(t, memdisk.New(0)), data), 1)
		}, true},
		"there at the start": {func(t *testing.T, fs *memdisk.FS) *Object {
			d := add(t, open(t, fs), data).Digest
			o, _ := open(t, fs).Object(d)
			return o
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, before := range []bool{false, true} { // it is read before the byte turns, or not
				fs := memdisk.New(0)
				o := c.bring(t, fs)
				if before {
					if got, err := readAll(t, o); err != nil || !bytes.Equal(got, data) {
						t.Fatalf("read: %v", err)
					}
				}
				for i := range o.marks {
					if want := c.marked || before; (o.marks[i].Load() != 0) != want {
						t.Fatalf("chunk %d has mark %x", i, o.marks[i].Load())
					}
				}
				rot(t, fs, o.store.blobName(o.Digest), 400_000)
				if _, err := readAll(t, o); !errors.Is(err, ErrDamaged) {
					t.Errorf("rot is handed out: %v", err)
				}
			}
		})
	}
}

// A mark that is wrong by itself harms nothing: the name decides.
func TestWrongMark(t *testing.T) {
	o := add(t, open(t, memdisk.New(0)), content(36, 300_000))
	o.marks[0].Add(1)
	if _, err := readAll(t, o); err != nil || !o.Complete() {
		t.Errorf("%v", err)
	}
}

// A blob that is being fetched by another chunk list than its own is not added under that list.
func TestAddWhileAnotherListIsWanted(t *testing.T) {
	data := content(37, 300_000)
	s := open(t, memdisk.New(0))
	right := add(t, open(t, memdisk.New(0)), data)
	wrong := right.Want
	wrong.Root = cidOf(cid.DagProtobuf, [32]byte{1})
	if _, err := s.Begin(wrong); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Add(context.Background(), bytes.NewReader(data)); !errors.Is(err, errOther) {
		t.Errorf("%v", err)
	}
	if o, ok := s.Object(right.Digest); !ok || o.Complete() {
		t.Error("it became whole under a list that is another's")
	}
}
