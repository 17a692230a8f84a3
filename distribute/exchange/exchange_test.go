package exchange

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipfs/boxo/blockservice"
	"github.com/ipfs/boxo/blockstore"
	"github.com/ipfs/boxo/ipld/merkledag"
	unixfs "github.com/ipfs/boxo/ipld/unixfs/io"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"

	"selvage/distribute/store"
)

func content(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed)})
	_, _ = r.Read(b) // a generator never ends
	return b
}

func add(t testing.TB, s *store.Store, data []byte) *store.Object {
	o, err := s.Add(context.Background(), bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// chunks are the CIDs of a blob's chunks, each once.
func chunks(o *store.Object) []cid.Cid {
	var all []cid.Cid
	seen := map[cid.Cid]bool{}
	for _, c := range o.Chunks() {
		if !seen[c.CID()] {
			seen[c.CID()] = true
			all = append(all, c.CID())
		}
	}
	return all
}

// TestReadByOthers has boxo's own reader of files get a blob through the exchange, of which it knows the root only.
func TestReadByOthers(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	all := members(t, connected(t, 3))
	data := append(content(1, 3<<20), content(1, 3<<20)...) // chunks that stand at two places
	o := add(t, all[0].store, data)
	for _, m := range all[1:] {
		m.ex.Know(o.Want)
		bs := blockstore.NewBlockstore(dssync.MutexWrap(datastore.NewMapDatastore()))
		dag := merkledag.NewDAGService(blockservice.New(bs, m.ex))
		root, err := dag.Get(ctx, o.Root)
		if err != nil {
			t.Fatal(err)
		}
		r, err := unixfs.NewDagReader(ctx, root, dag)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
}

// TestSharedChunks asks for the chunks of two versions at once: what both have comes once, from the one that is here.
func TestSharedChunks(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	all := members(t, connected(t, 2))
	v1 := content(2, 2<<20)
	old := add(t, all[0].store, v1)
	o := add(t, all[0].store, append(append([]byte{}, v1...), content(3, 1<<20)...))
	ex := all[1].ex
	ex.Know(old.Want, o.Want)
	for _, root := range []cid.Cid{old.Root, o.Root} {
		if _, err := ex.GetBlock(ctx, root); err != nil {
			t.Fatal(err)
		}
	}
	wanted := map[cid.Cid]bool{}
	for _, c := range append(chunks(old), chunks(o)...) {
		wanted[c] = true
	}
	if len(wanted) >= len(chunks(old))+len(chunks(o)) {
		t.Fatal("the versions share nothing")
	}
	out, err := ex.GetBlocks(ctx, append(chunks(old), append(chunks(o), chunks(o)...)...))
	if err != nil {
		t.Fatal(err)
	}
	for b := range out {
		if !wanted[b.Cid()] {
			t.Fatalf("%s came twice, or was not asked for", b.Cid())
		}
		if hash, err := b.Cid().Prefix().Sum(b.RawData()); err != nil || !hash.Equals(b.Cid()) {
			t.Fatalf("%s has other bytes: %v", b.Cid(), err)
		}
		delete(wanted, b.Cid())
	}
	if len(wanted) > 0 {
		t.Errorf("%d blocks did not come", len(wanted))
	}
}

// TestUnknown asks for a block of a blob that is made known later.
func TestUnknown(t *testing.T) {
	s := newStore(t)
	o := add(t, s, content(4, 1<<20))
	fetches := 0
	ex := New(scripted(func(context.Context, store.Want, func([]int)) error { fetches++; return nil }), s)
	defer ex.Close()
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := ex.GetBlock(short, o.Root); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	out, err := ex.GetBlocks(t.Context(), append(chunks(o), o.Root))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Millisecond) // so that it waits, most likely
	ex.Know(o.Want)
	n := 0
	for range out {
		n++
	}
	if n != len(chunks(o))+1 || fetches != 1 {
		t.Errorf("%d blocks of %d, %d fetches", n, len(chunks(o))+1, fetches)
	}
}

// TestFailure has a fetch fail: who waits is told why, and whoever asks later has it tried again.
func TestFailure(t *testing.T) {
	s := newStore(t)
	o := add(t, s, content(5, 1<<20))
	w := o.Want
	tries := 0
	ex := New(scripted(func(context.Context, store.Want, func([]int)) error {
		if tries++; tries == 1 {
			return errDisk
		}
		return nil
	}), s)
	defer ex.Close()
	ex.Know(w)
	if _, err := ex.GetBlock(t.Context(), w.Root); !errors.Is(err, errDisk) {
		t.Fatalf("got %v", err)
	}
	if b, err := ex.GetBlock(t.Context(), w.Root); err != nil || !b.Cid().Equals(w.Root) {
		t.Fatalf("got %v", err)
	}
}

// TestClose ends a request that waits for what nobody has.
func TestClose(t *testing.T) {
	started := make(chan struct{})
	ex := New(scripted(func(ctx context.Context, _ store.Want, _ func([]int)) error {
		close(started)
		<-ctx.Done()
		return ctx.Err()
	}), newStore(t))
	o := add(t, newStore(t), content(6, 1<<20))
	ex.Know(o.Want)
	out, err := ex.GetBlocks(t.Context(), []cid.Cid{o.Root})
	if err != nil {
		t.Fatal(err)
	}
	<-started
	_ = ex.Close()
	if b, ok := <-out; ok {
		t.Errorf("got %s", b.Cid())
	}
	if _, err := ex.GetBlocks(t.Context(), []cid.Cid{o.Root}); err == nil {
		t.Error("a closed exchange takes requests")
	}
}

// TestGivenUp has a blob given up after it came, or while it was fetched, which fails then: who asks for its blocks later has it fetched
// again.
func TestGivenUp(t *testing.T) {
	data := content(6, 1<<20)
	o := add(t, newStore(t), data)
	for _, fails := range []bool{false, true} {
		s := newStore(t)
		var fetches atomic.Int32
		ex := New(scripted(func(_ context.Context, _ store.Want, more func([]int)) error {
			add(t, s, data)
			more(nil)
			if fetches.Add(1) == 1 && fails {
				return errors.Join(errDisk, s.Remove(o.Digest))
			}
			return nil
		}), s)
		ex.Know(o.Want)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		get := func(c cid.Cid) (err error) {
			for err = errDisk; err != nil && ctx.Err() == nil; {
				_, err = ex.GetBlock(ctx, c)
			}
			return err
		}
		if err := get(o.Root); err != nil {
			t.Fatal(err)
		}
		ex.wg.Wait()
		if !fails {
			if err := s.Remove(o.Digest); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range chunks(o) {
			if err := get(c); err != nil {
				t.Fatalf("its fetch fails: %v; a chunk: %v", fails, err)
			}
		}
		if n := fetches.Load(); n != 2 {
			t.Errorf("its fetch fails: %v; %d fetches", fails, n)
		}
		cancel()
		_ = ex.Close()
	}
}
