package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"

	"selvage/distribute/store"
	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
)

// alter changes one byte of a file.
func alter(t testing.TB, fs disk.FS, name string, at int64) {
	t.Helper()
	f, err := fs.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{b[0] ^ 1}, at); err != nil {
		t.Fatal(err)
	}
}

// refuse reads a file that is to be refused, and returns why; nothing of it may be left.
func refuse(t testing.TB, file []byte, judge func(Contents) ([]store.Want, error)) error {
	t.Helper()
	fs := memdisk.New(0)
	s := open(t, fs)
	in, err := Read(t.Context(), s, bytes.NewReader(file), judge)
	if err == nil {
		in.Close()
	}
	for _, dir := range []string{"store/partial", "store/dag", "store/blobs/sha256"} {
		if list, rerr := fs.ReadDir(dir); rerr != nil || len(list) > 0 {
			t.Fatalf("%d files in %s, %v", len(list), dir, rerr)
		}
	}
	return err
}

// small is a file that is quick to read.
func small(t testing.TB) (*Plan, []byte) {
	t.Helper()
	s := open(t, memdisk.New(0))
	p, err := Lay(documents(), []*store.Object{add(t, s, content(1, 300_000)), add(t, s, content(2, 3000))})
	if err != nil {
		t.Fatal(err)
	}
	return p, write(t, p)
}

// Cut anywhere, a file is refused, and the error says where it ends.
func TestTruncated(t *testing.T) {
	p, file := small(t)
	r := rand.New(rand.NewPCG(1, 2))
	cuts := []int{0, 1, 50, 59, 60, 95, 96, 97, len(file) - 1}
	for range 100 {
		cuts = append(cuts, r.IntN(len(file)))
	}
	for _, n := range cuts {
		err := refuse(t, file[:n], wanting(p))
		var e *Error
		if !errors.Is(err, ErrTruncated) || !errors.As(err, &e) || e.At != int64(n) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
}

// Whichever byte is altered, the file is refused, and the error says where; another root in the header is found out at the root.
func TestAltered(t *testing.T) {
	p, file := small(t)
	r, rootAt := rand.New(rand.NewPCG(3, 4)), int64(len(header(p.Root)))
	for range 300 {
		at := r.IntN(len(file))
		if r.IntN(2) == 0 {
			at = r.IntN(1500) // the header, the directories, the documents
		}
		bad := bytes.Clone(file)
		bad[at] ^= 1 << r.IntN(8)
		err := refuse(t, bad, wanting(p))
		var e *Error
		if !errors.As(err, &e) || e.At > max(int64(at), rootAt) && !errors.Is(err, ErrTruncated) {
			t.Errorf("byte %d: %v", at, err)
		}
	}
}

// sections cuts a file into its header and its blocks.
func sections(file []byte) (all [][]byte) {
	for len(file) > 0 {
		n, used := binary.Uvarint(file)
		all, file = append(all, file[:used+int(n)]), file[used+int(n):]
	}
	return all
}

func section(c cid.Cid, data []byte) []byte {
	var b bytes.Buffer
	_ = writeSection(&b, c, data) // a buffer takes all
	return b.Bytes()
}

// TestHostile: files that somebody made to do harm.
func TestHostile(t *testing.T) {
	p, file := small(t)
	parts := sections(file)
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	stray := section(cidOf(cid.Raw, []byte("stray")), []byte("stray"))
	loop := func() []byte { // a directory cannot hold itself, but a header can say so of another
		e := entry{"sha256", p.Root, 1}
		data, err := encodeFolder([]entry{{aboutName, p.Root, 1}, {"charters", p.Root, 1}, {"releases", p.Root, 1}, e})
		if err != nil {
			t.Fatal(err)
		}
		c := cidOf(cid.DagProtobuf, data)
		return join(header(c), section(c, data))
	}
	tiny := make([][]byte, 0, 100_000)
	for i := range 100_000 {
		b := binary.BigEndian.AppendUint32(nil, uint32(i))
		tiny = append(tiny, section(cidOf(cid.Raw, b), b))
	}
	for name, c := range map[string]struct {
		file []byte
		want error
		says string
	}{
		"empty":               {nil, ErrTruncated, "at byte 0"},
		"text":                {[]byte(strings.Repeat("hello world ", 100)), ErrForm, "at byte 0"},
		"version 2":           {join([]byte{byte(len(pragma))}, pragma, file), ErrForm, "version 2"},
		"huge header":         {binary.AppendUvarint(nil, 1<<62), ErrForm, "at byte 0"},
		"endless number":      {bytes.Repeat([]byte{0xff}, 100), ErrForm, "at byte 0"},
		"a root that is raw":  {header(cidOf(cid.Raw, nil)), ErrForm, "no directory"},
		"huge block":          {join(parts[0], binary.AppendUvarint(nil, 1<<60), p.Root.Bytes()), ErrForm, "at most"},
		"no CID":              {join(parts[0], []byte{0, 0, 0}), ErrForm, "without a CID"},
		"surplus block":       {join(file, stray), ErrForm, "more after its last block"},
		"surplus zeros":       {join(file, make([]byte, 10)), ErrForm, "more after its last block"},
		"surplus in between":  {join(join(parts[:4]...), stray, join(parts[4:]...)), ErrDamaged, "another block"},
		"a block twice":       {join(join(parts[:3]...), parts[2], join(parts[3:]...)), ErrDamaged, "another block"},
		"out of order":        {join(parts[0], parts[2], parts[1], join(parts[3:]...)), ErrDamaged, "another block"},
		"a block is missing":  {join(join(parts[:len(parts)-2]...), parts[len(parts)-1]), ErrDamaged, "another block"},
		"a million blocks":    {join(parts[0], join(tiny...)), ErrDamaged, "another block"},
		"directories circle":  {loop(), ErrForm, "another kind"},
		"only a header":       {parts[0], ErrTruncated, ""},
		"another's directory": {join(header(cidOf(cid.DagProtobuf, nil)), section(cidOf(cid.DagProtobuf, nil), nil)), nil, "at byte"},
	} {
		err := refuse(t, c.file, wanting(p))
		var e *Error
		if !errors.As(err, &e) || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What the releases say of a blob holds, not what the file does.
func TestOtherThanReleased(t *testing.T) {
	p, file := small(t)
	for name, change := range map[string]func(*store.Want){
		"larger":         func(w *store.Want) { w.Size++ },
		"smaller":        func(w *store.Want) { w.Size-- },
		"another digest": func(w *store.Want) { w.Digest[0]++ },
		"another root":   func(w *store.Want) { w.Root = cidOf(cid.DagProtobuf, nil) },
		"absurd":         func(w *store.Want) { w.Size = 1 << 40 },
	} {
		err := refuse(t, file, func(c Contents) ([]store.Want, error) {
			all, err := wanting(p)(c)
			change(&all[0])
			return all, err
		})
		if err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
	if err := refuse(t, file, func(Contents) ([]store.Want, error) { return nil, errors.New("foreign") }); err == nil || err.Error() != "foreign" {
		t.Errorf("the judge's word: %v", err)
	}
}

// A disk that is full, at whichever write, leaves nothing behind but what it has room for.
func TestDiskFull(t *testing.T) {
	p, file := small(t)
	for writes := range 40 {
		fs := memdisk.New(0)
		s := open(t, fs)
		left := writes
		fs.OnOp = func(op, _ string) error {
			if op != "write" && op != "sync" && op != "open" {
				return nil
			}
			if left--; left < 0 {
				return disk.ErrFull
			}
			return nil
		}
		err := takeIn(s, file, wanting(p))
		if err != nil && !errors.Is(err, disk.ErrFull) {
			t.Fatalf("after %d writes: %v", writes, err)
		}
		fs.OnOp = nil
		if err := takeIn(s, file, wanting(p)); err != nil {
			t.Fatalf("again after %d writes: %v", writes, err)
		}
	}
}

// The power goes at any write: what is there afterwards is whole, and importing again works.
func TestPowerCut(t *testing.T) {
	p, file := small(t)
	r := rand.New(rand.NewPCG(5, 6))
	for n := range 60 {
		fs := memdisk.New(0)
		s := open(t, fs)
		left := n
		fs.OnOp = func(string, string) error {
			if left--; left < 0 {
				return errors.New("no power")
			}
			return nil
		}
		_ = takeIn(s, file, wanting(p)) // it fails, or the cut comes after it
		fs = fs.Crash(r)
		s = open(t, fs)
		for _, o := range s.Objects() {
			if _, err := s.OpenBlob(o.Digest); err != nil {
				t.Fatalf("cut at %d: %v", n, err)
			}
		}
		if err := takeIn(s, file, wanting(p)); err != nil {
			t.Fatalf("again after a cut at %d: %v", n, err)
		}
	}
}

func takeIn(s *store.Store, file []byte, judge func(Contents) ([]store.Want, error)) error {
	in, err := Read(context.Background(), s, bytes.NewReader(file), judge)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = in.Keep()
	return err
}

// FuzzRead reads what people carry around. The judge believes everything, so that the blobs are read too.
func FuzzRead(f *testing.F) {
	s := open(f, memdisk.New(0))
	o := add(f, s, content(1, 30_000))
	p, err := Lay(documents(), []*store.Object{o, add(f, s, []byte("x"))})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(write(f, p))
	f.Add(header(p.Root))
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := Read(t.Context(), open(t, memdisk.New(0)), bytes.NewReader(data), func(c Contents) (all []store.Want, err error) {
			for _, b := range c.Blobs {
				all = append(all, store.Want{Digest: b.Digest, Size: o.Size, Root: b.Root})
			}
			return all, nil
		})
		if err != nil {
			return
		}
		defer in.Close()
		if in.Bytes != int64(len(data)) {
			t.Fatalf("read %d of %d bytes", in.Bytes, len(data))
		}
	})
}

// A file without revocations has no directory for them, and one that has an empty one is no export's.
// TestTooManyDocuments: what cannot be read is not written, and carried to where it is of no use.
func TestTooManyDocuments(t *testing.T) {
	many := func(n int) Contents {
		c := documents()
		c.Revocations = nil
		for i := range n {
			c.Revocations = append(c.Revocations, Document{fmt.Sprintf("%05d.json", i), content(byte(i), MaxDocument-i)})
		}
		return c
	}
	most := maxDocuments/MaxDocument - 1
	p, err := Lay(many(most), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := takeIn(open(t, memdisk.New(0)), write(t, p), wanting(p)); err != nil {
		t.Errorf("%d documents: %v", most, err)
	}
	if p, err = Lay(many(most+2), nil); err == nil {
		t.Errorf("laid out, and read with %v", takeIn(open(t, memdisk.New(0)), write(t, p), wanting(p)))
	}
}

func TestNoRevocations(t *testing.T) {
	c := documents()
	c.Revocations = nil
	blob := add(t, open(t, memdisk.New(0)), content(1, 3000))
	p, err := Lay(c, []*store.Object{blob})
	if err != nil {
		t.Fatal(err)
	}
	in, err := Read(t.Context(), open(t, memdisk.New(0)), bytes.NewReader(write(t, p)), wanting(p))
	if err != nil || len(in.Contents.Revocations) != 0 {
		t.Fatalf("%v", err)
	}
	in.Close()
	root, err := decodeFolder(p.small[0].data)
	if err != nil {
		t.Fatal(err)
	}
	none, noneBlock, err := newFolder(revocationsName, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, rootBlock, err := newFolder("", slices.Insert(root, 3, none))
	if err != nil {
		t.Fatal(err)
	}
	last := len(p.small) - 1 // the directory of blobs
	p.small = slices.Insert(p.small, last, noneBlock)
	p.small[0], p.Root = rootBlock, rootBlock.cid
	if err := refuse(t, write(t, p), wanting(p)); !errors.Is(err, ErrForm) || !strings.Contains(err.Error(), "no revocations") {
		t.Errorf("an empty directory: %v", err)
	}
}
