package replay

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// keep is how many guests' machine code stays on disk, 150 MB each: the newest.
const keep = 2

// cacheDir is where machine code is kept; "" if there is no such place.
func cacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	dir = filepath.Join(dir, "selvage", "replay")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return ""
	}
	return dir
}

// settled is how old a file is that nobody is still writing.
const settled = time.Minute

// prune removes what keep does not keep. wazero has a directory in dir for each of its versions.
func prune(dir string) {
	type file struct {
		path string
		at   time.Time
	}
	var all []file
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // what cannot be read is not removed
		}
		if info, err := d.Info(); err == nil {
			all = append(all, file{path, info.ModTime()})
		}
		return nil
	})
	slices.SortFunc(all, func(a, b file) int { return cmp.Or(b.at.Compare(a.at), cmp.Compare(a.path, b.path)) })
	for _, f := range all[min(keep, len(all)):] {
		if time.Since(f.at) > settled {
			_ = os.Remove(f.path) // another may have been faster
		}
	}
}
