package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ipfs/go-cid"

	"selvage/distribute/store"
)

const (
	aboutName       = "about.json"
	revocationsName = "revocations"
)

// Incoming is a file that was read and checked to its end, and of which nothing is in the store yet.
type Incoming struct {
	Contents Contents
	Blobs    []store.Want
	Bytes    int64 // of the file
	Blocks   int

	intake *store.Intake
}

// Keep puts the blobs into the store and returns those that are new there, which are durable then; so are those
// before one that failed.
func (in *Incoming) Keep() ([]*store.Object, error) { return in.intake.Keep() }

// Close ends it; what was not kept is gone.
func (in *Incoming) Close() { in.intake.Close() }

// Read reads a file as it comes. judge sees what comes before the blobs; it answers with what the blobs of
// Contents.Blobs have to be, in that order, or with the error that Read then returns. What is wrong with the file itself is an
// *Error, with ErrForm, ErrTruncated, ErrDamaged, or an error of the store in its chain. Until Keep nothing has changed.
func Read(ctx context.Context, s *store.Store, r io.Reader, judge func(Contents) ([]store.Want, error)) (*Incoming, error) {
	in := &Incoming{intake: s.Intake()}
	if err := in.read(ctx, s, newReader(r), judge); err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

func (in *Incoming) read(ctx context.Context, s *store.Store, r *reader, judge func(Contents) ([]store.Want, error)) (err error) {
	docs := map[cid.Cid][]byte{}
	if in.Contents, err = r.contents(docs); err != nil {
		return err
	}
	if in.Blobs, err = judge(in.Contents); err != nil {
		return err
	}
	if len(in.Blobs) != len(in.Contents.Blobs) {
		return fmt.Errorf("%d blobs in the file, %d wanted", len(in.Contents.Blobs), len(in.Blobs))
	}
	if err := s.Room(in.Blobs...); err != nil {
		return err
	}
	next := func(c cid.Cid, most int) ([]byte, error) {
		if data, ok := docs[c]; ok {
			return data, nil // a blob can hold what a document says, and it is in the file once
		}
		return r.next(c, most)
	}
	for i, w := range in.Blobs {
		if named := in.Contents.Blobs[i]; w.Digest != named.Digest || !w.Root.Equals(named.Root) {
			return r.fail(r.at, fmt.Errorf("%w: blob %s has another chunk list than its release says", ErrForm, named.Digest))
		}
		at := r.at
		if err := in.intake.Take(ctx, w, next); err != nil {
			return placed(at, err)
		}
	}
	in.Bytes, in.Blocks = r.at, r.blocks
	return r.end()
}

// placed gives an error a place if it has none.
func placed(at int64, err error) error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return err
	}
	return &Error{at, err}
}

// contents reads directories and documents, and notes the latter by their CIDs.
func (r *reader) contents(docs map[cid.Cid][]byte) (c Contents, err error) {
	root, err := r.top()
	if err != nil {
		return c, err
	}
	about, err := r.document(root[0], docs)
	if err != nil {
		return c, err
	}
	c.About = about
	if c.Charters, err = r.documents(root[1], docs); err != nil {
		return c, err
	}
	if c.Releases, err = r.documents(root[2], docs); err != nil {
		return c, err
	}
	if len(root) > 4 {
		if c.Revocations, err = r.documents(root[3], docs); err == nil && len(c.Revocations) == 0 {
			err = r.fail(r.at, fmt.Errorf("%w: a directory of no revocations", ErrForm))
		}
		if err != nil {
			return c, err
		}
	}
	at := r.at
	blobs, err := r.folder(root[len(root)-1].cid)
	if err != nil {
		return c, err
	}
	for _, e := range blobs {
		d, err := store.ParseDigest(e.name)
		if err != nil || d.String() != e.name {
			return c, r.fail(at, fmt.Errorf("%w: %.80q is no name of a blob", ErrForm, e.name))
		}
		c.Blobs = append(c.Blobs, Blob{d, e.cid})
	}
	return c, nil
}

// top reads the header and the root, and returns its entries.
func (r *reader) top() ([]entry, error) {
	c, err := r.root()
	if err != nil {
		return nil, err
	}
	at := r.at
	root, err := r.folder(c)
	if err != nil {
		return nil, err
	}
	names := []string{aboutName, "charters", "releases", "sha256"}
	if len(root) > len(names) {
		names = slices.Insert(names, 3, revocationsName)
	}
	ok := len(root) == len(names)
	for i := range min(len(root), len(names)) {
		ok = ok && root[i].name == names[i]
	}
	if !ok {
		return nil, r.fail(at, fmt.Errorf("%w: its root is another directory", ErrForm))
	}
	return root, nil
}

func (r *reader) folder(c cid.Cid) ([]entry, error) {
	at := r.at
	if c.Prefix().Codec != cid.DagProtobuf {
		return nil, r.fail(at, fmt.Errorf("%w: a directory of another kind", ErrForm))
	}
	data, err := r.next(c, maxFolder)
	if err != nil {
		return nil, err
	}
	entries, err := decodeFolder(data)
	if err != nil {
		return nil, r.fail(at, err)
	}
	return entries, nil
}

func (r *reader) documents(of entry, docs map[cid.Cid][]byte) ([]Document, error) {
	entries, err := r.folder(of.cid)
	if err != nil {
		return nil, err
	}
	var out []Document
	for _, e := range entries {
		data, err := r.document(e, docs)
		if err != nil {
			return nil, err
		}
		out = append(out, Document{e.name, data})
	}
	return out, nil
}

// document reads one that has not come before.
func (r *reader) document(e entry, docs map[cid.Cid][]byte) ([]byte, error) {
	if _, twice := docs[e.cid]; twice || e.cid.Prefix().Codec != cid.Raw {
		return nil, r.fail(r.at, fmt.Errorf("%w: %.80q is another document, or of another kind", ErrForm, e.name))
	}
	got, err := r.next(e.cid, MaxDocument)
	if err != nil {
		return nil, err
	}
	if r.at > maxDocuments {
		return nil, r.fail(r.at, fmt.Errorf("%w: more documents than one file takes", ErrForm))
	}
	data := append([]byte(nil), got...)
	docs[e.cid] = data
	return data, nil
}
