package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/ipfs/boxo/ipld/merkledag"
	mdtest "github.com/ipfs/boxo/ipld/merkledag/test"
	uio "github.com/ipfs/boxo/ipld/unixfs/io"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"pgregory.net/rapid"

	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
)

// content returns n bytes that are the same for the same seed.
func content(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = r.Read(b) // never fails
	return b
}

func open(t testing.TB, fs disk.FS) *Store {
	t.Helper()
	s, err := Open(fs, "store")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func add(t testing.TB, s *Store, data []byte) *Object {
	t.Helper()
	o, err := s.Add(context.Background(), bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func nodesOf(t testing.TB, o *Object) [][]byte {
	t.Helper()
	enc, err := o.Nodes()
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := DecodeNodes(bytes.NewReader(enc))
	if err != nil {
		t.Fatal(err)
	}
	return nodes
}

func read(t testing.TB, s *Store, d Digest) []byte {
	t.Helper()
	r, err := s.OpenBlob(d)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fetch copies a blob from one store to another, chunk by chunk, in random order.
func fetch(t testing.TB, to *Store, from *Object, seed uint64) *Object {
	t.Helper()
	o, err := to.Begin(from.Want)
	if err != nil {
		t.Fatal(err)
	}
	if o.Chunks() == nil {
		if err := o.SetNodes(nodesOf(t, from)); err != nil {
			t.Fatal(err)
		}
	}
	chunks := o.Chunks()
	buf := make([]byte, MaxChunk)
	for _, i := range rand.New(rand.NewPCG(seed, 1)).Perm(len(chunks)) {
		n, err := from.ReadChunks(i, 1, buf)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Put(i, buf[:n]); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Finish(); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestAddFetchReopen(t *testing.T) {
	for _, n := range []int{0, 1, minChunk, 100_000, 5 << 20} {
		data := content(1, n)
		seed := open(t, memdisk.New(0))
		from := add(t, seed, data)
		if from.Digest != sha256.Sum256(data) || from.Size != int64(n) {
			t.Fatalf("%d bytes: added as %+v", n, from.Want)
		}
		fs := memdisk.New(0)
		s := open(t, fs)
		fetch(t, s, from, uint64(n))
		for range 2 {
			if !bytes.Equal(read(t, s, from.Digest), data) {
				t.Fatalf("%d bytes: other bytes came out", n)
			}
			s = open(t, fs)
		}
		if o, ok := s.Object(from.Digest); !ok || o.Info().CompletedAt.IsZero() || !o.Have().Full() {
			t.Fatalf("%d bytes: after reopening: %+v", n, o.Info())
		}
	}
}

// The places of cuts, and the shape of the DAG, are part of the format.
func TestGoldenRoots(t *testing.T) {
	s := open(t, memdisk.New(0))
	for n, want := range map[int]string{
		0:        "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
		100_000:  "bafybeiagg32nv65bvwjdl2vm3ru5dchbucbhcblivbgm7hj2ubhriap4pu",
		64 << 20: "bafybeietbmvawjctfwnacrvtw6yqufgdn7lkakn6zixhixlfsn7aibhfau",
	} {
		if got := add(t, s, content(7, n)).Root.String(); got != want {
			t.Errorf("%d bytes: root %s, want %s", n, got, want)
		}
	}
}

// Any IPFS tool can read what is stored: boxo's own reader does.
func TestReadableAsUnixFS(t *testing.T) {
	ctx := context.Background()
	s, data := open(t, memdisk.New(0)), content(3, 40<<20)
	o := add(t, s, data)
	dag := mdtest.Mock()
	for _, n := range nodesOf(t, o) {
		node, err := merkledag.DecodeProtobufBlock(mustBlock(t, n, cid.DagProtobuf))
		if err != nil {
			t.Fatal(err)
		}
		if err := dag.Add(ctx, node); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, MaxChunk)
	for i := range o.Chunks() {
		n, err := o.ReadChunks(i, 1, buf)
		if err != nil {
			t.Fatal(err)
		}
		if err := dag.Add(ctx, merkledag.NewRawNode(bytes.Clone(buf[:n]))); err != nil {
			t.Fatal(err)
		}
	}
	root, err := dag.Get(ctx, o.Root)
	if err != nil {
		t.Fatal(err)
	}
	r, err := uio.NewDagReader(ctx, root, dag)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("boxo reads %d other bytes, %v", len(got), err)
	}
}

func mustBlock(t *testing.T, data []byte, codec uint64) blocks.Block {
	t.Helper()
	b, err := blocks.NewBlockWithCid(data, cidOf(codec, sha256.Sum256(data)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A small edit keeps most chunks and most of the DAG.
func TestNextVersionSharesMost(t *testing.T) {
	s, v1 := open(t, memdisk.New(0)), content(4, 16<<20)
	add(t, s, v1)
	v2 := append(append(bytes.Clone(v1[:5<<20]), "an insertion"...), v1[5<<20:]...)
	other := open(t, memdisk.New(0))
	from := add(t, other, v2)
	o, err := s.Begin(from.Want)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.SetNodes(nodesOf(t, from)); err != nil {
		t.Fatal(err)
	}
	filled, err := o.FillLocal(context.Background())
	if err != nil || filled < int64(len(v2))-4*MaxChunk {
		t.Fatalf("%d of %d bytes came from the old version, %v", filled, len(v2), err)
	}
	fetch(t, s, from, 1)
	if !bytes.Equal(read(t, s, from.Digest), v2) {
		t.Fatal("other bytes came out")
	}
}

func TestTwinsAreFetchedOnce(t *testing.T) {
	data := bytes.Repeat(content(5, MaxChunk*8), 4)
	from := add(t, open(t, memdisk.New(0)), data)
	s := open(t, memdisk.New(0))
	o, err := s.Begin(from.Want)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.SetNodes(nodesOf(t, from)); err != nil {
		t.Fatal(err)
	}
	puts, buf := 0, make([]byte, MaxChunk)
	for i := range o.Chunks() {
		if o.Has(i) {
			continue
		}
		n, err := from.ReadChunks(i, 1, buf)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Put(i, buf[:n]); err != nil {
			t.Fatal(err)
		}
		puts++
	}
	if puts >= len(o.Chunks())*2/3 {
		t.Errorf("%d puts for %d chunks", puts, len(o.Chunks()))
	}
	if err := o.Finish(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, s, from.Digest), data) {
		t.Fatal("other bytes came out")
	}
}

func TestCorruptChunkIsRefused(t *testing.T) {
	from := add(t, open(t, memdisk.New(0)), content(6, 1<<20))
	o, err := open(t, memdisk.New(0)).Begin(from.Want)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.SetNodes(nodesOf(t, from)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, MaxChunk)
	n, err := from.ReadChunks(0, 1, buf)
	if err != nil {
		t.Fatal(err)
	}
	buf[n/2] ^= 1
	for _, bad := range [][]byte{buf[:n], buf[:n-1], nil} {
		if _, err := o.Put(0, bad); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
	if o.Have().Count() != 0 {
		t.Error("a corrupt chunk counts")
	}
}

// A release may promise a digest that its chunk list is not: nothing of it is kept.
func TestChunksOfAnotherBlob(t *testing.T) {
	from := add(t, open(t, memdisk.New(0)), content(8, 1<<20))
	w := from.Want
	w.Digest[0] ^= 1
	s := open(t, memdisk.New(0))
	o, err := s.Begin(w)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.SetNodes(nodesOf(t, from)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, MaxChunk)
	for i := range o.Chunks() {
		n, _ := from.ReadChunks(i, 1, buf)
		if _, err := o.Put(i, buf[:n]); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Finish(); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("got %v", err)
	}
	if o.Have().Count() != 0 || o.Complete() {
		t.Error("chunks of another blob count")
	}
	if _, err := s.OpenBlob(w.Digest); !errors.Is(err, ErrMissing) {
		t.Errorf("open: %v", err)
	}
}

func TestBadLists(t *testing.T) {
	from := add(t, open(t, memdisk.New(0)), content(9, 20<<20))
	nodes := nodesOf(t, from)
	for name, c := range map[string]struct {
		want  func(*Want)
		nodes [][]byte
	}{
		"missing node": {nil, nodes[:len(nodes)-1]},
		"surplus node": {nil, append(append([][]byte{}, nodes...), nodes[0])},
		"altered node": {nil, append([][]byte{append(bytes.Clone(nodes[0]), 0)}, nodes[1:]...)},
		"smaller size": {func(w *Want) { w.Size-- }, nodes},
		"larger size":  {func(w *Want) { w.Size++ }, nodes},
		"other root":   {func(w *Want) { w.Root = cidOf(cid.DagProtobuf, sha256.Sum256(nil)) }, nodes},
		"no nodes":     {nil, nil},
		"negative":     {func(w *Want) { w.Size = -1 }, nodes},
	} {
		w := from.Want
		if c.want != nil {
			c.want(&w)
		}
		if _, err := readDAG(w, c.nodes); !errors.Is(err, ErrDAG) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFullDisk(t *testing.T) {
	from := add(t, open(t, memdisk.New(0)), content(10, 4<<20))
	small := open(t, memdisk.New(1<<20))
	if _, err := small.Begin(from.Want); !errors.Is(err, disk.ErrFull) {
		t.Errorf("begin: %v", err)
	}
	if _, err := small.Add(context.Background(), bytes.NewReader(content(10, 4<<20))); !errors.Is(err, disk.ErrFull) {
		t.Errorf("add: %v", err)
	}
	o := add(t, small, content(11, 100_000))
	if !o.Complete() || len(small.Objects()) != 1 {
		t.Error("after a full disk nothing more can be added")
	}
}

func TestGoneAtRestart(t *testing.T) {
	fs := memdisk.New(0)
	s := open(t, fs)
	o := add(t, s, content(12, 1<<20))
	if err := fs.Remove(s.blobName(o.Digest)); err != nil {
		t.Fatal(err)
	}
	if len(open(t, fs).Objects()) != 0 {
		t.Error("a blob that is gone is still listed after a restart")
	}
}

// At whichever operation the power goes, what is there afterwards is right, is no less than what was durable, and the fetch can go on.
func TestPowerLoss(t *testing.T) {
	data := content(13, 600_000)
	from := add(t, open(t, memdisk.New(0)), data)
	rapid.Check(t, func(t *rapid.T) {
		fs := memdisk.New(0)
		cut := errors.New("the power went")
		steps, last := 0, rapid.OneOf(rapid.IntRange(0, 60), rapid.IntRange(60, 90)).Draw(t, "operations before the cut")
		fs.OnOp = func(string, string) error {
			if steps++; steps > last {
				return cut
			}
			return nil
		}
		durable, whole := partly(fs, from, data, rapid.Uint64().Draw(t, "order"))
		after := fs.Crash(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "crash"), 0)))
		s, err := Open(after, "store")
		if err != nil {
			t.Fatalf("reopen: %v", err)
		}
		o, ok := s.Object(from.Digest)
		if whole && (!ok || !o.Complete()) {
			t.Fatal("a complete blob is lost")
		}
		if ok {
			checkChunks(t, o, data)
		}
		if durable > 0 && (!ok || o.Info().Have < durable) {
			t.Fatalf("of %d bytes that were durable some are lost", durable)
		}
		if again, err := s.Begin(from.Want); err != nil {
			t.Fatal(err)
		} else if !again.Complete() {
			finish(t, again, from)
		}
		r, err := s.OpenBlob(from.Digest)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
		if !bytes.Equal(got, data) {
			t.Fatal("other bytes came out")
		}
	})
}

// partly fetches until an error, and returns how many bytes a Flush made durable, and whether the blob became complete.
func partly(fs disk.FS, from *Object, data []byte, seed uint64) (durable int64, whole bool) {
	s, err := Open(fs, "store")
	if err != nil {
		return 0, false
	}
	o, err := s.Begin(from.Want)
	if err != nil {
		return 0, false
	}
	enc, _ := from.Nodes()
	nodes, _ := DecodeNodes(bytes.NewReader(enc))
	if o.SetNodes(nodes) != nil {
		return 0, false
	}
	chunks := o.Chunks()
	for k, i := range rand.New(rand.NewPCG(seed, 2)).Perm(len(chunks)) {
		c := chunks[i]
		if _, err := o.Put(i, data[c.Offset:c.Offset+int64(c.Size)]); err != nil {
			return durable, false
		}
		if k%3 != 0 {
			continue
		}
		if o.Flush() != nil {
			return durable, false
		}
		durable = o.Info().Have
	}
	return durable, o.Finish() == nil
}

// At whichever operation of publishing a blob the power goes, and whatever the disk keeps of what was not synced, all of it is there, and
// it is whole without a byte being put again.
func TestPowerLossAtPublish(t *testing.T) {
	data := content(14, 300_000)
	from := add(t, open(t, memdisk.New(0)), data)
	for last, done := 0, false; !done; last++ {
		for seed := range uint64(8) {
			fs := memdisk.New(0)
			o := begun(t, open(t, fs), from, data, 0)
			if err := o.Flush(); err != nil {
				t.Fatal(err)
			}
			steps := 0
			fs.OnOp = func(string, string) error {
				if steps++; steps > last {
					return errors.New("the power went")
				}
				return nil
			}
			_ = o.Finish() // it fails, or the cut comes after it
			done = steps <= last
			s := open(t, fs.Crash(rand.New(rand.NewPCG(seed, 0))))
			if o, ok := s.Object(from.Digest); !ok || o.Info().Have < from.Size {
				t.Fatalf("cut at %d: it is there: %v", last, ok)
			} else if err := o.Finish(); err != nil {
				t.Fatalf("cut at %d: %v", last, err)
			}
			if !bytes.Equal(read(t, s, from.Digest), data) {
				t.Fatalf("cut at %d: other bytes came out", last)
			}
		}
	}
}

func checkChunks(t *rapid.T, o *Object, data []byte) {
	buf := make([]byte, MaxChunk)
	for i, c := range o.Chunks() {
		if !o.Has(i) {
			continue
		}
		n, err := o.ReadChunks(i, 1, buf)
		if err != nil || !bytes.Equal(buf[:n], data[c.Offset:c.Offset+int64(c.Size)]) {
			t.Fatalf("chunk %d is vouched for and is not right: %v", i, err)
		}
	}
}

func finish(t *rapid.T, o *Object, from *Object) {
	if o.Chunks() == nil {
		enc, _ := from.Nodes()
		nodes, _ := DecodeNodes(bytes.NewReader(enc))
		if err := o.SetNodes(nodes); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, MaxChunk)
	for i := range o.Chunks() {
		n, err := from.ReadChunks(i, 1, buf)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Put(i, buf[:n]); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Finish(); err != nil {
		t.Fatal(err)
	}
}
