package distribute

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"selvage/distribute/patch"
	"selvage/distribute/store"
)

// PatchPrint names the deflate that this program's patches count on, hex. A patch with another's
// cannot be applied here.
func PatchPrint() string { return patch.Print() }

var (
	// ErrNoGain says that a patch would save less than a fifth of what chunks cost.
	ErrNoGain = errors.New("a patch saves too little")
	// ErrBadPatch says that a patch does not make what it was listed for, and never will here.
	ErrBadPatch = errors.New("the patch does not make the blob")
)

// MakePatch makes the patch from one complete blob of the store to another, applies it to see that it
// does what it should, and adds it to the store as a blob. It fails with ErrNoGain if the patch has
// more than four fifths of the bytes that the chunks that the old blob lacks take over an uplink.
func MakePatch(ctx context.Context, s *store.Store, from, to Digest) (*store.Object, error) {
	o, err := makePatch(ctx, s, from, to)
	if err != nil {
		return nil, fmt.Errorf("make patch from %.12s: %w", from, err)
	}
	return o, nil
}

func makePatch(ctx context.Context, s *store.Store, from, to Digest) (*store.Object, error) {
	most, err := worthwhile(ctx, s, from, to)
	if err != nil {
		return nil, err
	}
	old, err := s.OpenBlob(from)
	if err != nil {
		return nil, err
	}
	defer old.Close()
	fresh, err := s.OpenBlob(to)
	if err != nil {
		return nil, err
	}
	defer fresh.Close()
	temp, err := s.Temp()
	if err != nil {
		return nil, err
	}
	defer temp.Close() // what matters of it is in the store by then
	w := &bounded{w: temp, left: most}
	buffered := bufio.NewWriterSize(w, 1<<20)
	if err := patch.Make(ctx, fileOf(old), fileOf(fresh), buffered); err != nil {
		return nil, err
	}
	if err := buffered.Flush(); err != nil {
		return nil, err
	}
	made := func() io.Reader { return io.NewSectionReader(temp, 0, most-w.left) }
	want := patch.Result{Size: fresh.Size(), Digest: to}
	if err := patch.Apply(ctx, fileOf(old), made(), io.Discard, want); err != nil {
		return nil, errors.Join(sound(ctx, s, from, to), err)
	}
	return s.Add(ctx, made())
}

// worthwhile is how many bytes a patch may have at most.
func worthwhile(ctx context.Context, s *store.Store, from, to Digest) (int64, error) {
	old, ok := s.Object(from)
	fresh, ok2 := s.Object(to)
	if !ok || !ok2 {
		return 0, store.ErrMissing
	}
	cost, err := packedSize(ctx, fresh, old.Lacks(fresh))
	if err != nil {
		return 0, err
	}
	if cost*4/5 == 0 {
		return 0, ErrNoGain
	}
	return cost * 4 / 5, nil
}

func fileOf(r *store.Reader) patch.File { return patch.File{ReaderAt: r, Size: r.Size()} }

// bounded passes on left bytes, and fails beyond: a patch that grows too large is given up at once.
type bounded struct {
	w    io.Writer
	left int64 // Invariant: >= 0
}

func (b *bounded) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		return 0, ErrNoGain
	}
	b.left -= int64(len(p))
	return b.w.Write(p)
}

// ApplyPatch makes a blob of the store from another and a patch, both complete. Nobody sees anything of
// it until it was found to be what is wanted; then it is a blob like any other. ErrBadPatch is in the
// error's chain if the patch is at fault, store.ErrDamaged if it is this disk, which is looked at then.
func ApplyPatch(ctx context.Context, s *store.Store, from, by Digest, want store.Want) error {
	old, err := s.OpenBlob(from)
	if err != nil {
		return err
	}
	defer old.Close()
	p, err := s.OpenBlob(by)
	if err != nil {
		return err
	}
	defer p.Close()
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := patch.Apply(ctx, fileOf(old), io.NewSectionReader(p, 0, p.Size()), w, patch.Result{Size: want.Size, Digest: want.Digest})
		_ = w.CloseWithError(err) // it returns no error
		done <- err
	}()
	_, err = s.AddAs(ctx, want, r)
	_ = r.CloseWithError(io.ErrClosedPipe) // ends the writer, if the store failed; it returns no error
	if applied := <-done; !errors.Is(applied, io.ErrClosedPipe) {
		err = errors.Join(applied, err)
	}
	if err = blame(err); errors.Is(err, ErrBadPatch) {
		if bad := sound(ctx, s, from, by); bad != nil {
			return bad
		}
	}
	return err
}

// sound fails with store.ErrDamaged in the chain if one of the blobs went bad on this disk, which is then forgotten.
func sound(ctx context.Context, s *store.Store, blobs ...Digest) error {
	for _, d := range blobs {
		o, ok := s.Object(d)
		if !ok {
			return store.ErrMissing
		}
		bad, err := o.Scrub(ctx, func(int) error { return nil })
		if err == nil && (bad != store.Damage{} || !o.Complete()) {
			err = fmt.Errorf("blob %.12s: %w", d, store.ErrDamaged)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// blame marks the errors that a patch is to blame for.
func blame(err error) error {
	for _, fault := range []error{patch.ErrForm, patch.ErrVersion, patch.ErrResult, store.ErrCorrupt} {
		if errors.Is(err, fault) {
			return fmt.Errorf("%w: %w", ErrBadPatch, err)
		}
	}
	return err
}
