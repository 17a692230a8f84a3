// Package disktest holds the tests that every disk.FS passes.
package disktest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"testing"

	"selvage/internal/disk"
)

// Run checks a kind of file system; open returns an empty one.
func Run(t *testing.T, open func(t *testing.T) disk.FS) {
	for name, test := range map[string]func(*testing.T, disk.FS){
		"files": testFiles, "names": testNames, "write file": testWriteFile, "links": testLinks, "confined": testConfined,
		"sparse": testSparse, "clone": testClone, "directories": testDirectories, "concurrent": testConcurrent,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testFiles(t *testing.T, f disk.FS) {
	must(t, f.MkdirAll("a/b", 0o700))
	file, err := f.OpenFile("a/b/c", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	must(t, err)
	_, err = file.WriteAt([]byte("world"), 6)
	must(t, err)
	_, err = file.Write([]byte("hello"))
	must(t, err)
	must(t, file.Sync())
	buf := make([]byte, 16)
	n, err := file.ReadAt(buf, 0)
	if n != 11 || !errors.Is(err, io.EOF) || string(buf[:n]) != "hello\x00world" {
		t.Errorf("ReadAt: %q, %v", buf[:n], err)
	}
	must(t, file.Truncate(5))
	if info, err := file.Stat(); err != nil || info.Size() != 5 {
		t.Errorf("Stat: %v, %v", info, err)
	}
	must(t, file.Close())
	if _, err := f.OpenFile("a/b/c", os.O_CREATE|os.O_EXCL, 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("O_EXCL: %v", err)
	}
	if b, err := disk.ReadFile(f, "a/b/c", 5); err != nil || string(b) != "hello" {
		t.Errorf("ReadFile: %q, %v", b, err)
	}
	if _, err := disk.ReadFile(f, "a/b/c", 4); err == nil {
		t.Error("ReadFile passed its limit")
	}
	if _, err := f.OpenFile("a/none", os.O_RDONLY, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open nothing: %v", err)
	}
}

func testNames(t *testing.T, f disk.FS) {
	must(t, f.MkdirAll("d/e", 0o700))
	must(t, f.MkdirAll("d/e", 0o700))
	must(t, disk.WriteFile(f, "d/x", []byte("x"), 0o600))
	must(t, disk.WriteFile(f, "d/y", []byte("y"), 0o600))
	must(t, f.Rename("d/x", "d/y"))
	if b, err := disk.ReadFile(f, "d/y", 9); err != nil || string(b) != "x" {
		t.Errorf("after rename: %q, %v", b, err)
	}
	list, err := f.ReadDir("d")
	must(t, err)
	if len(list) != 2 {
		t.Errorf("ReadDir: %v", list)
	}
	if err := f.Remove("d"); err == nil {
		t.Error("removed a directory that is not empty")
	}
	must(t, f.Remove("d/y"))
	if err := f.Remove("d/y"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed twice: %v", err)
	}
	must(t, f.RemoveAll("d"))
	must(t, f.RemoveAll("d"))
	if _, err := f.Stat("d"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after RemoveAll: %v", err)
	}
	if free, total, err := f.Free(); err != nil || free == 0 || free > total {
		t.Errorf("Free: %d of %d, %v", free, total, err)
	}
}

func testWriteFile(t *testing.T, f disk.FS) {
	for _, text := range []string{"one", "two and more", ""} {
		must(t, disk.WriteFile(f, "f", []byte(text), 0o600))
		if b, err := disk.ReadFile(f, "f", 100); err != nil || string(b) != text {
			t.Errorf("%q, %v", b, err)
		}
	}
	if list, err := f.ReadDir("."); err != nil || len(list) != 1 {
		t.Errorf("leftovers: %v, %v", list, err)
	}
}

func testLinks(t *testing.T, f disk.FS) {
	must(t, f.MkdirAll("v1", 0o700))
	must(t, f.Symlink("v1", "current"))
	if to, err := f.Readlink("current"); err != nil || to != "v1" {
		t.Errorf("Readlink: %q, %v", to, err)
	}
	must(t, f.Symlink("v2", "next"))
	must(t, f.Rename("next", "current"))
	if to, err := f.Readlink("current"); err != nil || to != "v2" {
		t.Errorf("after the switch: %q, %v", to, err)
	}
	must(t, f.MkdirAll("v2", 0o700))
	must(t, disk.WriteFile(f, "v2/x", []byte("two"), 0o600))
	if b, err := disk.ReadFile(f, "current/x", 9); err != nil || string(b) != "two" {
		t.Errorf("through the link: %q, %v", b, err)
	}
	if info, err := f.Stat("current"); err != nil || !info.IsDir() {
		t.Errorf("Stat of the link: %v, %v", info, err)
	}
	must(t, f.Remove("current"))
	if _, err := f.Stat("v2/x"); err != nil {
		t.Errorf("removing the link took what it leads to: %v", err)
	}
	must(t, f.Symlink("../..", "out"))
	if _, err := f.OpenFile("out/etc/passwd", os.O_RDONLY, 0); err == nil {
		t.Error("a link led out of the tree")
	}
	must(t, f.Symlink("loop", "loop"))
	if _, err := f.OpenFile("loop", os.O_RDONLY, 0); err == nil {
		t.Error("a link to itself led somewhere")
	}
}

func testSparse(t *testing.T, f disk.FS) {
	file, err := f.OpenFile("f", os.O_RDWR|os.O_CREATE, 0o600)
	must(t, err)
	defer file.Close()
	const size = 200 << 20
	must(t, file.Truncate(size))
	_, err = file.WriteAt([]byte("end"), size-3)
	must(t, err)
	buf := make([]byte, 8)
	if _, err := file.ReadAt(buf, size-8); err != nil || string(buf) != "\x00\x00\x00\x00\x00end" {
		t.Errorf("%q, %v", buf, err)
	}
	must(t, file.Truncate(size-2))
	must(t, file.Truncate(size))
	if _, err := file.ReadAt(buf, size-8); err != nil || string(buf) != "\x00\x00\x00\x00\x00e\x00\x00" {
		t.Errorf("what was cut off came back: %q, %v", buf, err)
	}
	if _, err := file.ReadAt(buf, size); !errors.Is(err, io.EOF) {
		t.Errorf("beyond the end: %v", err)
	}
}

func testDirectories(t *testing.T, f disk.FS) {
	must(t, f.MkdirAll("a/b", 0o700))
	for _, name := range []string{"a/b/2", "a/b/1", "a/b/3"} {
		must(t, disk.WriteFile(f, name, []byte(name), 0o600))
	}
	must(t, f.Rename("a", "c"))
	list, err := f.ReadDir("c/b")
	must(t, err)
	if len(list) != 3 || list[0].Name() != "1" || list[2].Name() != "3" {
		t.Errorf("ReadDir is not in order: %v", list)
	}
	if _, err := f.Stat("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old name: %v", err)
	}
	if err := f.Rename("c", "none/c"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("rename into nothing: %v", err)
	}
	if err := f.MkdirAll("c/b/1/x", 0o700); err == nil {
		t.Error("made a directory below a file")
	}
	must(t, f.SyncDir("c/b"))
	if err := f.SyncDir("none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("sync of nothing: %v", err)
	}
}

func testConcurrent(t *testing.T, f disk.FS) {
	file, err := f.OpenFile("f", os.O_RDWR|os.O_CREATE, 0o600)
	must(t, err)
	const workers, part = 4, 100 << 10
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			if _, err := file.WriteAt(bytes.Repeat([]byte{byte(w + 1)}, part), int64(w*part)); err != nil {
				t.Error(err)
			}
			if err := file.Sync(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	must(t, file.Close())
	b, err := disk.ReadFile(f, "f", workers*part)
	must(t, err)
	for w := range workers {
		if b[w*part] != byte(w+1) || b[(w+1)*part-1] != byte(w+1) {
			t.Errorf("part %d is not as written", w)
		}
	}
	if _, err := file.ReadAt(b[:1], 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("read of a closed file: %v", err)
	}
}

func testConfined(t *testing.T, f disk.FS) {
	for _, name := range []string{"../x", "/etc/passwd", "a/../../x"} {
		if _, err := f.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600); err == nil {
			t.Errorf("opened %s", name)
		}
	}
}

// testClone: bytes that files share are each file's own. Whoever cannot share says so, and does nothing.
func testClone(t *testing.T, f disk.FS) {
	old := bytes.Repeat([]byte("0123456789abcdef"), 3*disk.Block/16)
	must(t, disk.WriteFile(f, "old", old, 0o600))
	src, err := f.OpenFile("old", os.O_RDWR, 0)
	must(t, err)
	dst, err := f.OpenFile("new", os.O_RDWR|os.O_CREATE, 0o600)
	must(t, err)
	must(t, dst.Truncate(4*disk.Block))
	if err := disk.Clone(dst, src, 2*disk.Block, disk.Block, disk.Block+1); err == nil {
		t.Error("a part of a block was shared")
	}
	want := make([]byte, 4*disk.Block)
	switch err := disk.Clone(dst, src, 2*disk.Block, disk.Block, 2*disk.Block); {
	case errors.Is(err, errors.ErrUnsupported):
	case err != nil:
		t.Fatal(err)
	default:
		copy(want[2*disk.Block:], old[disk.Block:])
	}
	_, err = src.WriteAt([]byte("old"), disk.Block)
	must(t, err)
	_, err = dst.WriteAt([]byte("new"), 3*disk.Block)
	must(t, err)
	copy(old[disk.Block:], "old")
	copy(want[3*disk.Block:], "new")
	must(t, dst.Sync())
	must(t, errors.Join(src.Close(), dst.Close()))
	for name, want := range map[string][]byte{"old": old, "new": want} {
		if got, err := disk.ReadFile(f, name, 4*disk.Block); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: other bytes, %v", name, err)
		}
	}
}
