package native

import (
	"errors"
	"fmt"
	"os"
	"path"
)

// rot changes a byte of every blob on the disks of a place, as disks do when nobody looks. Nothing takes that back.
func (w *world) rot(place string) (end func() error, err error) {
	for _, m := range w.placed(place) {
		if err := m.rot(w.rand.Int64N); err != nil {
			return nil, fmt.Errorf("have the disk of %s go bad: %w", m, err)
		}
	}
	return func() error { return nil }, nil
}

// rot changes bytes on the machine's disk; below draws a number below another.
func (m *machine) rot(below func(int64) int64) error {
	m.mu.Lock()
	fs := m.fs
	m.mu.Unlock()
	const dir = "store/blobs/sha256"
	list, err := fs.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		f, err := fs.OpenFile(path.Join(dir, e.Name()), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err == nil && info.Size() > 0 {
			at, b := below(info.Size()), make([]byte, 1)
			_, rerr := f.ReadAt(b, at)
			_, werr := f.WriteAt([]byte{b[0] ^ 0x55}, at)
			err = errors.Join(rerr, werr)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}
