package store

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"selvage/internal/disk"
	"selvage/internal/lock"
)

// How much of a fetch a crash may cost: SyncEvery, if whoever puts calls Flush so often from another
// goroutine, which keeps a slow disk from holding up what comes. Put itself calls it when twice that
// time has passed, or syncBytes were put.
const (
	SyncEvery = 500 * time.Millisecond
	syncBytes = 64 << 20
)

// Object is one blob as the store has it. It is safe for concurrent use.
type Object struct {
	Want
	store *Store

	used      atomic.Int64 // when it was wanted last, unix nanoseconds
	finishing lock.Mutex   // taken before the store's: one at a time checks the whole

	mu          lock.Mutex
	chunks      []Chunk         // nil until the chunk list is known
	twins       map[int][]int   // chunks that are the same as an earlier one, by that one
	first       map[int]int     // and the other way round
	marks       []atomic.Uint32 // of the chunks, see mark.go; 0 while unknown. Made with chunks, and never replaced
	have        *Bitmap
	haveBytes   int64
	local       int64 // bytes that came from other blobs of this store, were added here, or stayed right when others went bad
	complete    bool
	spoilt      bool // it was whole, and is so no more. Not both this and complete
	spoils      int  // how often that was
	gone        bool // the store has forgotten it: it takes nothing any more, lest it harms an object that is begun anew
	completedAt time.Time
	file        disk.File // open while in use: the partial file, or the blob

	unsynced int64 // bytes put since the last Flush
	synced   time.Time
	flushing bool

	sum     hash.Hash // of the first summed chunks; only used by who set summing
	summed  int
	summing bool

	followed *sync.Cond // summing has ended
}

func newObject(s *Store, w Want) *Object {
	o := &Object{Want: w, store: s, sum: sha256.New(), synced: time.Now()}
	o.followed = sync.NewCond(&o.mu)
	return o
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
	if o.marks == nil {
		o.marks = make([]atomic.Uint32, len(chunks))
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
	Local       int64 // of these, bytes that other blobs of this store had, that were added here, or that stayed when others went bad
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
	nodes, err := o.nodes()
	return EncodeNodes(nodes), err
}

// SetNodes takes the nodes of the DAG from elsewhere, each before its children, and checks all of
// them against the root; ErrDAG is in the error's chain if they are not what was promised.
func (o *Object) SetNodes(nodes [][]byte) error {
	chunks, err := readDAG(o.Want, nodes)
	if err != nil {
		return err
	}
	if err := o.keepNodes(nodes); err != nil || o.Chunks() != nil {
		return err
	}
	have := o.kept(chunks)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.chunks == nil {
		o.learn(chunks, have)
	}
	return nil
}

// keepNodes is saveNodes, unless the blob was given up.
func (o *Object) keepNodes(nodes [][]byte) error {
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	if err := o.lost(); err != nil {
		return err
	}
	return o.store.saveNodes(o.Digest, nodes)
}

// lost is an error if the blob was given up.
func (o *Object) lost() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.gone {
		return errGone
	}
	return nil
}

// ReadNodes reads what EncodeNodes wrote, for SetNodes, and checks each node as it comes: of what is not the list no more is
// read. If it is what was promised that cannot be, nothing of the blob stays, and ErrContradiction is in the error's chain.
func (o *Object) ReadNodes(r io.Reader) (nodes [][]byte, err error) {
	next := nodeReader(r)
	_, err = readList(o.Want, func() ([]byte, error) {
		data, err := next()
		if err == nil {
			nodes = append(nodes, data)
		}
		return data, err
	})
	if errors.Is(err, ErrContradiction) {
		o.refute()
	}
	return nodes, err
}

// refute forgets a blob that cannot be.
func (o *Object) refute() {
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.complete {
		o.closeFile()
		o.store.drop(o)
	}
}

// open returns the file, opened if need be. The caller holds mu.
func (o *Object) open() (disk.File, error) {
	if o.file != nil {
		return o.file, nil
	}
	if o.gone {
		return nil, errGone
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

// Flush makes what was put durable. Put calls it now and then.
func (o *Object) Flush() error {
	o.mu.Lock()
	if o.flushing || o.unsynced == 0 || o.complete || o.gone || o.file == nil {
		o.mu.Unlock()
		return nil
	}
	o.flushing = true
	have, file, bytes := o.have.Clone(), o.file, o.unsynced
	o.unsynced = 0
	o.mu.Unlock()
	err := file.Sync()
	if err == nil {
		err = disk.WriteFile(o.store.fs, o.store.partName(o.Digest, ".have"), formatHave(have), 0o600)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flushing, o.synced = false, time.Now()
	if err != nil && !o.complete && !o.gone { // a blob that was finished meanwhile needs it no more
		o.unsynced += bytes
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

// Has reports whether a chunk is here; false while the list is not known.
func (o *Object) Has(i int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.complete || o.have != nil && o.have.Has(i)
}

// Twin reports whether the chunk is the same as an earlier one, with which it comes.
func (o *Object) Twin(i int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, ok := o.first[i]
	return ok
}

// holds reports whether a run of chunks is here. The caller holds mu.
func (o *Object) holds(i, n int) bool {
	if i < 0 || n < 1 || n > len(o.chunks)-i {
		return false
	}
	for k := i; k < i+n; k++ {
		if !o.have.Has(k) {
			return false
		}
	}
	return true
}

// Part is a run of chunks.
type Part struct{ First, Count int }

// Parts cuts a run of chunks into parts that ReadChunks can read into size bytes, which is at least
// MaxChunk. It returns nil if not all of the run is here, or it has more than most bytes.
func (o *Object) Parts(i, n int, size, most int64) []Part {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.holds(i, n) || o.chunks[i+n-1].Offset+int64(o.chunks[i+n-1].Size)-o.chunks[i].Offset > most {
		return nil
	}
	var parts []Part
	var bytes int64
	for k := i; k < i+n; k++ {
		c := int64(o.chunks[k].Size)
		if len(parts) == 0 || bytes+c > size {
			parts, bytes = append(parts, Part{First: k}), 0
		}
		parts[len(parts)-1].Count++
		bytes += c
	}
	return parts
}

// ReadChunks reads n chunks from the i-th on into buf, which must have room, and returns how many
// bytes that were. ErrMissing is in the error's chain if one of them is not here. They are checked again, by their marks: what
// went bad on this disk is not handed out, with ErrDamaged in the chain, and of a complete blob forgotten, as OnDamage has it; so is a
// blob whose file is gone.
func (o *Object) ReadChunks(i, n int, buf []byte) (int, error) {
	o.use()
	got, err := o.readChunks(i, n, buf)
	if errors.Is(err, fs.ErrClosed) { // the blob became complete meanwhile, or is so no more, and its file another
		got, err = o.readChunks(i, n, buf)
	}
	if errors.Is(err, fs.ErrNotExist) && o.Complete() {
		_, serr := o.spoil(nil, Damage{Missing: true})
		return 0, errors.Join(fmt.Errorf("read chunks of %s: its file is gone: %w", o.Digest, ErrDamaged), serr)
	}
	if err != nil {
		return got, err
	}
	if bad := o.check(i, n, buf[:got], o.marked); bad != nil {
		_, err := o.spoil(bad, Damage{})
		return 0, errors.Join(fmt.Errorf("read chunks %d+%d of %s: %w", i, n, o.Digest, ErrDamaged), err)
	}
	return got, nil
}

func (o *Object) readChunks(i, n int, buf []byte) (int, error) {
	o.mu.Lock()
	if !o.holds(i, n) {
		o.mu.Unlock()
		return 0, fmt.Errorf("read chunks %d+%d of %s: %w", i, n, o.Digest, ErrMissing)
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
	if got < int(end-begin) && (err == nil || errors.Is(err, io.EOF)) {
		clear(buf[got : end-begin]) // the file was cut short: no bytes are as wrong as others
		return int(end - begin), nil
	} else if got < int(end-begin) {
		return 0, fmt.Errorf("read chunks of %s: %w", o.Digest, err)
	}
	return got, nil
}
