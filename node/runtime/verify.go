package runtime

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
)

// CopyTo opens the artifact, writes its bytes to w, and returns an error unless they are the
// bytes that Size and Digest name: a disk may have changed what was once verified. It ends early when ctx does.
func (a Artifact) CopyTo(ctx context.Context, w io.Writer) error {
	blob, err := a.Open()
	if err != nil {
		return fmt.Errorf("open blob: %w", err)
	}
	defer blob.Close()
	hash := sha256.New()
	n, err := Copy(ctx, io.MultiWriter(w, hash), io.NewSectionReader(blob, 0, a.Size))
	if err != nil {
		return fmt.Errorf("copy blob: %w", err)
	}
	if n != a.Size || [32]byte(hash.Sum(nil)) != a.Digest {
		return fmt.Errorf("blob sha256:%x: its %d bytes on disk are not those of the digest", a.Digest, n)
	}
	return nil
}

// Copy is io.Copy that ends early, with its error, when ctx does: what a node does when it is told to end takes of the
// time that programs have to end.
func Copy(ctx context.Context, w io.Writer, r io.Reader) (int64, error) {
	return io.Copy(whileLasts{ctx, w}, r)
}

// whileLasts writes until ctx ends.
type whileLasts struct {
	ctx context.Context // of the one copy that it is made for
	io.Writer
}

func (w whileLasts) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.Writer.Write(p)
}
