package store

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"time"

	"selvage/internal/disk"
)

// prefixState bounds a .at file: its length, and a hash's own form of its state.
const prefixState = 1 << 10

// Prefix is a blob that comes as one piece from its beginning on, while its chunk list is not known. What came is kept over
// restarts, but for what came last: of SyncEvery, or syncBytes. It is not safe for concurrent use, and of one blob
// there may be one at a time.
type Prefix struct {
	o      *Object
	file   disk.File
	sum    hash.Hash // of what came
	length int64
	kept   int64 // of that, what is durable
	synced time.Time
}

// Prefix takes up what came of the blob so. Close it.
func (o *Object) Prefix() (*Prefix, error) {
	if err := o.lost(); err != nil {
		return nil, fmt.Errorf("take up blob: %w", err)
	}
	p := &Prefix{o: o, sum: sha256.New(), synced: time.Now()}
	data, _ := disk.ReadFile(o.store.fs, o.store.partName(o.Digest, ".at"), prefixState) // what it does not tell of comes again
	var err error
	if p.file, err = o.store.fs.OpenFile(o.store.partName(o.Digest, ".raw"), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, fmt.Errorf("take up blob: %w", err)
	}
	info, err := p.file.Stat()
	if err != nil {
		_ = p.file.Close() // it was not written to
		return nil, fmt.Errorf("take up blob: %w", err)
	}
	if length, sum, err := parseAt(data); err == nil && length <= min(info.Size(), o.Size) {
		p.length, p.kept, p.sum = length, length, sum
	}
	return p, nil
}

// formatAt writes a .at file: CRC-32, length, state of the digest.
func formatAt(length int64, sum hash.Hash) ([]byte, error) {
	state, err := sum.(encoding.BinaryMarshaler).MarshalBinary()
	form := append(binary.BigEndian.AppendUint64(nil, uint64(length)), state...)
	return append(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(form)), form...), err
}

func parseAt(data []byte) (int64, hash.Hash, error) {
	if len(data) < 12 || binary.BigEndian.Uint32(data) != crc32.ChecksumIEEE(data[4:]) {
		return 0, nil, errors.New("decode length: bad checksum")
	}
	length := int64(binary.BigEndian.Uint64(data[4:]))
	if length < 0 {
		return 0, nil, fmt.Errorf("decode length: %d bytes", length)
	}
	sum := sha256.New()
	return length, sum, sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(data[12:])
}

// Len returns how many bytes came.
func (p *Prefix) Len() int64 { return p.length }

// Write takes the next bytes; beyond the blob's size it takes none.
func (p *Prefix) Write(b []byte) (int, error) {
	if int64(len(b)) > p.o.Size-p.length {
		return 0, fmt.Errorf("write blob: longer than %d bytes: %w", p.o.Size, ErrCorrupt)
	}
	n, err := p.file.WriteAt(b, p.length)
	p.sum.Write(b[:n]) // a hash never fails
	p.length += int64(n)
	if err != nil {
		return n, fmt.Errorf("write blob: %w", err)
	}
	if p.length-p.kept >= syncBytes || time.Since(p.synced) >= SyncEvery {
		return n, p.Flush()
	}
	return n, nil
}

// Flush makes durable what came.
func (p *Prefix) Flush() error {
	if p.kept == p.length {
		return nil
	}
	err := errors.Join(p.o.lost(), p.file.Sync())
	var at []byte
	if err == nil {
		at, err = formatAt(p.length, p.sum)
	}
	if err == nil {
		err = disk.WriteFile(p.o.store.fs, p.o.store.partName(p.o.Digest, ".at"), at, 0o600)
	}
	if err != nil {
		return fmt.Errorf("sync blob: %w", err)
	}
	p.kept, p.synced = p.length, time.Now()
	return nil
}

// Reset forgets what came.
func (p *Prefix) Reset() {
	_ = p.o.store.fs.Remove(p.o.store.partName(p.o.Digest, ".at")) // if it stays, what it says of is checked like all else
	p.sum, p.length, p.kept = sha256.New(), 0, 0
}

// errOtherBytes is what Finish says of bytes that are not the blob's.
var errOtherBytes = fmt.Errorf("its bytes are another blob's: %w", ErrCorrupt)

// Finish makes it a complete blob, once all of it came. If the bytes are not the blob's, what came is forgotten, and
// WrongBytes says so of the error. If they are, and their chunk list is another's, the release contradicts itself: nothing of the blob
// stays, and ErrContradiction is in the chain. ErrCorrupt is in that of both errors.
func (p *Prefix) Finish(ctx context.Context) error {
	s, o := p.o.store, p.o
	if p.length != o.Size {
		return fmt.Errorf("finish blob %s: %w", o.Digest, ErrMissing)
	}
	if Digest(p.sum.Sum(nil)) != o.Digest {
		p.Reset()
		return fmt.Errorf("finish blob %s: %w", o.Digest, errOtherBytes)
	}
	if err := p.file.Sync(); err != nil {
		return fmt.Errorf("finish blob %s: %w", o.Digest, err)
	}
	a, err := s.cut(ctx, io.NewSectionReader(p.file, 0, o.Size), io.Discard)
	switch {
	case err != nil:
	case a.want.Digest != o.Digest: // it went bad on this disk
		p.Reset()
		err = ErrDamaged
	case !a.want.Root.Equals(o.Root):
		o.refute()
		err = fmt.Errorf("%w: its chunks are another blob's", ErrContradiction)
	default:
		err = p.publish(a)
	}
	if err != nil {
		return fmt.Errorf("finish blob %s: %w", o.Digest, err)
	}
	return nil
}

// publish makes a complete blob of the file.
func (p *Prefix) publish(a added) error {
	s := p.o.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := p.o.lost(); err != nil { // the file of that name may be another's
		return err
	}
	if p.o.Complete() { // it was added meanwhile, and the file is gone
		return nil
	}
	_, err := s.adoptHeld(s.partName(p.o.Digest, ".raw"), a)
	return err
}

// WrongBytes reports whether an error of Finish says that who gave the bytes gave wrong ones.
func WrongBytes(err error) bool { return errors.Is(err, errOtherBytes) }

// Close lets go of the file; what came last is made durable if that can be.
func (p *Prefix) Close() {
	if !p.o.Complete() {
		_ = p.Flush() // what is not durable comes again
	}
	_ = p.file.Close() // what matters was synced before
}

// FillPrefix takes the chunks that came as a prefix, once the chunk list is known, and gives the prefix up.
func (o *Object) FillPrefix(ctx context.Context) error {
	name := o.store.partName(o.Digest, ".raw")
	if _, err := o.store.fs.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	p, err := o.Prefix()
	if err != nil {
		return o.lost() // if it is here, all of it will be fetched
	}
	defer func() {
		_ = p.file.Close() // it was only read
		if ctx.Err() == nil && o.Flush() == nil {
			o.store.removePrefix(o.Digest)
		}
	}()
	buf := make([]byte, MaxChunk)
	for i, c := range o.Chunks() {
		if ctx.Err() != nil || c.Offset+int64(c.Size) > p.length {
			return ctx.Err()
		}
		if _, err := p.file.ReadAt(buf[:c.Size], c.Offset); err != nil {
			return nil // it will be fetched
		}
		if _, err := o.Put(i, buf[:c.Size]); errors.Is(err, ErrCorrupt) {
			return nil // so is what follows
		} else if err != nil {
			return err
		}
	}
	return nil
}

// removePrefix removes what came of a blob as a prefix; a leftover is swept at the next start after the blob is complete or dropped.
func (s *Store) removePrefix(d Digest) {
	_ = s.fs.Remove(s.partName(d, ".at"))
	_ = s.fs.Remove(s.partName(d, ".raw"))
}
