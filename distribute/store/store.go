package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/ipfs/go-cid"

	"selvage/internal/disk"
	"selvage/internal/lock"
)

var (
	// ErrCorrupt: bytes are not what their name says.
	ErrCorrupt = errors.New("bytes do not match their digest")
	// ErrDamaged: bytes that were right are so no more, and were forgotten.
	ErrDamaged = errors.New("bytes went bad on this disk")
	// ErrMissing: a blob, or a part of it, is not here.
	ErrMissing = errors.New("blob is not here")

	errOther = errors.New("it is known with another size or chunk list")
	errGone  = fmt.Errorf("it was given up meanwhile: %w", ErrMissing)
)

// The media type and annotations of the index.
const (
	mediaType     = "application/vnd.selvage.blob.v1"
	annRoot       = "dev.selvage.root"
	annCompleted  = "dev.selvage.completed"
	maxIndex      = 16 << 20 // bytes
	maxWant       = 4 << 10  // likewise, of a .want file
	blobsDir      = "blobs/sha256"
	tempPrefix    = "add-"
	layoutVersion = `{"imageLayoutVersion":"1.0.0"}`
)

// Store is a directory of blobs. It is safe for concurrent use.
type Store struct {
	fs        disk.FS
	dir       string
	damaged   func(*Object, Damage) // nil: nobody wants to know
	unchecked func() bool           // nil: never

	mu      lock.Mutex // taken before an object's
	objects map[Digest]*Object
	index   map[[32]byte]place // where complete blobs have each chunk
	shared  sharing
	temps   int
}

// place is a chunk in a complete blob.
type place struct {
	object *Object
	chunk  int32
}

// Open opens the store in a directory of fs, made if need be, and finishes or removes what a
// crash left half done. Whatever has become of a file of it, it opens: what of the list of blobs and of chunk lists
// cannot be read is made anew from the blobs, each of which is read as a whole for that.
func Open(fs disk.FS, dir string) (*Store, error) {
	s := &Store{fs: fs, dir: dir, objects: map[Digest]*Object{}, index: map[[32]byte]place{}}
	for _, step := range []func() error{s.makeDirs, s.removeFolders, s.writeLayout, s.readBlobs, s.readPartials} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
	}
	return s, nil
}

func (s *Store) name(parts ...string) string        { return path.Join(append([]string{s.dir}, parts...)...) }
func (s *Store) blobName(d Digest) string           { return s.name(blobsDir, d.String()) }
func (s *Store) dagName(d Digest) string            { return s.name("dag", d.String()) }
func (s *Store) partName(d Digest, e string) string { return s.name("partial", d.String()+e) }

func (s *Store) tempName() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.temps++
	return s.name("partial", fmt.Sprintf("%s%d", tempPrefix, s.temps))
}

// makeDirs makes the directories, to stay: after a power cut there may be no room to make them again.
func (s *Store) makeDirs() error {
	for _, d := range []string{blobsDir, "dag", "partial"} {
		if err := s.fs.MkdirAll(s.name(d), 0o700); err != nil {
			return err
		}
	}
	for _, parent := range []string{path.Dir(s.name(blobsDir)), s.dir, path.Dir(s.dir)} {
		if err := s.fs.SyncDir(parent); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) writeLayout() error {
	name := s.name("oci-layout")
	if _, err := s.fs.Stat(name); err == nil {
		return nil
	}
	return disk.WriteFile(s.fs, name, []byte(layoutVersion), 0o600)
}

// ociIndex is the part of an OCI image index that the store uses (image-spec 1.1, image-index.md).
type ociIndex struct {
	SchemaVersion int             `json:"schemaVersion"`
	MediaType     string          `json:"mediaType"`
	Manifests     []ociDescriptor `json:"manifests"`
}

type ociDescriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// indexed is a blob that the index lists.
type indexed struct {
	Want
	at time.Time
}

// parseIndex passes over what is not a blob of ours, and what cannot be read.
func parseIndex(data []byte) (all []indexed) {
	var idx ociIndex
	if json.Unmarshal(data, &idx) != nil {
		return nil
	}
	for _, d := range idx.Manifests {
		digest, err := ParseDigest(strings.TrimPrefix(d.Digest, "sha256:"))
		root, rerr := cid.Decode(d.Annotations[annRoot])
		at, terr := time.Parse(time.RFC3339Nano, d.Annotations[annCompleted])
		if d.MediaType == mediaType && errors.Join(err, rerr, terr) == nil {
			all = append(all, indexed{Want{digest, d.Size, root}, at})
		}
	}
	return all
}

// load takes in a complete blob that the index lists, if its file is there, of that size, and its chunk list is right.
func (s *Store) load(b indexed) {
	info, err := s.fs.Stat(s.blobName(b.Digest))
	if err != nil || info.Size() != b.Size {
		return
	}
	nodes, err := s.readNodes(b.Digest)
	if err != nil {
		return
	}
	chunks, err := readDAG(b.Want, nodes)
	if err != nil {
		return
	}
	s.list(added{want: b.Want, chunks: chunks}, b.at)
}

// list takes in a blob that is whole, in its place. Nobody else knows s.
func (s *Store) list(a added, at time.Time) {
	o := newObject(s, a.want)
	o.whole(a)
	o.complete, o.completedAt = true, at
	s.objects[o.Digest] = o
	s.indexChunks(o)
}

func (s *Store) readNodes(d Digest) ([][]byte, error) {
	f, err := s.fs.OpenFile(s.dagName(d), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return DecodeNodes(f)
}

func (s *Store) indexChunks(o *Object) {
	for i, c := range o.chunks {
		s.index[c.Hash] = place{o, int32(i)}
	}
}

// listed returns the complete blobs, and those that are about to be, by digest. The caller holds mu.
func (s *Store) listed(extra ...*Object) []*Object {
	all := map[Digest]*Object{}
	for d, o := range s.objects {
		if o.complete {
			all[d] = o
		}
	}
	for _, o := range extra {
		all[o.Digest] = o
	}
	return slices.SortedFunc(maps.Values(all), func(a, b *Object) int { return bytes.Compare(a.Digest[:], b.Digest[:]) })
}

// formatIndex writes index.json. The caller holds mu, or nobody else knows s.
func (s *Store) formatIndex(extra ...*Object) ([]byte, error) {
	idx := ociIndex{SchemaVersion: 2, MediaType: "application/vnd.oci.image.index.v1+json", Manifests: []ociDescriptor{}}
	for _, o := range s.listed(extra...) {
		idx.Manifests = append(idx.Manifests, ociDescriptor{MediaType: mediaType, Digest: "sha256:" + o.Digest.String(), Size: o.Size,
			Annotations: map[string]string{annRoot: o.Root.String(), annCompleted: o.completedAt.UTC().Format(time.RFC3339Nano)}})
	}
	return json.Marshal(idx)
}

// writeIndex is durable when it returns. The caller holds mu, or nobody else knows s.
func (s *Store) writeIndex(extra ...*Object) error {
	data, err := s.formatIndex(extra...)
	if err != nil {
		return err
	}
	return disk.WriteFile(s.fs, s.name("index.json"), data, 0o600)
}

// moveIn gives a checked and synced file the name of its blob, and lists it. The caller holds
// s.mu and o.mu.
func (s *Store) moveIn(temp string, o *Object) error {
	if err := s.fs.Rename(temp, s.blobName(o.Digest)); err != nil {
		return err
	}
	o.completedAt = time.Now()
	err := s.fs.SyncDir(s.name(blobsDir))
	if err == nil {
		err = s.writeIndex(o)
	}
	if err != nil {
		_ = s.fs.Rename(s.blobName(o.Digest), temp) // so that it can be tried again; if it fails too, Open tidies up
		return err
	}
	o.complete, o.spoilt = true, false
	o.closeFile()
	s.objects[o.Digest] = o
	for _, e := range []string{"", ".have", ".want", ".at", ".raw"} {
		_ = s.fs.Remove(s.partName(o.Digest, e)) // a leftover is swept at the next start
	}
	return nil
}

// wantFile is a .want file.
type wantFile struct {
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
	Root   string `json:"root"`
	Spoilt bool   `json:"spoilt,omitempty"` // it was whole before
}

func parseWant(data []byte) (w Want, spoilt bool, err error) {
	var f wantFile
	if err := json.Unmarshal(data, &f); err != nil {
		return Want{}, false, err
	}
	digest, err := ParseDigest(f.Digest)
	if err != nil {
		return Want{}, false, err
	}
	root, err := cid.Decode(f.Root)
	if err == nil && f.Size < 0 {
		err = fmt.Errorf("a blob of %d bytes", f.Size)
	}
	return Want{digest, f.Size, root}, f.Spoilt, err
}

// Begin returns the object of a blob that is to be had, which may be here, in part or whole. It
// fails with disk.ErrFull in the chain if there is no room for what is missing.
func (s *Store) Begin(w Want) (*Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.objects[w.Digest]; o != nil {
		if o.Size != w.Size || !o.Root.Equals(w.Root) {
			return nil, fmt.Errorf("fetch blob %s: %w", w.Digest, errOther)
		}
		o.use()
		return o, nil
	}
	o, err := s.begin(w)
	if err != nil {
		return nil, fmt.Errorf("fetch blob %s: %w", w.Digest, err)
	}
	o.use()
	s.objects[w.Digest] = o
	return o, nil
}

// begin makes the object of a blob of which nothing is here. The caller holds mu.
func (s *Store) begin(w Want) (*Object, error) {
	o := newObject(s, w)
	switch _, codec, err := hashOf(w.Root); {
	case err != nil:
		return nil, err
	case w.Size < 0:
		return nil, fmt.Errorf("%w: a blob of %d bytes", ErrDAG, w.Size)
	case codec == cid.Raw: // the one chunk is the whole list
		chunks, err := readDAG(w, nil)
		if err != nil {
			return nil, err
		}
		o.learn(chunks, nil)
	}
	if err := s.room(uint64(w.Size)); err != nil {
		return nil, err
	}
	return o, s.writeWant(w, false)
}

// writeWant is durable when it returns.
func (s *Store) writeWant(w Want, spoilt bool) error {
	data, err := json.Marshal(wantFile{w.Digest.String(), w.Size, w.Root.String(), spoilt})
	if err != nil {
		return err
	}
	return disk.WriteFile(s.fs, s.partName(w.Digest, ".want"), data, 0o600)
}

// drop forgets a blob of which nothing is to stay. The caller holds mu, and the object's.
func (s *Store) drop(o *Object) {
	if s.objects[o.Digest] != o {
		return
	}
	delete(s.objects, o.Digest)
	o.gone = true
	for _, name := range []string{s.partName(o.Digest, ".want"), s.partName(o.Digest, ".have"), s.partName(o.Digest, ""),
		s.partName(o.Digest, ".at"), s.partName(o.Digest, ".raw"), s.dagName(o.Digest)} {
		_ = s.fs.Remove(name) // a leftover is swept at the next start
	}
}

// Object returns what the store has of a blob.
func (s *Store) Object(d Digest) (*Object, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[d]
	return o, ok
}

// Objects returns all of them, by digest.
func (s *Store) Objects() []*Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.objects), func(a, b *Object) int { return bytes.Compare(a.Digest[:], b.Digest[:]) })
}

// Close lets go of open files. Nothing may use the store after it.
func (s *Store) Close() error {
	var first error
	for _, o := range s.Objects() {
		if err := o.Flush(); err != nil && first == nil {
			first = err
		}
		o.mu.Lock()
		o.closeFile()
		o.mu.Unlock()
	}
	return first
}
