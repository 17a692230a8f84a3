package bundle

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"selvage/internal/disk"
	"selvage/node/runtime"
	"selvage/node/runtime/runtimetest"
)

// entry is one entry of an archive to be made.
type entry struct {
	name string
	kind byte // tar's letter
	text string
	mode int64
}

func file(name, text string) entry      { return entry{name, tar.TypeReg, text, 0o644} }
func symlinkTo(name, to string) entry   { return entry{name, tar.TypeSymlink, to, 0o777} }
func special(name string, k byte) entry { return entry{name, k, "", 0o644} }

func tarOf(entries ...entry) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Mode: e.mode}
		if e.kind == tar.TypeReg {
			h.Size = int64(len(e.text))
		} else {
			h.Linkname = e.text
		}
		must(w.WriteHeader(h))
		if e.kind == tar.TypeReg {
			_, err := io.WriteString(w, e.text)
			must(err)
		}
	}
	must(w.Close())
	return out.Bytes()
}

func zipOf(entries ...entry) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		h.SetMode(fs.FileMode(e.mode))
		if e.kind == tar.TypeSymlink {
			h.SetMode(fs.ModeSymlink | 0o777)
		} else if e.kind == tar.TypeFifo {
			h.SetMode(fs.ModeNamedPipe | 0o644)
		}
		f, err := w.CreateHeader(h)
		must(err)
		_, err = io.WriteString(f, e.text)
		must(err)
	}
	must(w.Close())
	return out.Bytes()
}

func gz(data []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(data)
	must(err)
	must(w.Close())
	return out.Bytes()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func work(release string, data []byte) runtime.Workload {
	return runtimetest.Work(runtime.TypeBundle, release, data)
}

// contents reads what lies below a directory: files' text, links' targets after "->".
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil
	}
	must(filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, p)
		if e.Type() == fs.ModeSymlink {
			to, err := os.Readlink(p)
			all[name] = "->" + to
			return err
		}
		b, err := os.ReadFile(p)
		all[name] = string(b)
		return err
	}))
	return all
}

func TestContract(t *testing.T) {
	runtimetest.Run(t, func(t *testing.T) runtime.Driver { return New(Config{FS: runtimetest.NewRoot(t)}) },
		work("site@1", []byte("one")), work("site@2", []byte("two")))
}

// Bytes that are not those of the digest are put nowhere. That is not the bundle's fault: the disk may have changed them.
func TestWrongBytes(t *testing.T) {
	entry := file("a.txt", "A")
	for name, data := range map[string][]byte{"file": []byte("A"), "tar": tarOf(entry), "tar.gz": gz(tarOf(entry)), "zip": zipOf(entry)} {
		root := runtimetest.NewRoot(t)
		w := work("site@1", data)
		w.Artifact.Digest[0]++
		if _, err := New(Config{FS: root}).Start(t.Context(), w); err == nil || errors.Is(err, runtime.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if left, err := root.ReadDir(runtime.Dir(w.Deployment)); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind %v, %v", name, left, err)
		}
	}
}

var errFlaky = errors.New("input/output error")

// Whichever read of the blob fails: that is not the bundle's fault, and nothing is made of what was read.
func TestDiskFails(t *testing.T) {
	text := make([]byte, 300<<10) // too much for one read, also packed
	for i, x := 0, uint32(1); i < len(text); i, x = i+1, x*1664525+1013904223 {
		text[i] = byte(x >> 24)
	}
	entries := []entry{file("a.txt", string(text)), file("b.txt", "B")}
	for name, data := range map[string][]byte{"file": text, "tar": tarOf(entries...), "tar.gz": gz(tarOf(entries...)), "zip": zipOf(entries...)} {
		for n := 1; ; n++ {
			left, root, w := n, runtimetest.NewRoot(t), work("site@1", data)
			w.Artifact.Open = runtimetest.Watched(data, func() error {
				if left--; left == 0 {
					return errFlaky
				}
				return nil
			})
			_, err := New(Config{FS: root}).Start(t.Context(), w)
			if left > 0 { // no read was left to fail
				must(err)
				break
			}
			if !errors.Is(err, errFlaky) || errors.Is(err, runtime.ErrInvalid) {
				t.Errorf("%s, read %d: %v", name, n, err)
			}
			if on, err := root.ReadDir(runtime.Dir(w.Deployment)); err != nil || len(on) > 0 {
				t.Errorf("%s, read %d: left behind %v, %v", name, n, on, err)
			}
		}
	}
}

// A node that is told to end waits for no bundle to be read, or there is no time left for programs to end politely.
func TestStartEndsWithItsContext(t *testing.T) {
	text := strings.Repeat("text", 4<<20)
	for name, data := range map[string][]byte{"file": []byte(text), "tar": tarOf(file("a", text))} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		reads, w := 0, work("site@1", data)
		w.Artifact.Open = runtimetest.Watched(data, func() error {
			if reads++; reads == 6 { // it has looked at what it is by then
				cancel()
			}
			return nil
		})
		if _, err := New(Config{FS: runtimetest.NewRoot(t)}).Start(ctx, w); !errors.Is(err, context.Canceled) || reads > 8 {
			t.Errorf("%s: after %d reads: %v", name, reads, err)
		}
	}
}

// A copy of the state directory may have directories for links: they make way.
func TestCurrentIsNoLink(t *testing.T) {
	root := runtimetest.NewRoot(t)
	w := work("site@1", []byte("text"))
	must(root.MkdirAll("run/site/current", 0o755))
	must(os.WriteFile(filepath.Join(root.Dir, "run/site/current/file"), []byte("text"), 0o600))
	if _, err := New(Config{FS: root}).Start(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if slot, err := root.Readlink("run/site/current"); err != nil || slot != w.Slot() {
		t.Errorf("current leads to %q, %v", slot, err)
	}
}

func TestUnpacks(t *testing.T) {
	entries := []entry{file("a.txt", "A"), file("./d/b.txt", "B"), symlinkTo("d/l", "../a.txt"), {"run.sh", tar.TypeReg, "#!", 0o755}}
	want := map[string]string{"a.txt": "A", "d/b.txt": "B", "d/l": "->../a.txt", "run.sh": "#!"}
	dirs := append([]entry{{"d/", tar.TypeDir, "", 0o700}}, entries...)
	for _, c := range []struct {
		name string
		data []byte
		file string
		want map[string]string
	}{
		{"tar", tarOf(entries...), "", want},
		{"tar with directories", tarOf(dirs...), "", want},
		{"tar.gz", gz(tarOf(entries...)), "x.bin", want},
		{"zip", zipOf(entries...), "", want},
		{"empty zip", zipOf(), "", map[string]string{}},
		{"file", []byte("model"), "model.onnx", map[string]string{"model.onnx": "model"}},
		{"nameless file", []byte("model"), "", map[string]string{"file": "model"}},
		{"empty file", nil, "", map[string]string{"file": ""}},
		{"gzip of no tar", gz([]byte("text")), "t.gz", map[string]string{"t.gz": string(gz([]byte("text")))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := runtimetest.NewRoot(t)
			w := work("site@1", c.data)
			w.Artifact.File = c.file
			if _, err := New(Config{FS: root}).Start(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			if got := contents(t, filepath.Join(root.Dir, "run/site/current")); !maps.Equal(got, c.want) {
				t.Errorf("unpacked %q, want %q", got, c.want)
			}
			if info, err := os.Stat(filepath.Join(root.Dir, "run/site/current/run.sh")); err == nil && info.Mode().Perm()&0o111 == 0 {
				t.Error("run.sh cannot be executed")
			}
		})
	}
}

// small limits keep the tests short.
var small = limits{entries: 300, bytes: 4 << 20, allowance: 1 << 20}

func TestRefuses(t *testing.T) {
	var many []entry
	for n := range small.entries + 1 {
		many = append(many, file(fmt.Sprintf("f%d", n), ""))
	}
	deep := strings.Repeat("d/", 350)
	bomb := strings.Repeat("\x00", 2<<20)
	for _, c := range []struct {
		name    string
		entries []entry
		want    string
	}{
		{"parent", []entry{file("../x", "")}, `holds ".."`},
		{"parent inside", []entry{file("a/../../x", "")}, `holds ".."`},
		{"absolute", []entry{file("/etc/x", "")}, "absolute"},
		{"backslash", []entry{file(`..\x`, "")}, "backslash"},
		{"long name", []entry{file(strings.Repeat("d/", 600)+"f", "")}, "longer than 1024"},
		{"link out", []entry{symlinkTo("l", "../x")}, "leads out"},
		{"absolute link", []entry{symlinkTo("l", "/etc/passwd")}, "leads out"},
		{"link that rises later", []entry{symlinkTo("a/b/c", "../.."), symlinkTo("e", "a/b/c/../x")}, "leads out"},
		{"file through a link", []entry{symlinkTo("l", "."), file("l/x", "")}, "something else as well"},
		{"link over a directory", []entry{file("l/x", ""), symlinkTo("l", ".")}, "there twice"},
		{"twice", []entry{file("x", "1"), file("./x", "2")}, "there twice"},
		{"secret directories", []entry{file("a/"+deep+"f", ""), file("b/"+deep+"f", "")}, "files and directories"},
		{"pipe", []entry{special("p", tar.TypeFifo)}, "pipe"},
		{"too many", many, "more than 300"},
		{"bomb", []entry{file("zeros", bomb)}, "unpacks to too much"},
	} {
		for kind, data := range map[string][]byte{"tar.gz": gz(tarOf(c.entries...)), "zip": zipOf(c.entries...)} {
			t.Run(c.name+" "+kind, func(t *testing.T) { refuses(t, data, c.want) })
		}
	}
	for _, k := range []byte{tar.TypeChar, tar.TypeBlock} {
		refuses(t, tarOf(special("null", k)), "device")
	}
	refuses(t, tarOf(entry{"h", tar.TypeLink, "/etc/passwd", 0o644}), "hard link")
	refuses(t, tarOf(file("x", strings.Repeat("12345", 999)))[:2000], "read archive")
	damaged := zipOf(file("x", strings.Repeat("12345", 99)))
	damaged[40] ^= 1
	refuses(t, damaged, "archive")
}

// refuses checks that data is refused and leaves the release before it, and nothing else.
func refuses(t *testing.T, data []byte, reason string) {
	t.Helper()
	root := runtimetest.NewRoot(t)
	d := New(Config{FS: root})
	d.limits = small
	old, err := d.Start(t.Context(), work("site@1", []byte("old")))
	must(err)
	_, err = d.Start(t.Context(), work("site@2", data))
	if !errors.Is(err, runtime.ErrInvalid) || !strings.Contains(err.Error(), reason) {
		t.Errorf("Start: %v, want ErrInvalid with %q", err, reason)
	}
	if p := old.Status().Phase; p != runtime.PhaseRunning {
		t.Errorf("the old release is %s", p)
	}
	left, err := root.ReadDir("run/site")
	must(err)
	if got := contents(t, filepath.Join(root.Dir, "run/site/current")); got["file"] != "old" || len(left) != 2 {
		t.Errorf("current holds %q; on disk are %v", got, left)
	}
	if outside, _ := os.ReadDir(root.Dir); len(outside) != 1 {
		t.Errorf("written outside: %v", outside)
	}
}

// dying is a disk that fails for good at one operation, as if the power had gone.
type dying struct {
	disk.FS
	left int // operations that still succeed
}

var errDead = errors.New("power is gone")

func (d *dying) spend() error {
	if d.left--; d.left < 0 {
		return errDead
	}
	return nil
}

func (d *dying) OpenFile(name string, flag int, perm fs.FileMode) (disk.File, error) {
	if err := d.spend(); err != nil {
		return nil, err
	}
	return d.FS.OpenFile(name, flag, perm)
}

func (d *dying) MkdirAll(name string, perm fs.FileMode) error {
	return errors.Join(d.spend(), d.then(func() error { return d.FS.MkdirAll(name, perm) }))
}

func (d *dying) Rename(a, b string) error {
	return errors.Join(d.spend(), d.then(func() error { return d.FS.Rename(a, b) }))
}

func (d *dying) RemoveAll(name string) error {
	return errors.Join(d.spend(), d.then(func() error { return d.FS.RemoveAll(name) }))
}

func (d *dying) Symlink(target, name string) error {
	return errors.Join(d.spend(), d.then(func() error { return d.FS.Symlink(target, name) }))
}

func (d *dying) SyncDir(name string) error {
	return errors.Join(d.spend(), d.then(func() error { return d.FS.SyncDir(name) }))
}

func (d *dying) then(op func() error) error {
	if d.left < 0 {
		return nil
	}
	return op()
}

// Whichever operation the power goes at, current is old or new and whole, and the next Start
// puts the new one in place and leaves nothing else.
func TestCrashAtEveryStep(t *testing.T) {
	v1 := work("site@1", tarOf(file("a", "old"), file("d/b", "old")))
	v2 := work("site@2", tarOf(file("a", "new"), file("d/b", "new"), symlinkTo("l", "a")))
	old := map[string]string{"a": "old", "d/b": "old"}
	fresh := map[string]string{"a": "new", "d/b": "new", "l": "->a"}
	for steps := 0; ; steps++ {
		root := runtimetest.NewRoot(t)
		current := filepath.Join(root.Dir, "run/site/current")
		_, err := New(Config{FS: root}).Start(t.Context(), v1)
		must(err)
		mortal := &dying{FS: root, left: steps}
		_, _ = New(Config{FS: mortal}).Start(t.Context(), v2)
		if got := contents(t, current); !maps.Equal(got, old) && !maps.Equal(got, fresh) {
			t.Fatalf("after %d steps current holds %q", steps, got)
		}
		_, err = New(Config{FS: root}).Start(t.Context(), v2)
		must(err)
		if got := contents(t, current); !maps.Equal(got, fresh) {
			t.Fatalf("started again after %d steps, current holds %q", steps, got)
		}
		left, err := root.ReadDir("run/site")
		must(err)
		if len(left) != 3 {
			t.Fatalf("started again after %d steps, on disk are %v", steps, left)
		}
		if mortal.left >= 0 {
			t.Logf("%d steps", steps)
			return
		}
	}
}

// The slot before stays for a rollback, which is a switch; those before it go.
func TestKeepsTwo(t *testing.T) {
	root := runtimetest.NewRoot(t)
	d := New(Config{FS: root})
	for _, v := range []string{"1", "2", "3", "2", "4"} {
		_, err := d.Start(t.Context(), work("site@"+v, []byte(v)))
		must(err)
		if got := contents(t, filepath.Join(root.Dir, "run/site/current")); got["file"] != v {
			t.Errorf("current holds %q, want %s", got, v)
		}
	}
	kept, _ := filepath.Glob(filepath.Join(root.Dir, "run/site/site@*"))
	if len(kept) != 2 || !strings.Contains(kept[0], "site@2-") || !strings.Contains(kept[1], "site@4-") {
		t.Errorf("kept %v, want 2, which ran before, and 4", kept)
	}
}

// Whatever an archive holds, nothing of it lies or leads outside.
func FuzzUnpack(f *testing.F) {
	f.Add(tarOf(file("a/b", "x"), symlinkTo("a/l", "../a")))
	f.Add(gz(tarOf(symlinkTo("l", ".."), file("l/x", "y"))))
	f.Add(zipOf(file("a", "x"), symlinkTo("l", "a")))
	f.Fuzz(func(t *testing.T, data []byte) {
		root := runtimetest.NewRoot(t)
		w := work("site@1", data)
		blob, err := w.Artifact.Open()
		must(err)
		must(os.Mkdir(filepath.Join(root.Dir, "in"), 0o755))
		err = unpack(t.Context(), root, "in", small, w.Artifact, blob)
		if entries, _ := os.ReadDir(root.Dir); len(entries) != 1 {
			t.Fatalf("outside lie %v", entries)
		}
		if err != nil {
			return
		}
		base, _ := filepath.EvalSymlinks(filepath.Join(root.Dir, "in"))
		must(filepath.WalkDir(base, func(p string, e fs.DirEntry, err error) error {
			to, lerr := filepath.EvalSymlinks(p)
			if lerr == nil && to != base && !strings.HasPrefix(to, base+"/") {
				t.Fatalf("%s leads to %s", p, to)
			}
			return err
		}))
	})
}
