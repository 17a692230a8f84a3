package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"

	"selvage/internal/disk"
	"selvage/internal/mutant"
)

// Finish checks the whole against the blob's digest and makes it a complete blob. If the bytes do
// not match because they went bad on disk, or the file is gone, ErrDamaged is in the error's chain: the chunks that did
// are forgotten, to be put again. If every chunk is right, the release contradicts itself: nothing
// of the blob stays, and ErrContradiction is in the chain.
func (o *Object) Finish() error {
	o.finishing.Lock()
	defer o.finishing.Unlock()
	err := o.finish()
	if err != nil && o.Complete() {
		return nil // it was added meanwhile, and its file is another
	}
	if err != nil {
		return fmt.Errorf("finish blob %s: %w", o.Digest, err)
	}
	return nil
}

// finish reads the file while others may use the object: a full one does not change any more.
func (o *Object) finish() error {
	o.mu.Lock()
	for o.summing {
		o.followed.Wait()
	}
	if o.complete {
		o.mu.Unlock()
		return nil
	}
	if o.have == nil || !o.have.Full() {
		o.mu.Unlock()
		return ErrMissing
	}
	file, err := o.open()
	sum, summed, chunks := cloneHash(o.sum), o.summed, o.chunks
	o.mu.Unlock()
	if err != nil {
		return err
	}
	if summed < len(chunks) { // nobody was there to follow, after the last was put
		from := chunks[summed].Offset
		if _, err := io.CopyBuffer(sum, io.NewSectionReader(file, from, o.Size-from), make([]byte, 1<<20)); err != nil {
			return err
		}
	}
	if Digest(sum.Sum(nil)) != o.Digest {
		return o.mismatch(file)
	}
	if !mutant.On(mutant.ForgetBlobFsync) {
		if err := file.Sync(); err != nil {
			return err
		}
	}
	return o.publish()
}

// publish makes it a complete blob.
func (o *Object) publish() error {
	s := o.store
	s.mu.Lock()
	defer s.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.complete {
		return nil
	}
	if o.gone {
		return errGone
	}
	name := s.partName(o.Digest, "")
	if _, err := s.fs.Stat(name); errors.Is(err, fs.ErrNotExist) { // all went to a file that somebody has removed
		o.closeFile()
		return errors.Join(fmt.Errorf("its file is gone: %w", ErrDamaged), o.haveOnly(NewBitmap(len(o.chunks))))
	}
	if err := s.moveIn(name, o); err != nil {
		return err
	}
	s.indexChunks(o)
	return nil
}

// haveOnly forgets the chunks of a part that are not here any more, for good when it returns. The caller holds mu.
func (o *Object) haveOnly(have *Bitmap) error {
	o.learn(o.chunks, have)
	o.sum, o.summed, o.unsynced = sha256.New(), 0, 0
	return disk.WriteFile(o.store.fs, o.store.partName(o.Digest, ".have"), formatHave(have), 0o600)
}

func cloneHash(h hash.Hash) hash.Hash {
	c, err := h.(hash.Cloner).Clone()
	if err != nil { // SHA-256 can be cloned always
		panic(err)
	}
	return c
}

// mismatch finds out why the whole is not what it should be.
func (o *Object) mismatch(file disk.File) error {
	bad, err := o.recheck(file, func(int) error { return nil })
	if err != nil {
		return err
	}
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.complete {
		return nil
	}
	if o.gone {
		return errGone
	}
	if len(bad) > 0 {
		return errors.Join(fmt.Errorf("%d chunks: %w", len(bad), ErrDamaged), o.haveOnly(allBut(bad, len(o.chunks))))
	}
	o.learn(o.chunks, nil)
	o.sum, o.summed, o.unsynced = sha256.New(), 0, 0
	o.closeFile()
	o.store.drop(o)
	return fmt.Errorf("%w: its chunks are another blob's", ErrContradiction)
}

// recheck returns the chunks that are not what the list says, with all that are the same as they. It calls pace before it reads
// so many bytes.
func (o *Object) recheck(file disk.File, pace func(bytes int) error) (map[int]bool, error) {
	o.mu.Lock()
	chunks, firsts, twins := o.chunks, o.first, o.twins // never changed, only replaced
	o.mu.Unlock()
	bad := map[int]bool{}
	buf := make([]byte, MaxChunk)
	for i, c := range chunks {
		if err := pace(int(c.Size)); err != nil {
			return nil, err
		}
		n, err := file.ReadAt(buf[:c.Size], c.Offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if n == int(c.Size) && sha256.Sum256(buf[:c.Size]) == c.Hash {
			continue
		}
		first := i
		if j, ok := firsts[i]; ok {
			first = j
		}
		bad[first] = true
		for _, k := range twins[first] {
			bad[k] = true
		}
	}
	return bad, nil
}

// Reader reads a complete blob at any offset.
type Reader struct {
	disk.File
	size int64
}

// Size returns the blob's size in bytes.
func (r *Reader) Size() int64 { return r.size }

// OpenBlob opens a complete blob for reading; ErrMissing is in the error's chain if it is not
// here, and ErrDamaged if its file is gone or has another size, which is then forgotten as OnDamage has it. The bytes are not checked.
func (s *Store) OpenBlob(d Digest) (*Reader, error) {
	o, ok := s.Object(d)
	if !ok || !o.Complete() {
		return nil, fmt.Errorf("open blob %s: %w", d, ErrMissing)
	}
	o.use()
	f, err := s.fs.OpenFile(s.blobName(d), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		_, err := o.spoil(nil, Damage{Missing: true})
		return nil, errors.Join(fmt.Errorf("open blob %s: its file is gone: %w", d, ErrDamaged), err)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	info, err := f.Stat()
	if err == nil && info.Size() == o.Size {
		return &Reader{f, o.Size}, nil
	}
	_ = f.Close() // the first error says what is wrong
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	_, err = o.Scrub(context.Background(), func(int) error { return nil })
	return nil, errors.Join(fmt.Errorf("open blob %s: it has %d bytes on disk, not %d: %w", d, info.Size(), o.Size, ErrDamaged), err)
}
