package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sort"
	"time"

	"selvage/internal/disk"
	"selvage/internal/lock"
	"selvage/internal/mutant"
)

// Damage is what went bad of a blob that was whole; the zero value is nothing.
type Damage struct {
	Chunks  int
	Bytes   int64 // of these
	Missing bool  // its file is gone
	Surplus bool  // its file was longer than the blob
}

// OnDamage has f called when a blob was found to have gone bad on this disk: it is not whole any more, what is right of it
// stays, and the rest is to be fetched again. f must not block. Register it before the store is shared.
func (s *Store) OnDamage(f func(*Object, Damage)) { s.damaged = f }

// Unchecked has chunks handed out without a look at their bytes while when says so. It is for simulations of peers that lie.
// Call it before the store is shared.
func (s *Store) Unchecked(when func() bool) { s.unchecked = when }

// Scrub reads the whole of a complete blob, calling pace for each piece before it reads so many bytes, and
// returns what is not as it was. That is forgotten, as OnDamage has it. A chunk list that went bad is mended. On
// a blob that is not complete it does nothing.
func (o *Object) Scrub(ctx context.Context, pace func(bytes int) error) (Damage, error) {
	complete, spoils := o.state()
	if !complete {
		return Damage{}, nil
	}
	if _, err := o.nodes(); err != nil {
		return Damage{}, fmt.Errorf("scrub blob %s: %w", o.Digest, err)
	}
	file, err := o.store.fs.OpenFile(o.store.blobName(o.Digest), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return o.spoil(nil, Damage{Missing: true})
	}
	if err != nil {
		return Damage{}, fmt.Errorf("scrub blob %s: %w", o.Digest, err)
	}
	bad, err := o.recheck(file, func(n int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return pace(n)
	})
	info, serr := file.Stat()
	if err = errors.Join(err, serr, file.Close()); err != nil {
		return Damage{}, fmt.Errorf("scrub blob %s: %w", o.Digest, err)
	}
	surplus := info.Size() > o.Size
	if len(bad) == 0 && !surplus {
		return Damage{}, nil
	}
	if _, now := o.state(); now != spoils { // it was found out meanwhile, and may be right again: there is another file, or what was read is not in it
		return o.Scrub(ctx, pace)
	}
	return o.spoil(bad, Damage{Surplus: surplus})
}

// state returns whether the whole blob is here, and how often it went bad.
func (o *Object) state() (complete bool, spoils int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.complete, o.spoils
}

// spoil makes a complete blob one that is not, without the chunks that are bad, or without any if its file is missing. It
// returns all that there is to say, which is nothing if somebody else has found out.
func (o *Object) spoil(bad map[int]bool, d Damage) (Damage, error) {
	d, err := o.demote(bad, d)
	if d != (Damage{}) && o.store.damaged != nil {
		o.store.damaged(o, d)
	}
	if err != nil {
		return d, fmt.Errorf("blob %s went bad: %w", o.Digest, err)
	}
	return d, nil
}

// Spoilt returns what is still to come of a blob that went bad on this disk, be it before a restart; false if it did not, or is whole again.
func (o *Object) Spoilt() (Damage, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.spoilt {
		return Damage{}, false
	}
	d := Damage{Bytes: o.Size - o.haveBytes, Missing: o.haveBytes == 0}
	if o.have != nil {
		d.Chunks = o.have.Len() - o.have.Count()
		d.Surplus = d.Chunks == 0
	}
	return d, true
}

// demote does it in an order in which a crash leaves the blob as it was, or as it is to be, or at worst not here: what is
// known of the part, the file's new name, and then the index. If only that fails, it is done: Open passes over what the index lists and is
// not in its place.
func (o *Object) demote(bad map[int]bool, d Damage) (Damage, error) {
	s := o.store
	s.mu.Lock()
	defer s.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.complete || s.objects[o.Digest] != o {
		return Damage{}, nil // somebody else has found out, or it was removed
	}
	have := NewBitmap(len(o.chunks))
	for i, c := range o.chunks {
		if !d.Missing && !bad[i] {
			have.Set(i)
			continue
		}
		d.Chunks++
		d.Bytes += int64(c.Size)
	}
	if err := s.writePart(o.Want, have); err != nil {
		return Damage{}, err
	}
	moved := s.fs.Rename(s.blobName(o.Digest), s.partName(o.Digest, ""))
	if moved != nil && !errors.Is(moved, fs.ErrNotExist) {
		return Damage{}, moved
	}
	for _, dir := range []string{"partial", blobsDir} {
		if err := s.fs.SyncDir(s.name(dir)); err != nil {
			if moved == nil {
				_ = s.fs.Rename(s.partName(o.Digest, ""), s.blobName(o.Digest)) // so that it can be tried again, as in moveIn
			}
			return Damage{}, err
		}
	}
	o.closeFile()
	o.complete, o.spoilt, o.completedAt = false, true, time.Time{}
	o.spoils++
	o.learn(o.chunks, have)
	o.local = o.haveBytes
	o.sum, o.summed, o.unsynced = sha256.New(), 0, 0
	s.reindex()
	return d, s.writeIndex()
}

// writePart writes down what is known of a blob that is not whole.
func (s *Store) writePart(w Want, have *Bitmap) error {
	if err := disk.WriteFile(s.fs, s.partName(w.Digest, ".have"), formatHave(have), 0o600); err != nil {
		return err
	}
	return s.writeWant(w, true)
}

// reindex finds the chunks of complete blobs anew. The caller holds mu, and may hold an object's, whose blob is not complete.
func (s *Store) reindex() {
	clear(s.index)
	for _, o := range s.listed() {
		s.indexChunks(o)
	}
}

// check reports the chunks of a run that are not right; nil if all are.
func (o *Object) check(i, n int, data []byte, right func(i int, c Chunk, data []byte) bool) map[int]bool {
	if o.store.unchecked != nil && o.store.unchecked() || mutant.On(mutant.HandOutRot) {
		return nil
	}
	chunks := o.Chunks()
	var bad map[int]bool
	from := chunks[i].Offset
	for k, c := range chunks[i : i+n] {
		if right(i+k, c, data[c.Offset-from:][:c.Size]) {
			continue
		}
		if bad == nil {
			bad = map[int]bool{}
		}
		bad[i+k] = true
	}
	return bad
}

// nodes returns the DAG's nodes, which are made anew if they went bad on this disk and can be.
func (o *Object) nodes() ([][]byte, error) {
	chunks := o.Chunks()
	if chunks == nil {
		return nil, ErrMissing
	}
	nodes, err := o.store.readNodes(o.Digest)
	if err == nil {
		if _, err = readDAG(o.Want, nodes); err == nil {
			return nodes, nil
		}
	}
	root, nodes, berr := buildDAG(slices.Clone(chunks))
	if berr != nil || !root.Equals(o.Root) { // another program has cut it
		return nil, fmt.Errorf("its chunk list: %w: %w", ErrDamaged, err)
	}
	return nodes, o.store.saveNodes(o.Digest, nodes)
}

// Checked reads a complete blob at any offset, and checks each chunk by its mark before it hands out a byte of it. What turns out bad is
// forgotten, as OnDamage has it, and ErrDamaged is in the error's chain. It is safe for concurrent use.
type Checked struct {
	*Reader
	object *Object

	mu    lock.Mutex // held while the disk is read
	chunk int        // in buf; -1 is none
	buf   []byte
}

// OpenChecked is OpenBlob, for who wants to know which chunks went bad. Who trusts the bytes holds all of them against the digest, once.
func (s *Store) OpenChecked(d Digest) (*Checked, error) {
	r, err := s.OpenBlob(d)
	if err != nil {
		return nil, err
	}
	o, ok := s.Object(d)
	if !ok {
		_ = r.Close() // it was only opened
		return nil, fmt.Errorf("open blob %s: %w", d, ErrMissing)
	}
	return &Checked{Reader: r, object: o, chunk: -1, buf: make([]byte, MaxChunk)}, nil
}

// ReadAt implements io.ReaderAt.
func (c *Checked) ReadAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	done := 0
	for done < len(p) && off+int64(done) < c.size {
		data, from, err := c.load(off + int64(done))
		if err != nil {
			return done, err
		}
		done += copy(p[done:], data[off+int64(done)-from:])
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// load returns the chunk that has the byte at an offset, and where it begins. The caller holds mu.
func (c *Checked) load(off int64) ([]byte, int64, error) {
	chunks := c.object.Chunks()
	i := sort.Search(len(chunks), func(i int) bool { return chunks[i].Offset > off }) - 1
	at, data := chunks[i].Offset, c.buf[:chunks[i].Size]
	if i == c.chunk {
		return data, at, nil
	}
	c.chunk = -1
	n, err := c.File.ReadAt(data, at)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, err
	}
	clear(data[n:])
	if c.object.check(i, 1, data, c.object.marked) != nil { // in the file that was opened: the blob may have another by now
		if _, err := c.object.ReadChunks(i, 1, data); err != nil {
			return nil, 0, errors.Join(fmt.Errorf("chunk %d of blob %s: %w", i, c.object.Digest, ErrDamaged), err)
		}
	}
	c.chunk = i
	return data, at, nil
}
