package store

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"sync"
	"time"

	"selvage/internal/disk"
)

// How much of a fetch a crash may cost.
const (
	SyncEvery = 500 * time.Millisecond
	syncBytes = 64 << 20
)

// Object is one blob as the store has it. It is safe for concurrent use.
type Object struct {
	Want
	store *Store

	mu          sync.Mutex
	chunks      []Chunk       // nil until the chunk list is known
	twins       map[int][]int // chunks that are the same as an earlier one, by that one
	first       map[int]int   // and the other way round
	have        *Bitmap
	haveBytes   int64
	local       int64 // bytes that came from other blobs of this store, or were added here
	complete    bool
	completedAt time.Time
	file        disk.File // open while in use: the partial file, or the blob

	unsynced int64 // bytes put since the last Flush
	synced   time.Time
	flushing bool

	sum    hash.Hash // of the first summed chunks
	summed int
}

func newObject(s *Store, w Want) *Object {
	return &Object{Want: w, store: s, sum: sha256.New(), synced: time.Now()}
}

// learn takes the chunk list. The caller holds mu, or nobody else knows o.
func (o *Object) learn(chunks []Chunk, have *Bitmap) {
	o.chunks, o.have = chunks, NewBitmap(len(chunks))
	o.twins, o.first = map[int][]int{}, map[int]int{}
	seen := make(map[[sha256.Size]byte]int, len(chunks))
	for i, c := range chunks {
		if j, ok := seen[c.Hash]; ok {
			o.twins[j] = append(o.twins[j], i)
			o.first[i] = j
		} else {
			seen[c.Hash] = i
		}
	}
	o.haveBytes = 0
	for i, c := range chunks {
		if have != nil && have.Has(i) {
			o.have.Set(i)
			o.haveBytes += int64(c.Size)
		}
	}
}

// Complete reports whether the whole blob is here, checked.
func (o *Object) Complete() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.complete
}

// Info is how much of a blob is here.
type Info struct {
	Want
	Have        int64 // bytes
	Local       int64 // of these, bytes that other blobs of this store had, or that were added here
	Complete    bool
	CompletedAt time.Time
	Chunks      int // 0 while the chunk list is not known
}

// Info returns how much of the blob is here.
func (o *Object) Info() Info {
	o.mu.Lock()
	defer o.mu.Unlock()
	return Info{o.Want, o.haveBytes, o.local, o.complete, o.completedAt, len(o.chunks)}
}

// Chunks returns the chunk list; nil while it is not known. Callers must not change it.
func (o *Object) Chunks() []Chunk {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.chunks
}

// Have returns a copy of the set of chunks that are here; nil while the list is not known.
func (o *Object) Have() *Bitmap {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.have == nil {
		return nil
	}
	return o.have.Clone()
}

// Nodes returns the nodes of the DAG as EncodeNodes writes them; ErrMissing if they are not here.
func (o *Object) Nodes() ([]byte, error) {
	if o.Chunks() == nil {
		return nil, ErrMissing
	}
	nodes, err := o.store.readNodes(o.Digest)
	return EncodeNodes(nodes), err
}

// SetNodes takes the nodes of the DAG from elsewhere, each before its children, and checks all of
// them against the root; ErrDAG is in the error's chain if they are not what was promised.
func (o *Object) SetNodes(nodes [][]byte) error {
	chunks, err := readDAG(o.Want, nodes)
	if err != nil {
		return err
	}
	if err := o.store.saveNodes(o.Digest, nodes); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.chunks == nil {
		o.learn(chunks, nil)
	}
	return nil
}

// open returns the file, opened if need be. The caller holds mu.
func (o *Object) open() (disk.File, error) {
	if o.file != nil {
		return o.file, nil
	}
	var err error
	if o.complete {
		o.file, err = o.store.fs.OpenFile(o.store.blobName(o.Digest), os.O_RDONLY, 0)
		return o.file, err
	}
	f, err := o.store.fs.OpenFile(o.store.partName(o.Digest, ""), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(o.Size); err != nil {
		_ = f.Close() // the first error says what is wrong
		return nil, err
	}
	o.file = f
	return f, nil
}

// closeFile lets go of the file. The caller holds mu.
func (o *Object) closeFile() {
	if o.file != nil {
		_ = o.file.Close() // what matters was synced before
		o.file = nil
	}
}

// Put takes a chunk's bytes, once they were found to be what the list says; else ErrCorrupt is in
// the error's chain. A chunk that is here already is passed over. It returns the chunks that are
// new here: this one, and those that are the same.
func (o *Object) Put(i int, data []byte) ([]int, error) {
	o.mu.Lock()
	if o.complete || o.have.Has(i) {
		o.mu.Unlock()
		return nil, nil
	}
	if i < 0 || i >= len(o.chunks) {
		o.mu.Unlock()
		return nil, fmt.Errorf("put chunk %d of %d: %w", i, len(o.chunks), ErrMissing)
	}
	c := o.chunks[i]
	if j, ok := o.first[i]; ok {
		i = j
	}
	places := append([]int{i}, o.twins[i]...)
	file, err := o.open()
	o.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("put chunk: %w", err)
	}
	if len(data) != int(c.Size) || sha256.Sum256(data) != c.Hash {
		return nil, fmt.Errorf("chunk %d of %s: %w", i, o.Digest, ErrCorrupt)
	}
	for _, at := range places {
		if _, err := file.WriteAt(data, o.chunks[at].Offset); err != nil {
			return nil, fmt.Errorf("put chunk: %w", err)
		}
	}
	return o.note(places, data)
}

// note records that chunks were written, and syncs now and then.
func (o *Object) note(places []int, data []byte) ([]int, error) {
	o.mu.Lock()
	var fresh []int
	for _, i := range places {
		if o.have.Set(i) {
			fresh = append(fresh, i)
			o.haveBytes += int64(len(data))
			o.unsynced += int64(len(data))
		}
		if i == o.summed {
			o.sum.Write(data)
			o.summed++
		}
	}
	due := !o.flushing && (o.unsynced >= syncBytes || time.Since(o.synced) >= SyncEvery)
	o.mu.Unlock()
	if due {
		return fresh, o.Flush()
	}
	return fresh, nil
}

// Flush makes what was put durable. Put calls it now and then.
func (o *Object) Flush() error {
	o.mu.Lock()
	if o.flushing || o.unsynced == 0 || o.complete || o.file == nil {
		o.mu.Unlock()
		return nil
	}
	o.flushing = true
	have, file := o.have.Clone(), o.file
	o.unsynced = 0
	o.mu.Unlock()
	err := file.Sync()
	if err == nil {
		err = disk.WriteFile(o.store.fs, o.store.partName(o.Digest, ".have"), formatHave(have), 0o600)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flushing, o.synced = false, time.Now()
	if err != nil && !o.complete { // a blob that was finished meanwhile needs it no more
		return fmt.Errorf("sync blob: %w", err)
	}
	return nil
}

// formatHave writes a .have file.
func formatHave(b *Bitmap) []byte {
	form := b.Marshal()
	return append(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(form)), form...)
}

func parseHave(data []byte) (*Bitmap, error) {
	if len(data) < 4 || binary.BigEndian.Uint32(data) != crc32.ChecksumIEEE(data[4:]) {
		return nil, errors.New("decode bitmap: bad checksum")
	}
	return UnmarshalBitmap(data[4:])
}

// FillLocal copies the chunks that complete blobs of this store have, and returns how many bytes
// that spared. A chunk that went bad on disk is left to be fetched.
func (o *Object) FillLocal() (int64, error) {
	var filled int64
	buf := make([]byte, MaxChunk)
	for i, c := range o.Chunks() {
		p, ok := o.store.find(c.Hash)
		if !ok || o.has(i) {
			continue
		}
		data := buf[:c.Size]
		if _, err := p.object.ReadChunks(int(p.chunk), 1, data); err != nil {
			continue
		}
		fresh, err := o.Put(i, data)
		if err != nil && !errors.Is(err, ErrCorrupt) {
			return filled, err
		}
		filled += int64(len(fresh)) * int64(c.Size)
	}
	o.mu.Lock()
	o.local += filled
	o.mu.Unlock()
	return filled, nil
}

func (s *Store) find(hash [sha256.Size]byte) (place, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.index[hash]
	return p, ok
}

func (o *Object) has(i int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.complete || o.have.Has(i)
}

// ReadChunks reads n chunks from the i-th on into buf, which must have room, and returns how many
// bytes that were. ErrMissing is in the error's chain if one of them is not here. The bytes are
// not checked again: who gets them checks them.
func (o *Object) ReadChunks(i, n int, buf []byte) (int, error) {
	o.mu.Lock()
	if i < 0 || n < 1 || n > len(o.chunks)-i {
		o.mu.Unlock()
		return 0, fmt.Errorf("read chunks %d+%d of %d: %w", i, n, len(o.chunks), ErrMissing)
	}
	for k := i; k < i+n; k++ {
		if !o.have.Has(k) {
			o.mu.Unlock()
			return 0, fmt.Errorf("read chunk %d: %w", k, ErrMissing)
		}
	}
	last := o.chunks[i+n-1]
	begin, end := o.chunks[i].Offset, last.Offset+int64(last.Size)
	file, err := o.open()
	o.mu.Unlock()
	if err != nil {
		return 0, fmt.Errorf("read chunks: %w", err)
	}
	if end-begin > int64(len(buf)) {
		return 0, io.ErrShortBuffer
	}
	got, err := file.ReadAt(buf[:end-begin], begin)
	if got < int(end-begin) {
		return 0, fmt.Errorf("read chunks of %s: %w", o.Digest, err)
	}
	return got, nil
}

// Finish checks the whole against the blob's digest and makes it a complete blob. If it does not
// match, which only a release that contradicts itself can bring about, nothing of it stays.
func (o *Object) Finish() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.complete {
		return nil
	}
	if o.have == nil || !o.have.Full() {
		return fmt.Errorf("finish blob %s: %w", o.Digest, ErrMissing)
	}
	file, err := o.open()
	if err != nil {
		return fmt.Errorf("finish blob: %w", err)
	}
	if err := o.sumRest(file); err != nil {
		return fmt.Errorf("finish blob: %w", err)
	}
	if Digest(o.sum.Sum(nil)) != o.Digest {
		o.reset()
		return fmt.Errorf("finish blob %s: its chunks are another blob's: %w", o.Digest, ErrCorrupt)
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("finish blob: %w", err)
	}
	// The store's lock comes before the object's.
	o.mu.Unlock()
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	o.mu.Lock()
	if o.complete {
		return nil
	}
	if err := o.store.moveIn(o.store.partName(o.Digest, ""), o); err != nil {
		return fmt.Errorf("finish blob: %w", err)
	}
	o.store.indexChunks(o)
	return nil
}

// sumRest adds the chunks that were not put in order to the digest.
func (o *Object) sumRest(file disk.File) error {
	if o.summed == len(o.chunks) {
		return nil
	}
	from := o.chunks[o.summed].Offset
	if _, err := io.CopyBuffer(o.sum, io.NewSectionReader(file, from, o.Size-from), make([]byte, 1<<20)); err != nil {
		return err
	}
	o.summed = len(o.chunks)
	return nil
}

// reset forgets all chunks. The caller holds mu.
func (o *Object) reset() {
	o.have, o.haveBytes, o.unsynced = NewBitmap(len(o.chunks)), 0, 0
	o.sum, o.summed = sha256.New(), 0
	o.closeFile()
	_ = o.store.fs.Remove(o.store.partName(o.Digest, ".have")) // without its bytes it vouches for nothing:
	_ = o.store.fs.Remove(o.store.partName(o.Digest, ""))      // see resume
}

// Reader reads a complete blob at any offset.
type Reader struct {
	disk.File
	size int64
}

// Size returns the blob's size in bytes.
func (r *Reader) Size() int64 { return r.size }

// OpenBlob opens a complete blob for reading; ErrMissing is in the error's chain if it is not
// here, and ErrCorrupt if its file was changed in size.
func (s *Store) OpenBlob(d Digest) (*Reader, error) {
	o, ok := s.Object(d)
	if !ok || !o.Complete() {
		return nil, fmt.Errorf("open blob %s: %w", d, ErrMissing)
	}
	f, err := s.fs.OpenFile(s.blobName(d), os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	info, err := f.Stat()
	if err == nil && info.Size() != o.Size {
		err = fmt.Errorf("blob %s has %d bytes on disk, not %d: %w", d, info.Size(), o.Size, ErrCorrupt)
	}
	if err != nil {
		_ = f.Close() // the first error says what is wrong
		return nil, fmt.Errorf("open blob: %w", err)
	}
	return &Reader{f, o.Size}, nil
}
