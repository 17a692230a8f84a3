package runtime

import (
	"crypto/sha256"
	"fmt"
	"io"
)

// CopyTo opens the artifact, writes its bytes to w, and returns an error unless they are the
// bytes that Size and Digest name: a disk may have changed what was once verified.
func (a Artifact) CopyTo(w io.Writer) error {
	blob, err := a.Open()
	if err != nil {
		return fmt.Errorf("open blob: %w", err)
	}
	defer blob.Close()
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, hash), io.NewSectionReader(blob, 0, a.Size))
	if err != nil {
		return fmt.Errorf("copy blob: %w", err)
	}
	if n != a.Size || [32]byte(hash.Sum(nil)) != a.Digest {
		return fmt.Errorf("blob sha256:%x: its %d bytes on disk are not those of the digest", a.Digest, n)
	}
	return nil
}
