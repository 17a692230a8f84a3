package distribute

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"selvage/distribute/planner"
	"selvage/distribute/store"
)

// archive is a mirror in memory.
type archive struct {
	name   string
	rate   float64 // bytes a second, of each answer
	blobs  map[Digest][]byte
	lists  map[Digest][]byte
	manner archiveManner

	mu    sync.Mutex
	asked int
	given int64
	cuts  int // answers that are still to be cut short
}

type archiveManner int

const (
	archiveHonest archiveManner = iota
	archiveLies                 // gives other bytes
	archiveLacks                // gives nothing, at once
	archiveHangs                // gives nothing, and does not end
)

func newArchive(name string, blobs ...[]byte) *archive {
	a := &archive{name: name, rate: 1 << 20, blobs: map[Digest][]byte{}}
	for _, b := range blobs {
		a.blobs[digestOf(b)] = b
	}
	return a
}

func (a *archive) Name() string { return a.name }

func (a *archive) Read(ctx context.Context, d Digest, size, offset, length int64) (io.ReadCloser, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	data, ok := a.blobs[d]
	if !ok || a.manner == archiveLacks || int64(len(data)) != size {
		return nil, errors.New("it has not got the blob")
	}
	part := slices.Clone(data[offset : offset+length])
	if a.manner == archiveLies {
		part[len(part)/2]++
	}
	if a.cuts > 0 {
		a.cuts--
		part = part[:len(part)/2]
	}
	return &answer{a: a, ctx: ctx, left: part, short: len(part) < int(length)}, nil
}

func (a *archive) List(ctx context.Context, d Digest, most int64) (io.ReadCloser, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	list, ok := a.lists[d]
	if !ok {
		return nil, errors.New("it has no chunk list of the blob")
	}
	return &answer{a: a, ctx: ctx, left: slices.Clone(list[:min(most, int64(len(list)))])}, nil
}

// lays has the archive serve the chunk lists of its blobs too.
func (a *archive) lays(w *world) {
	a.lists = map[Digest][]byte{}
	elsewhere := w.node("elsewhere")
	for d, b := range a.blobs {
		elsewhere.add(b)
		o, _ := elsewhere.store.Object(d)
		nodes, err := o.Nodes()
		if err != nil {
			w.t.Fatal(err)
		}
		a.lists[d] = nodes
	}
}

func (a *archive) counts() (asked int, given int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked, a.given
}

// answer is a part of a blob on its way.
type answer struct {
	a     *archive
	ctx   context.Context
	left  []byte
	short bool
}

func (r *answer) Read(p []byte) (int, error) {
	if r.a.manner == archiveHangs {
		<-r.ctx.Done()
	}
	n := min(len(p), len(r.left), 16<<10)
	sleep(r.ctx, time.Duration(float64(n)/r.a.rate*float64(time.Second)))
	switch {
	case r.ctx.Err() != nil:
		return 0, r.ctx.Err()
	case n == 0 && r.short:
		return 0, io.ErrUnexpectedEOF
	case n == 0:
		return 0, io.EOF
	}
	copy(p, r.left[:n])
	r.left = r.left[n:]
	r.a.mu.Lock()
	defer r.a.mu.Unlock()
	r.a.given += int64(n)
	return n, nil
}

func (r *answer) Close() error { return nil }

func (n *node) complaints() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.reasons)
}

// wantOf returns what a blob is to be called, from a store of its own.
func (w *world) wantOf(data []byte) store.Want {
	w.t.Helper()
	return w.node("elsewhere").add(data)
}

func checkGiven(t *testing.T, a *archive, least, most float64, size int) {
	t.Helper()
	if _, given := a.counts(); float64(given) < least*float64(size) || float64(given) > most*float64(size) {
		t.Errorf("%s gave %.3f times the blob", a.name, float64(given)/float64(size))
	}
}

// When nobody else has a blob, one node of a site gets it from the mirror, and the others from that.
func TestMirrorAlone(t *testing.T) {
	for _, size := range []int{0, 1, 5000, 300_000, 5 << 20} {
		for _, nodes := range []int{1, 4} {
			run(t, func(t *testing.T, w *world) {
				data := content(50, size)
				want := w.wantOf(data)
				m := newArchive("m", data)
				w.mirrors = []Mirror{m}
				site := w.site("b", nodes)
				w.link(site)
				w.fetchAll(site, want, 5*time.Minute)
				for _, n := range site {
					n.holds(want, data)
				}
				checkGiven(t, m, 1, 1, size)
				var told int64
				for _, n := range site {
					p, _ := n.swarm.Progress(want.Digest)
					told += p.FromMirror
				}
				if told != int64(size) {
					t.Errorf("%d bytes are said to have come from mirrors", told)
				}
			})
		}
	}
}

// While a seed is there, the mirror is not asked; when it goes, the mirror gives the rest, once.
func TestMirrorAfterTheSeed(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.net.uplink("b", 1<<20, 10*time.Millisecond)
		data := content(51, 12<<20)
		m := newArchive("m", data)
		seed := w.node("a")
		want := seed.add(data)
		w.mirrors = []Mirror{m}
		site := w.site("b", 3)
		w.mesh()
		w.net.wg.Go(func() {
			time.Sleep(6 * time.Second)
			if asked, _ := m.counts(); asked > 0 {
				t.Error("the mirror is asked while the seed gives")
			}
			for _, n := range site {
				w.net.disconnect(seed.port, n.port)
			}
		})
		w.fetchAll(site, want, 10*time.Minute)
		for _, n := range site {
			n.holds(want, data)
		}
		came := float64(w.net.down["b"].came()) / float64(len(data))
		checkGiven(t, m, 0.98-came, 1.02-came, len(data))
		t.Logf("%.3f times from the seed", came)
	})
}

// A mirror that lies, lacks or hangs costs time, and the right bytes come from another; what lied is not asked again.
func TestBadMirrors(t *testing.T) {
	for _, listed := range []bool{false, true} {
		for _, manner := range []archiveManner{archiveLies, archiveLacks, archiveHangs} {
			run(t, func(t *testing.T, w *world) {
				data := content(52, 3<<20)
				bad, good := newArchive("bad", data), newArchive("good", data)
				bad.manner = manner
				seed := w.node("a")
				want := seed.add(data)
				w.mirrors = []Mirror{bad, good}
				if listed { // the list is known, and nobody has a chunk
					w.mirrors = []Mirror{good, bad}
				}
				n := w.node("b")
				if listed {
					o, err := n.store.Begin(want)
					if err != nil {
						t.Fatal(err)
					}
					from, _ := seed.store.Object(want.Digest)
					copyList(t, o, from)
				}
				if err := n.fetch(want, time.Hour); err != nil {
					t.Fatalf("manner %d: %v", manner, err)
				}
				n.holds(want, data)
				asked, _ := bad.counts()
				if manner == archiveLies && asked > mirrorLanes {
					t.Errorf("the liar was asked %d times", asked)
				}
				if asked > 0 && !slices.ContainsFunc(n.complaints(), func(s string) bool { return strings.HasPrefix(s, "bad: ") }) {
					t.Errorf("manner %d: it complains of %q", manner, n.complaints())
				}
				if asked == 0 && !listed {
					t.Errorf("manner %d was not tried", manner)
				}
				t.Logf("listed %v, manner %d: asked %d times; %q", listed, manner, asked, n.complaints())
			})
		}
	}
}

// A mirror that is the only one, and bad, is asked less and less.
func TestBadMirrorIsLeftInPeace(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		data := content(53, 1<<20)
		want := w.wantOf(data)
		m := newArchive("m")
		w.mirrors = []Mirror{m}
		n := w.node("b")
		if err := n.fetch(want, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if asked, _ := m.counts(); asked < 10 || asked > 80 {
			t.Errorf("it was asked %d times in an hour", asked)
		}
	})
}

// What came from a mirror before its connection was cut, or this node restarted, does not come again.
func TestMirrorResumes(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		data := content(54, 8<<20)
		want := w.wantOf(data)
		m := newArchive("m", data)
		m.cuts = 2
		w.mirrors = []Mirror{m}
		n := w.node("b")
		if err := n.fetch(want, planner.MirrorPatience+6*time.Second); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		n.swarm.Close()
		if err := n.store.Close(); err != nil {
			t.Fatal(err)
		}
		n.start()
		if err := n.fetch(want, time.Hour); err != nil {
			t.Fatal(err)
		}
		n.holds(want, data)
		checkGiven(t, m, 1, 1.15, len(data)) // a second of it was on its way at most
	})
}

// When a peer with the chunk list comes, what came from the mirror is kept, and the rest is the peer's.
func TestPeerTakesOverFromMirror(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		data := content(55, 8<<20)
		m := newArchive("m", data)
		seed := w.node("a")
		want := seed.add(data)
		w.mirrors = []Mirror{m}
		n := w.node("b")
		w.net.wg.Go(func() {
			time.Sleep(planner.MirrorPatience + 4*time.Second)
			w.net.connect(seed.port, n.port)
		})
		if err := n.fetch(want, time.Hour); err != nil {
			t.Fatal(err)
		}
		n.holds(want, data)
		came := float64(w.net.down["b"].came()) / float64(len(data))
		checkGiven(t, m, 0.3, 0.8, len(data))
		checkGiven(t, m, 1-came, 1.05-came, len(data))
	})
}

// A release whose bytes and chunk list are of different blobs is found out, though the mirror gives the right bytes, and they do not
// come again for it soon.
func TestMirrorOfAContradiction(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		data := content(56, 1<<20)
		want, other := w.wantOf(data), w.wantOf(content(57, 1<<20))
		want.Root = other.Root
		m := newArchive("m", data)
		w.mirrors = []Mirror{m}
		n := w.node("b")
		if err := n.fetch(want, time.Hour); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("got %v", err)
		}
		_, given := m.counts()
		if err := n.fetch(want, time.Hour); !errors.Is(err, store.ErrContradiction) {
			t.Errorf("again: %v", err)
		}
		if _, again := m.counts(); again > given {
			t.Errorf("again, %d bytes came", again-given)
		}
		if _, ok := n.store.Object(want.Digest); ok || len(n.complaints()) > 0 {
			t.Errorf("something of it stays (%v), or the mirror is blamed: %q", ok, n.complaints())
		}
	})
}

// A site that has the version before, and nobody to ask but a mirror, gets what that lacks; where the mirror has the list only of
// another blob, or one that is damaged, it is told of, and the whole comes.
func TestMirrorHasTheList(t *testing.T) {
	for name, c := range map[string]struct {
		spoil       func(a *archive, d Digest)
		least, most float64
		complaint   bool
	}{
		"the list":        {func(*archive, Digest) {}, 0.02, 0.2, false},
		"no list":         {func(a *archive, d Digest) { delete(a.lists, d) }, 1, 1, false},
		"a damaged list":  {func(a *archive, d Digest) { a.lists[d][len(a.lists[d])/2]++ }, 1, 1.02, true},
		"half a list":     {func(a *archive, d Digest) { a.lists[d] = a.lists[d][:len(a.lists[d])/2] }, 1, 1.02, false},
		"an empty list":   {func(a *archive, d Digest) { a.lists[d] = nil }, 1, 1, true},
		"another's list":  {func(a *archive, d Digest) { a.lists[d] = a.lists[digestOf(content(61, 1<<20))] }, 1, 1.02, true},
		"an endless list": {func(a *archive, d Digest) { a.lists[d] = make([]byte, 64<<20) }, 1, 1.02, true},
	} {
		for _, nodes := range []int{1, 3} {
			run(t, func(t *testing.T, w *world) {
				v1 := content(60, 6<<20)
				v2 := slices.Concat(v1[:3<<20], content(62, 256<<10), v1[3<<20:])
				want := w.wantOf(v2)
				m := newArchive("m", v2, content(61, 1<<20))
				m.lays(w)
				c.spoil(m, want.Digest)
				w.mirrors = []Mirror{m}
				site := w.site("b", nodes)
				for i, a := range site {
					a.add(v1)
					for _, b := range site[:i] {
						w.net.connect(a.port, b.port)
					}
				}
				w.fetchAll(site, want, 10*time.Minute)
				for _, n := range site {
					n.holds(want, v2)
				}
				checkGiven(t, m, c.least, c.most, len(v2))
				var told []string
				for _, n := range site {
					told = append(told, n.complaints()...)
				}
				if wrong := slices.Contains(told, "m: "+errWrongList.Error()); wrong != c.complaint || !wrong && len(told) > 0 {
					t.Errorf("%s, %d nodes: told of %q", name, nodes, told)
				}
			})
		}
	}
}
