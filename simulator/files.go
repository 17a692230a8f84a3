package simulator

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"time"

	"selvage/internal/disk"
	"selvage/node/runtime"
)

// What holds of the files on machines' disks.

func nothingUnsignedRuns(t *story, m Machine, n Agent, _ string) string {
	for _, d := range n.Status().Deployments {
		if d.Release == "" {
			continue
		}
		r, ok := t.releases[d.Release]
		if !ok {
			return fmt.Sprintf("runs %s, which nobody has signed", d.Release)
		}
		name := path.Join(runtime.Dir(d.Name), "current", BlobFile)
		if got, err := t.digestOf(m, name, r.digest); err != nil {
			return fmt.Sprintf("what it runs as %s cannot be read: %v", d.Release, err)
		} else if d.Ready && got != r.digest {
			return fmt.Sprintf("runs %.12s as %s, which is %.12s", got, d.Release, r.digest)
		}
	}
	return ""
}

func noCorruptBlob(t *story, m Machine, n Agent, _ string) string {
	for _, b := range n.Holdings() {
		if !b.Complete {
			continue
		}
		got, err := t.digestOf(m, "store/blobs/sha256/"+b.Digest, b.Digest)
		if err != nil {
			return fmt.Sprintf("blob %.12s cannot be read: %v", b.Digest, err)
		}
		if got != b.Digest {
			return fmt.Sprintf("blob %.12s has the bytes of %.12s", b.Digest, got)
		}
	}
	return ""
}

// digestOf returns the SHA-256 of a file on a machine's disk. A file that was found right is not
// read again while nobody has written to it, and the disk is the same: after a power cut it is another.
func (t *story) digestOf(m Machine, name, want string) (string, error) {
	fs := m.Disk()
	info, err := fs.Stat(name)
	if err != nil {
		return "", err
	}
	if t.right[Place(m)].on != fs {
		t.right[Place(m)] = rightFiles{fs, map[string]rightFile{}}
	}
	right, mark := t.right[Place(m)].files, rightFile{want, info.Size(), info.ModTime()}
	if right[name] == mark {
		return want, nil
	}
	f, err := fs.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	got, err := t.digest(f, info.Size(), want)
	if err != nil {
		return "", err
	}
	if got == want {
		right[name] = mark
	}
	return got, nil
}

// digest returns the SHA-256 of a file. If the operator has made what has the digest that is wanted, the file is held against
// that first, byte for byte, which takes a fraction of the time.
func (t *story) digest(f io.ReaderAt, size int64, want string) (string, error) {
	for _, r := range t.releases {
		if r.digest != want {
			continue
		}
		if same, err := holdsOnly(f, size, r.content); same || err != nil {
			return want, err
		}
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, size)); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// holdsOnly reports whether a file of size bytes holds want, and nothing else.
func holdsOnly(f io.ReaderAt, size int64, want []byte) (bool, error) {
	if size != int64(len(want)) {
		return false, nil
	}
	buf := make([]byte, 64<<10)
	for at := 0; at < len(want); at += len(buf) {
		n := min(len(buf), len(want)-at)
		if got, err := f.ReadAt(buf[:n], int64(at)); got < n {
			return false, err
		}
		if !bytes.Equal(buf[:n], want[at:at+n]) {
			return false, nil
		}
	}
	return true, nil
}

// rightFiles are those of a machine's disk that were found right, by name. A disk that has been through a power cut, or
// comes from a backup, may have other bytes under the same name, size and time.
type rightFiles struct {
	on    disk.FS
	files map[string]rightFile
}

// rightFile is a file as it was when its bytes were found to be right.
type rightFile struct {
	digest string
	size   int64
	at     time.Time
}
