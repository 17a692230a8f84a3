package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"

	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
)

// unreadable is a disk on which files cannot be read whose names have this in them, if it is not empty.
type unreadable struct {
	disk.FS
	match string
	any   bool // nor written
}

func (u *unreadable) OpenFile(name string, flag int, perm fs.FileMode) (disk.File, error) {
	if u.match != "" && (u.any || flag == os.O_RDONLY) && strings.Contains(name, u.match) {
		return nil, errors.New("bad sector")
	}
	return u.FS.OpenFile(name, flag, perm)
}

// Wherever a byte of index.json or of a chunk list turns, or it ends too early, the store opens and has all of its blobs, by
// the names that a release gives them; and so it has the next time, without reading them all.
func TestOpenHeals(t *testing.T) {
	small, large := content(31, 100_000), content(32, 20_000)
	sound := memdisk.New(0)
	s := open(t, sound)
	wants := []Want{add(t, s, small).Want, add(t, s, large).Want}
	for _, name := range []string{"store/index.json", s.dagName(wants[0].Digest)} {
		info, err := sound.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		for at := int64(0); at < info.Size(); at += 3 {
			for how, harm := range map[string]func(fs disk.FS){
				"turned": func(fs disk.FS) { rot(t, fs, name, at) },
				"ends":   func(fs disk.FS) { truncate(t, fs, name, at) },
			} {
				if how == "ends" && at%7 != 0 {
					continue
				}
				fs := copied(t, sound)
				harm(fs)
				healed, err := Open(fs, "store")
				if err != nil {
					t.Fatalf("%s %s at %d: %v", name, how, at, err)
				}
				checkHealed(t, healed, wants, [][]byte{small, large})
				blobs := &unreadable{FS: fs, match: blobsDir + "/"}
				again := open(t, blobs)
				blobs.match = ""
				checkHealed(t, again, wants, [][]byte{small, large})
			}
		}
	}
}

// checkHealed looks whether a store has these blobs, whole, and nothing else.
func checkHealed(t *testing.T, s *Store, wants []Want, data [][]byte) {
	t.Helper()
	if n := len(s.Objects()); n != len(wants) {
		t.Fatalf("%d blobs are there, of %d", n, len(wants))
	}
	for i, w := range wants {
		o, err := s.Begin(w)
		if err != nil || !o.Complete() {
			t.Fatalf("blob %d: %v", i, err)
		}
		if nodes := nodesOf(t, o); !bytes.Equal(read(t, s, w.Digest), data[i]) || len(nodes) == 0 && w.Root.Type() != cid.Raw {
			t.Fatalf("blob %d: other bytes came out", i)
		}
	}
}

// What lies among the blobs and is another's bytes goes; what cannot be read may be right, and stays.
func TestStrays(t *testing.T) {
	for name, c := range map[string]struct {
		rot, unread bool
		whole       bool // after that
		later       bool // when the disk can be read again
	}{
		"sound":          {whole: true, later: true},
		"another's":      {rot: true},
		"cannot be read": {unread: true, later: true},
	} {
		fs := &unreadable{FS: memdisk.New(0)}
		s := open(t, fs)
		d := add(t, s, content(33, 300_000)).Digest
		if err := fs.Remove("store/index.json"); err != nil {
			t.Fatal(err)
		}
		if c.rot {
			rot(t, fs, s.blobName(d), 1000)
		}
		if c.unread {
			fs.match = s.blobName(d)
		}
		if o, ok := open(t, fs).Object(d); (ok && o.Complete()) != c.whole {
			t.Errorf("%s: it is there: %v", name, ok)
		}
		fs.match = ""
		if o, ok := open(t, fs).Object(d); (ok && o.Complete()) != c.later {
			t.Errorf("%s, later: it is there: %v", name, ok)
		}
		if list, err := fs.ReadDir("store/" + blobsDir); err != nil || len(list) > 0 != c.later {
			t.Errorf("%s: %d files, %v", name, len(list), err)
		}
	}
}

// A blob that was cut by another program keeps the chunk list that its release names, if the list of blobs is lost.
func TestStrayOfAnotherCut(t *testing.T) {
	data := content(34, 100_000)
	fs := memdisk.New(0)
	s := open(t, fs)
	o := add(t, s, data)
	var cut []Chunk
	for part := range slices.Chunk(data, 10_000) {
		cut = append(cut, Chunk{sha256.Sum256(part), int64(len(cut) * 10_000), int32(len(part))})
	}
	root, nodes, err := buildDAG(cut)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.saveNodes(o.Digest, nodes); err != nil {
		t.Fatal(err)
	}
	if err := fs.Remove("store/index.json"); err != nil {
		t.Fatal(err)
	}
	w := Want{o.Digest, o.Size, root}
	checkHealed(t, open(t, fs), []Want{w}, [][]byte{data})
	checkHealed(t, open(t, fs), []Want{w}, [][]byte{data})
}

// A full disk does not keep a store from opening that has something to heal.
func TestHealOnFullDisk(t *testing.T) {
	data := content(35, 300_000)
	fs := memdisk.New(0)
	s := open(t, fs)
	o := add(t, s, data)
	for _, name := range []string{"store/index.json", s.dagName(o.Digest)} {
		rot(t, fs, name, 0)
	}
	fs.OnOp = func(op, _ string) error {
		if op == "write" {
			return disk.ErrFull
		}
		return nil
	}
	if o, ok := open(t, fs).Object(o.Digest); !ok || !o.Complete() {
		t.Error("it is not there")
	}
	fs.OnOp = nil
	checkHealed(t, open(t, fs), []Want{o.Want}, [][]byte{data})
}

// Whatever of what is known of a part goes bad, the chunks of it that are here are known again, with the chunk list at the latest.
func TestPartHeals(t *testing.T) {
	data := content(36, 2<<20)
	from := add(t, open(t, memdisk.New(0)), data)
	for name, c := range map[string]struct {
		harm func(fs *memdisk.FS, s *Store)
		list bool // it has to come anew
	}{
		"nothing":            {func(*memdisk.FS, *Store) {}, false},
		"the chunks here":    {func(fs *memdisk.FS, s *Store) { rot(t, fs, s.partName(from.Digest, ".have"), 6) }, false},
		"length of the list": {func(fs *memdisk.FS, s *Store) { rot(t, fs, s.dagName(from.Digest), 0) }, true},
		"the list":           {func(fs *memdisk.FS, s *Store) { rot(t, fs, s.dagName(from.Digest), 100) }, true},
		"both": {func(fs *memdisk.FS, s *Store) {
			rot(t, fs, s.dagName(from.Digest), 100)
			truncate(t, fs, s.partName(from.Digest, ".have"), 3)
		}, true},
	} {
		fs := memdisk.New(0)
		s := open(t, fs)
		want := begun(t, s, from, data, 5).Info().Have
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		c.harm(fs, s)
		s = open(t, fs)
		o, ok := s.Object(from.Digest)
		if !ok || (o.Chunks() == nil) != c.list {
			t.Errorf("%s: %v", name, ok)
			continue
		}
		if c.list {
			if err := o.SetNodes(nodesOf(t, from)); err != nil {
				t.Fatal(err)
			}
		}
		if got := o.Info().Have; got != want {
			t.Errorf("%s: of %d bytes %d are here", name, want, got)
		}
		mend(t, o, data)
	}
}

// What is known of a part and cannot be read now is as good as not here, and stays.
func TestPartIsUnread(t *testing.T) {
	data := content(37, 1<<20)
	from := add(t, open(t, memdisk.New(0)), data)
	fs := &unreadable{FS: memdisk.New(0)}
	s := open(t, fs)
	want := begun(t, s, from, data, 5).Info().Have
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	fs.match = ".want"
	s = open(t, fs)
	if _, ok := s.Object(from.Digest); ok {
		t.Error("it is here")
	}
	fs.match = ""
	o, err := s.Begin(from.Want)
	if err == nil {
		err = o.SetNodes(nodesOf(t, from))
	}
	if err != nil || o.Info().Have != want {
		t.Errorf("of %d bytes %d are here, %v", want, o.Info().Have, err)
	}
}

// A blob whose chunk list nobody would read is not taken in.
func TestListTooLong(t *testing.T) {
	nodes := slices.Repeat([][]byte{make([]byte, maxNode)}, maxDAG/maxNode)
	if err := checkList(1<<40, nodes[1:]); err != nil {
		t.Error(err)
	}
	if err := checkList(1<<40, nodes); !errors.Is(err, ErrDAG) {
		t.Errorf("%v", err)
	}
}

// A folder where a file of the store should be does not keep it from opening, nor a blob from coming again.
func TestFolderInPlaceOfFile(t *testing.T) {
	here, comes := content(36, 100_000), content(37, 100_000)
	from := add(t, open(t, memdisk.New(0)), comes)
	sound := memdisk.New(0)
	s := open(t, sound)
	want := add(t, s, here).Want
	if err := begun(t, s, from, comes, 1).Flush(); err != nil {
		t.Fatal(err)
	}
	names := []string{"store/index.json", "store/index.json.tmp", s.blobName(want.Digest)}
	for _, d := range []Digest{want.Digest, from.Digest} {
		names = append(names, s.dagName(d), s.partName(d, ""), s.partName(d, ".want"), s.partName(d, ".have"), s.partName(d, ".at"), s.partName(d, ".raw"))
	}
	for _, name := range names {
		fs := copied(t, sound)
		if err := errors.Join(fs.RemoveAll(name), fs.MkdirAll(name+"/folder", 0o700)); err != nil {
			t.Fatal(err)
		}
		s, err := Open(fs, "store")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if o, ok := s.Object(want.Digest); (ok && o.Complete()) != (name != s.blobName(want.Digest)) {
			t.Errorf("%s: the blob is here: %v", name, ok)
		}
		add(t, s, here)
		if err := writePrefix(begun(t, s, from, comes, 0), comes, 3); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		checkHealed(t, open(t, fs), []Want{want, from.Want}, [][]byte{here, comes})
	}
}
