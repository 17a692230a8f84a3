package media

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ipfs/boxo/ipld/merkledag"
	mdtest "github.com/ipfs/boxo/ipld/merkledag/test"
	uio "github.com/ipfs/boxo/ipld/unixfs/io"
	"github.com/ipfs/go-cid"
	format "github.com/ipfs/go-ipld-format"
	car "github.com/ipld/go-car/v2"
	dagpb "github.com/ipld/go-codec-dagpb"
	"github.com/ipld/go-ipld-prime"
	_ "github.com/ipld/go-ipld-prime/codec/raw"
	cidlink "github.com/ipld/go-ipld-prime/linking/cid"
	"github.com/ipld/go-ipld-prime/node/basicnode"
	selectorparse "github.com/ipld/go-ipld-prime/traversal/selector/parse"

	"selvage/distribute/store"
	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
)

// content returns n bytes that are the same for the same seed.
func content(seed byte, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{seed})
	_, _ = r.Read(b) // never fails
	return b
}

func open(t testing.TB, fs disk.FS) *store.Store {
	t.Helper()
	s, err := store.Open(fs, "store")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func add(t testing.TB, s *store.Store, data []byte) *store.Object {
	t.Helper()
	o, err := s.Add(context.Background(), bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// shelf is a store with blobs that repeat themselves and each other, and the plan of a file of all of them.
func shelf(t testing.TB) (*Plan, [][]byte) {
	t.Helper()
	v1 := content(1, 3<<20)
	contents := [][]byte{
		v1,
		slices.Concat(v1[:1<<20], []byte("an insertion"), v1[1<<20:]),
		make([]byte, 20<<20), // the same chunk and the same nodes over and over
		{},
		[]byte(`{"a":"release"}`), // what a document says
		content(2, 5000),
	}
	s := open(t, memdisk.New(0))
	var blobs []*store.Object
	for _, c := range contents {
		blobs = append(blobs, add(t, s, c))
	}
	p, err := Lay(documents(), blobs)
	if err != nil {
		t.Fatal(err)
	}
	return p, contents
}

func documents() Contents {
	return Contents{
		About:       []byte(`{"about":1}`),
		Charters:    []Document{{"00001.json", []byte("one")}, {"00002.json", []byte("two")}},
		Revocations: []Document{{"00002.json", []byte("he")}, {"00001.json", []byte("she")}},
		Releases:    []Document{{"b@1.json", []byte(`{"b":"release"}`)}, {"a@1.json", []byte(`{"a":"release"}`)}},
	}
}

func write(t testing.TB, p *Plan) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := p.Write(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// wanting is a judge that has the wants of a plan.
func wanting(p *Plan) func(Contents) ([]store.Want, error) {
	known := map[store.Digest]store.Want{}
	for _, o := range p.blobs {
		known[o.Digest] = o.Want
	}
	return func(c Contents) (all []store.Want, err error) {
		for _, b := range c.Blobs {
			w, ok := known[b.Digest]
			if !ok {
				return nil, errors.New("nobody wants it")
			}
			all = append(all, w)
		}
		return all, nil
	}
}

func TestThereAndBack(t *testing.T) {
	p, contents := shelf(t)
	file := write(t, p)
	if int64(len(file)) != p.Bytes || !bytes.Equal(file, write(t, p)) {
		t.Fatalf("%d bytes, planned %d, or not the same twice", len(file), p.Bytes)
	}
	fs := memdisk.New(0)
	s := open(t, fs)
	add(t, s, contents[0]) // one is there already
	in, err := Read(t.Context(), s, bytes.NewReader(file), wanting(p))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(s.Objects()); n != 1 {
		t.Errorf("%d blobs are there before they are kept", n)
	}
	kept, err := in.Keep()
	in.Close()
	if err != nil || len(kept) != len(contents)-1 || in.Bytes != p.Bytes || in.Blocks != p.Blocks {
		t.Fatalf("kept %d, %d bytes, %d blocks, %v", len(kept), in.Bytes, in.Blocks, err)
	}
	if got := in.Contents; string(got.About) != `{"about":1}` || len(got.Charters) != 2 || got.Releases[0].Name != "a@1.json" || len(got.Revocations) != 2 || string(got.Revocations[0].Data) != "she" || string(got.Releases[1].Data) != `{"b":"release"}` {
		t.Errorf("contents %+v", got)
	}
	for range 2 { // and after a restart
		for _, o := range p.blobs {
			r, err := s.OpenBlob(o.Digest)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
			if err != nil || !slices.ContainsFunc(contents, func(c []byte) bool { return bytes.Equal(c, got) }) || r.Size() != o.Size {
				t.Errorf("blob %s: %d other bytes, %v", o.Digest, len(got), err)
			}
			_ = r.Close()
		}
		s = open(t, fs)
	}
}

// blocks are those of a file, as go-car's own reader finds them.
func blocks(t testing.TB, file []byte) (cid.Cid, format.DAGService) {
	t.Helper()
	r, err := car.NewBlockReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if r.Version != 1 || len(r.Roots) != 1 {
		t.Fatalf("version %d, roots %v", r.Version, r.Roots)
	}
	dag := mdtest.Mock()
	for {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Roots[0], dag
		}
		if err != nil {
			t.Fatal(err)
		}
		var node format.Node = merkledag.NewRawNode(b.RawData())
		if b.Cid().Prefix().Codec == cid.DagProtobuf {
			if node, err = merkledag.DecodeProtobufBlock(b); err != nil {
				t.Fatal(err)
			}
		}
		if err := dag.Add(context.Background(), node); err != nil {
			t.Fatal(err)
		}
	}
}

// Other tools read the file: go-car its blocks, boxo its directories and files.
func TestPeersRead(t *testing.T) {
	ctx := t.Context()
	p, contents := shelf(t)
	root, dag := blocks(t, write(t, p))
	if !root.Equals(p.Root) {
		t.Fatalf("root %s, want %s", root, p.Root)
	}
	read := func(path ...string) []byte {
		t.Helper()
		node, err := dag.Get(ctx, root)
		for _, name := range path {
			if err != nil {
				t.Fatal(err)
			}
			var dir uio.Directory
			if dir, err = uio.NewDirectoryFromNode(dag, node); err == nil {
				node, err = dir.Find(ctx, name)
			}
		}
		if err != nil {
			t.Fatalf("%v: %v", path, err)
		}
		r, err := uio.NewDagReader(ctx, node, dag)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if got := read("releases", "a@1.json"); string(got) != `{"a":"release"}` {
		t.Errorf("the release: %s", got)
	}
	if got := read("charters", "00002.json"); string(got) != "two" {
		t.Errorf("the charter: %s", got)
	}
	for _, o := range p.blobs {
		got := read("sha256", o.Digest.String())
		if !slices.ContainsFunc(contents, func(c []byte) bool { return bytes.Equal(c, got) }) || int64(len(got)) != o.Size {
			t.Errorf("blob %s: boxo reads %d other bytes", o.Digest, len(got))
		}
	}
}

// What go-car writes of the same directory is the same file, byte for byte.
func TestPeersWriteTheSame(t *testing.T) {
	p, _ := shelf(t)
	file := write(t, p)
	root, dag := blocks(t, file)
	links := cidlink.DefaultLinkSystem()
	links.TrustedStorage = true
	links.StorageReadOpener = func(c ipld.LinkContext, l ipld.Link) (io.Reader, error) {
		node, err := dag.Get(context.Background(), l.(cidlink.Link).Cid)
		if err != nil {
			return nil, err
		}
		return bytes.NewReader(node.RawData()), nil
	}
	var again bytes.Buffer
	chooser := dagpb.AddSupportToChooser(func(ipld.Link, ipld.LinkContext) (ipld.NodePrototype, error) { return basicnode.Prototype.Any, nil })
	_, err := car.TraverseV1(t.Context(), &links, root, selectorparse.CommonSelector_ExploreAllRecursively, &again, car.WithTraversalPrototypeChooser(chooser))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.Bytes(), file) {
		t.Errorf("go-car writes %d bytes, this package %d", again.Len(), len(file))
	}
}

// A blob that went bad is not written as if it were good.
func TestRotIsNotExported(t *testing.T) {
	fs := memdisk.New(0)
	s := open(t, fs)
	o := add(t, s, content(3, 200_000))
	p, err := Lay(documents(), []*store.Object{o})
	if err != nil {
		t.Fatal(err)
	}
	alter(t, fs, "store/blobs/sha256/"+o.Digest.String(), 100_000)
	if err := p.Write(t.Context(), io.Discard); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("got %v", err)
	}
}
