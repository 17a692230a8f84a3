package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"selvage/distribute"
	"selvage/distribute/store"
	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
	"selvage/ledger"
	"selvage/node/api"
)

// altered is content with a byte changed in every stretch of it.
func altered(b []byte, stretch int) []byte {
	b = bytes.Clone(b)
	for i := 0; i < len(b); i += stretch {
		b[i]++
	}
	return b
}

func (f *fleet) add(at *machine, content []byte) api.Added {
	f.t.Helper()
	added, err := at.AddBlob(f.t.Context(), bytes.NewReader(content))
	if err != nil {
		f.t.Fatal(err)
	}
	return added
}

// patchesFor has a node make patches to what was added.
func (f *fleet) patchesFor(at *machine, name string, to api.Added, versions int) []api.Patch {
	f.t.Helper()
	all, err := at.MakePatches(f.t.Context(), api.PatchWish{Name: name, Platform: ledger.AnyPlatform, Digest: to.Digest, Versions: versions})
	if err != nil {
		f.t.Fatal(err)
	}
	return all
}

// blobOf is what a node says of a blob; the zero value if it has none of it.
func (m *machine) blobOf(digest string) api.Blob {
	for _, b := range m.Blobs() {
		if b.Digest == digest {
			return b
		}
	}
	return api.Blob{}
}

// updated runs the second version of a release everywhere, and returns the node that fetched it. Its
// patches are what list makes of the one that there is.
func updated(t *testing.T, v1, v2 []byte, list func(f *fleet, p api.Patch) ledger.Patch) (f *fleet, m *machine, added api.Added, p api.Patch) {
	t.Helper()
	f = found(t)
	m = f.join("b", "b1")
	if _, err := f.seed(f.founder, "app@v1", v1); err != nil {
		t.Fatal(err)
	}
	f.deploy(f.founder, "app@v1")
	eventually(t, "b1 runs app@v1", func() bool { return m.runs("app@v1") })
	added = f.add(f.founder, v2)
	made := f.patchesFor(f.founder, "app", added, 3)
	if len(made) != 1 || made[0].FromRelease != "app@v1" {
		t.Fatalf("made %+v", made)
	}
	if err := f.release(f.founder, "app@v2", added, []ledger.Patch{list(f, made[0])}); err != nil {
		t.Fatal(err)
	}
	f.deploy(f.founder, "app@v2")
	eventually(t, "b1 runs app@v2", func() bool { return m.runs("app@v2") })
	got, err := disk.ReadFile(m.fs, "run/app/current/f", 1<<21)
	if err != nil || !bytes.Equal(got, v2) {
		t.Errorf("%d bytes in place, %v", len(got), err)
	}
	return f, m, added, made[0]
}

func listed(p api.Patch) ledger.Patch { return api.Listing([]api.Patch{p})[0] }

// TestUpdateByPatch: a node that runs the last version takes the patch, serves what it made, and says so.
func TestUpdateByPatch(t *testing.T) {
	t.Parallel()
	v1 := content(1, 400<<10)
	f, m, added, p := updated(t, v1, altered(v1, 4<<10), func(_ *fleet, p api.Patch) ledger.Patch { return listed(p) })
	if p.Size > added.Size/20 {
		t.Errorf("the patch has %d bytes", p.Size)
	}
	if b := m.blobOf(added.Digest); !b.Complete || b.By != api.ByPatch || b.ByBytes != p.Size || b.FromUplinkBytes != 0 {
		t.Errorf("the blob: %+v", b)
	}
	if b := m.blobOf(p.Digest); b.FromUplinkBytes != p.Size || len(b.Releases) != 1 || b.Releases[0] != "app@v2" {
		t.Errorf("the patch: %+v", b)
	}
	// One that comes later has nothing to patch, and gets the whole from the one of its site.
	late := f.join("b", "b2")
	eventually(t, "b2 runs app@v2", func() bool { return late.runs("app@v2") })
	if b := late.blobOf(added.Digest); b.By != api.ByWhole || b.ByBytes != added.Size {
		t.Errorf("the late one's: %+v", b)
	}
}

// TestBadPatches: a patch that does not do what the release says costs its own bytes; chunks do the
// rest, and it is not tried again.
func TestBadPatches(t *testing.T) {
	t.Parallel()
	v1 := content(2, 300<<10)
	v2 := altered(v1, 8<<10)
	of := func(f *fleet, p api.Patch, content []byte) ledger.Patch {
		l, other := listed(p), f.add(f.founder, content)
		l.Digest, l.Size, l.Root = other.Digest, other.Size, other.Root
		return l
	}
	read := func(f *fleet, p api.Patch) []byte {
		data, err := disk.ReadFile(f.founder.fs, "store/blobs/sha256/"+p.Digest, 1<<20)
		if err != nil {
			f.t.Fatal(err)
		}
		return data
	}
	for name, bad := range map[string]func(f *fleet, p api.Patch) ledger.Patch{
		"no patch":    func(f *fleet, p api.Patch) ledger.Patch { return of(f, p, content(9, 5000)) },
		"cut short":   func(f *fleet, p api.Patch) ledger.Patch { return of(f, p, read(f, p)[:p.Size-20]) },
		"of another":  func(f *fleet, p api.Patch) ledger.Patch { return of(f, p, f.patchTo(altered(v1, 9000))) },
		"of its form": func(f *fleet, p api.Patch) ledger.Patch { data := read(f, p); data[8]++; return of(f, p, data) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var l ledger.Patch
			_, m, added, _ := updated(t, v1, v2, func(f *fleet, p api.Patch) ledger.Patch { l = bad(f, p); return l })
			if b := m.blobOf(l.Digest); b.FromUplinkBytes != l.Size {
				t.Errorf("the patch was not tried: %+v", b)
			}
			if b := m.blobOf(added.Digest); b.By != api.ByWhole && b.By != api.ByChunks || b.FromUplinkBytes == 0 {
				t.Errorf("the blob: %+v", b)
			}
			d, err := store.ParseDigest(added.Digest)
			if err != nil || len(m.patchesTo(d)) != 0 {
				t.Errorf("it would be tried again, %v", err)
			}
			if n := len(m.store.Objects()); n != 3 {
				t.Errorf("%d blobs in the store, want both versions and the patch", n)
			}
		})
	}
}

// patchTo is a good patch from app's last version to content that no release has.
func (f *fleet) patchTo(content []byte) []byte {
	p := f.patchesFor(f.founder, "app", f.add(f.founder, content), 1)
	data, err := disk.ReadFile(f.founder.fs, "store/blobs/sha256/"+p[0].Digest, 1<<20)
	if err != nil {
		f.t.Fatal(err)
	}
	return data
}

// TestOtherDeflate: a patch for another deflate is not even fetched.
func TestOtherDeflate(t *testing.T) {
	t.Parallel()
	v1 := content(3, 300<<10)
	_, m, added, p := updated(t, v1, altered(v1, 8<<10), func(_ *fleet, p api.Patch) ledger.Patch {
		l := listed(p)
		l.Print = "0123456789abcdef"
		return l
	})
	if b := m.blobOf(p.Digest); b.Digest != "" {
		t.Errorf("fetched: %+v", b)
	}
	if b := m.blobOf(added.Digest); b.By == api.ByPatch || !b.Complete {
		t.Errorf("the blob: %+v", b)
	}
}

// TestWhichPatchesAreMade: from the newest versions of the release, each blob once, if they save enough.
func TestWhichPatchesAreMade(t *testing.T) {
	t.Parallel()
	f := found(t)
	base := content(4, 200<<10)
	for _, v := range []struct {
		ref  string
		data []byte
	}{{"app@v1", altered(base, 10_000)}, {"app@v2", content(5, 200<<10)}, {"app@v3", altered(base, 11_000)}, {"app@v4", altered(base, 11_000)}, {"other@v1", altered(base, 12_000)}} {
		if _, err := f.seed(f.founder, v.ref, v.data); err != nil {
			t.Fatal(err)
		}
	}
	to := f.add(f.founder, base)
	for versions, want := range map[int][]string{0: nil, 1: {"app@v4"}, 2: {"app@v4"}, 3: {"app@v4", "app@v1"}, 100: {"app@v4", "app@v1"}, -1: nil} {
		var got []string
		for _, p := range f.patchesFor(f.founder, "app", to, versions) {
			got = append(got, p.FromRelease)
		}
		if len(got) != len(want) || len(want) > 0 && got[0] != want[0] || len(want) > 1 && got[1] != want[1] {
			t.Errorf("%d versions: from %v, want %v", versions, got, want)
		}
	}
	// v2 has nothing in common with the new one. The same bytes need no patch.
	if got := f.patchesFor(f.founder, "app", f.add(f.founder, altered(base, 10_000)), 1); len(got) != 1 || got[0].FromRelease != "app@v4" {
		t.Errorf("to v1's bytes: %+v", got)
	}
	var refusal *api.Error
	if _, err := f.founder.MakePatches(t.Context(), api.PatchWish{Name: "app", Digest: listed(api.Patch{Digest: to.Digest}).Digest[:10]}); err == nil {
		t.Error("a digest of 10 digits")
	}
	_, err := f.founder.MakePatches(t.Context(), api.PatchWish{Name: "app", Digest: "00000000" + to.Digest[8:]})
	if !errors.As(err, &refusal) || refusal.Code != http.StatusNotFound {
		t.Errorf("a blob that is not here: %v", err)
	}
}

// TestPatchThatNobodyHas: when a patch does not come and the blob would, chunks do it.
func TestPatchThatNobodyHas(t *testing.T) {
	t.Parallel()
	f := found(t)
	m := f.join("b", "b1")
	m.patchPause = 200 * time.Millisecond
	v1 := content(6, 100<<10)
	if _, err := f.seed(f.founder, "app@v1", v1); err != nil {
		t.Fatal(err)
	}
	f.deploy(f.founder, "app@v1")
	eventually(t, "b1 runs app@v1", func() bool { return m.runs("app@v1") })
	elsewhere, err := store.Open(memdisk.New(0), "store")
	if err != nil {
		t.Fatal(err)
	}
	gone, err := elsewhere.Add(t.Context(), bytes.NewReader(content(7, 1000)))
	if err != nil {
		t.Fatal(err)
	}
	v2 := f.add(f.founder, altered(v1, 8<<10))
	from := sha256.Sum256(v1)
	if err := f.release(f.founder, "app@v2", v2, []ledger.Patch{{From: hex.EncodeToString(from[:]), Digest: gone.Digest.String(), Size: gone.Size,
		Root: gone.Root.String(), Print: distribute.PatchPrint()}}); err != nil {
		t.Fatal(err)
	}
	f.deploy(f.founder, "app@v2")
	eventually(t, "b1 runs app@v2", func() bool { return m.runs("app@v2") })
	if b := m.blobOf(v2.Digest); b.By == api.ByPatch || b.ByBytes == 0 {
		t.Errorf("%+v", b)
	}
}

// oneBlob is a mirror that has one blob.
type oneBlob struct {
	digest string
	data   []byte
}

func (m *oneBlob) Name() string { return "mirror" }

func (m *oneBlob) Read(_ context.Context, d store.Digest, _, offset, length int64) (io.ReadCloser, error) {
	if d.String() != m.digest {
		return nil, errors.New("it has not got the blob")
	}
	return io.NopCloser(bytes.NewReader(m.data[offset:][:length])), nil
}

func (m *oneBlob) List(context.Context, store.Digest, int64) (io.ReadCloser, error) {
	return nil, errors.New("it has no lists")
}

// TestMirrorWithoutThePatch: a patch that neither a peer nor a mirror has does not keep a node from what a mirror has.
func TestMirrorWithoutThePatch(t *testing.T) {
	t.Parallel()
	f := found(t)
	v1 := content(1, 400<<10)
	mirror := &oneBlob{data: altered(v1, 4<<10)}
	m := f.enrol(f.ticket("b", 1, time.Hour), "b1", time.Now())
	m.mirrors = []distribute.Mirror{mirror}
	m.start()
	m.patchPause = 200 * time.Millisecond
	if _, err := f.seed(f.founder, "app@v1", v1); err != nil {
		t.Fatal(err)
	}
	f.deploy(f.founder, "app@v1")
	eventually(t, "both run app@v1", func() bool { return m.runs("app@v1") && f.founder.runs("app@v1") })
	v2 := f.add(f.founder, mirror.data)
	mirror.digest = v2.Digest
	made := f.patchesFor(f.founder, "app", v2, 1)
	for _, digest := range []string{v2.Digest, made[0].Digest} { // the seed is replaced
		d, err := store.ParseDigest(digest)
		if err == nil {
			err = f.founder.store.Remove(d)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := f.release(f.founder, "app@v2", v2, []ledger.Patch{listed(made[0])}); err != nil {
		t.Fatal(err)
	}
	f.deploy(f.founder, "app@v2")
	eventually(t, "b1 runs app@v2", func() bool { return m.runs("app@v2") })
}

// TestUnwantedDoesNotWaitForPatch: who is called off while another's patch is made is gone at once.
func TestUnwantedDoesNotWaitForPatch(t *testing.T) {
	f := found(t)
	added := f.add(f.founder, []byte("content"))
	done, err := f.founder.patchAlone(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := f.founder.MakePatches(ctx, api.PatchWish{Name: "app", Platform: ledger.AnyPlatform, Digest: added.Digest, Versions: 1})
		ended <- err
	}()
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("called off, it says %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits for the other's patch")
	}
}
