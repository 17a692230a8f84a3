package native

import (
	"errors"
	"fmt"
	"os"
	"path"
)

// rot changes a byte of every blob on the disks of a place, as disks do when nobody looks. Nothing takes that back.
func (w *world) rot(place string) (end func() error, err error) {
	rotten := 0
	for _, m := range w.placed(place) {
		n, err := m.rot(w.rand.Int64N)
		if err != nil {
			return nil, fmt.Errorf("have the disk of %s go bad: %w", m, err)
		}
		rotten += n
	}
	if rotten == 0 {
		return nil, fmt.Errorf("have the disks of %s go bad: there is no blob on them", place)
	}
	return func() error { return nil }, nil
}

// rot changes bytes on the machine's disk, and returns of how many blobs; below draws a number below another.
func (m *machine) rot(below func(int64) int64) (rotten int, err error) {
	m.mu.Lock()
	fs := m.fs
	m.mu.Unlock()
	const dir = "store/blobs/sha256"
	list, err := fs.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, e := range list {
		f, err := fs.OpenFile(path.Join(dir, e.Name()), os.O_RDWR, 0)
		if err != nil {
			return rotten, err
		}
		info, err := f.Stat()
		if err == nil && info.Size() > 0 {
			at, b := below(info.Size()), make([]byte, 1)
			_, rerr := f.ReadAt(b, at)
			_, werr := f.WriteAt([]byte{b[0] ^ 0x55}, at)
			err = errors.Join(rerr, werr)
			rotten++
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return rotten, err
		}
	}
	return rotten, nil
}
