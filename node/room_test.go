package node

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
	"selvage/ledger"
	"selvage/node/api"
)

// kept is why a node says that it keeps a blob.
func (m *machine) kept(digest string) []string { return m.blobOf(digest).Kept }

// TestDiskFillsUp: versions come and go on a disk that has room for few. Those that run, that ran before, that are the newest, and that
// are pinned stay; others go, those first that were wanted longest ago; and nobody notices.
func TestDiskFillsUp(t *testing.T) {
	t.Parallel()
	f := found(t) // whose disk has room for all
	f.newDisk = func() disk.FS { return memdisk.New(4 << 20) }
	m := f.join("b", "b1")
	const size = 300 << 10
	digests := map[string]string{}
	run := func(v string, data []byte) {
		t.Helper()
		added, err := f.seed(f.founder, v, data)
		if err != nil {
			t.Fatal(err)
		}
		digests[v] = added.Digest
		f.deploy(f.founder, v)
		eventually(t, "b1 runs "+v, func() bool { return m.runs(v) })
	}
	run("app@v1", content(1, size))
	if _, err := m.Pin(api.PinChange{Add: []string{"app@v1"}}); err != nil {
		t.Fatal(err)
	}
	for i := 2; i <= 12; i++ {
		run(fmt.Sprintf("app@v%d", i), content(byte(i), size))
	}
	for v, want := range map[string]bool{"app@v1": true, "app@v2": false, "app@v11": true, "app@v12": true} {
		if got := m.blobOf(digests[v]); got.Complete != want {
			t.Errorf("%s: %+v", v, got)
		}
	}
	for v, word := range map[string]string{"app@v1": "pinned", "app@v11": "way back of app", "app@v12": "newest of app"} {
		if why := m.kept(digests[v]); !slices.Contains(why, word) {
			t.Errorf("%s is kept for %v", v, why)
		}
	}
	if free, total, err := m.store.Disk(); err != nil || free == 0 || total-free > total*95/100 {
		t.Errorf("%d of %d free, %v", free, total, err)
	}
	// What was given up comes again when it is wanted, after a restart too; and pins last.
	m.stop()
	m.start()
	f.deploy(f.founder, "app@v2")
	eventually(t, "b1 runs app@v2", func() bool { return m.runs("app@v2") })
	if b := m.blobOf(digests["app@v1"]); !b.Complete || !b.Pinned {
		t.Errorf("the pinned one: %+v", b)
	}
	if b := m.blobOf(digests["app@v2"]); b.By != api.ByWhole {
		t.Errorf("app@v2: %+v", b)
	}
	if m.alerted("filling up") {
		t.Errorf("alerts %v", m.Status().Alerts)
	}
}

// TestNothingToGiveUp: when all is needed the disk fills up, which is said, and nothing goes.
func TestNothingToGiveUp(t *testing.T) {
	t.Parallel()
	f := found(t)
	f.newDisk = func() disk.FS { return memdisk.New(1 << 20) }
	m := f.join("b", "b1")
	for i := range 3 {
		name := fmt.Sprintf("app%d@v1", i)
		if _, err := f.seed(f.founder, name, content(byte(20+i), 200<<10)); err != nil {
			t.Fatal(err)
		}
		f.deploy(f.founder, name)
	}
	eventually(t, "it says that its disk is full", func() bool { return m.alerted("filling up") })
	whole := 0
	for _, b := range m.Blobs() {
		if b.Complete {
			whole++
			if len(b.Kept) == 0 {
				t.Errorf("nothing keeps %+v", b)
			}
		}
	}
	if whole == 0 {
		t.Error("nothing is there")
	}
}

// TestWhyKept: a patch that was applied is not kept, what it started from is while it runs, and how much two versions share is told.
func TestWhyKept(t *testing.T) {
	t.Parallel()
	v1 := content(30, 400<<10)
	v2 := slices.Concat(v1[:200<<10], []byte("an insertion"), v1[200<<10:])
	_, m, added, p := updated(t, v1, v2, func(_ *fleet, p api.Patch) ledger.Patch { return listed(p) })
	if why := m.kept(p.Digest); len(why) != 0 {
		t.Errorf("the patch is kept: %v", why)
	}
	if why := m.kept(added.Digest); !slices.Contains(why, "wanted by app") {
		t.Errorf("app@v2 is kept: %v", why)
	}
	eventually(t, "v1 is the way back", func() bool { return slices.Contains(m.kept(p.From), "way back of app") })
	for _, d := range []string{added.Digest, p.From} {
		if b := m.blobOf(d); b.SharedBytes < 200<<10 || b.SharedBytes >= b.Size || b.LastWanted == nil {
			t.Errorf("%+v", b)
		}
	}
}

// TestPins: what can be pinned and how it is named.
func TestPins(t *testing.T) {
	t.Parallel()
	f := found(t)
	m := f.founder
	added, err := f.seed(m, "app@v1", content(1, 1000))
	if err != nil {
		t.Fatal(err)
	}
	loose := f.add(m, content(2, 1000))
	if why := m.kept(loose.Digest); !slices.Equal(why, []string{"added lately"}) {
		t.Errorf("what nobody wants yet is kept: %v", why)
	}
	pins, err := m.Pin(api.PinChange{Add: []string{"app@v1", loose.Digest[:8], "app@v1"}})
	if err != nil || len(pins) != 2 || !m.blobOf(loose.Digest).Pinned || !m.blobOf(added.Digest).Pinned {
		t.Errorf("%v, %v", pins, err)
	}
	for _, c := range []api.PinChange{{Add: []string{"app@v9"}}, {Add: []string{"ffff"}}, {Add: []string{"ab"}}, {Remove: []string{"app@v9"}}, {Remove: []string{""}}} {
		if _, err := m.Pin(c); !api.IsNotFound(errors.Join(err)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if pins, err = m.Pin(api.PinChange{Remove: []string{loose.Digest[:8]}}); err != nil || len(pins) != 1 || m.blobOf(loose.Digest).Pinned {
		t.Errorf("%v, %v", pins, err)
	}
}

// TestBeginningIsGivenUp: what came of a blob from a mirror, while its chunk list was not known, goes too if nothing needs it.
func TestBeginningIsGivenUp(t *testing.T) {
	t.Parallel()
	f := found(t)
	f.newDisk = func() disk.FS { return memdisk.New(2 << 20) }
	m := f.join("b", "b1")
	want := f.seedWant(f.founder, "app@v1", content(1, 1900<<10))
	want.Digest[0]++ // of another that nobody wants
	o, err := m.store.Begin(want)
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.Prefix()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write(content(1, 1880<<10)); err != nil {
		t.Fatal(err)
	}
	p.Close()
	m.makeRoom(0)
	if _, ok := m.store.Object(want.Digest); ok {
		free, total, err := m.store.Disk()
		t.Errorf("it is still there, and %d of %d bytes are free, %v", free, total, err)
	}
}

// TestUnpinByPrefix: a beginning that several pinned blobs have unpins none of them; what named a blob to pin it names it to unpin it.
func TestUnpinByPrefix(t *testing.T) {
	t.Parallel()
	f := found(t)
	m := f.founder
	one, two := "abcd1"+strings.Repeat("0", 59), "abcd2"+strings.Repeat("0", 59)
	m.mu.Lock()
	m.pins = []string{one, two}
	m.mu.Unlock()
	var refused *api.Error
	if pins, err := m.Pin(api.PinChange{Remove: []string{"abcd"}}); !errors.As(err, &refused) || refused.Code != http.StatusBadRequest || !strings.Contains(err.Error(), two) {
		t.Errorf("%v, %v", pins, err)
	}
	if pins, err := m.Pin(api.PinChange{Remove: []string{"sha256:abcd2"}}); err != nil || !slices.Equal(pins, []string{one}) {
		t.Errorf("%v, %v", pins, err)
	}
	if pins, err := m.Pin(api.PinChange{Remove: []string{"sha256:"}}); !api.IsNotFound(err) {
		t.Errorf("%v, %v", pins, err)
	}
	if pins, err := m.Pin(api.PinChange{Remove: []string{one, one}}); !api.IsNotFound(err) {
		t.Errorf("%v, %v", pins, err)
	}
}
