package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// wholeFile is a file that has its name once it is whole and on the disk; or a pipe, a device or standard output, which are written as they are.
type wholeFile struct {
	io.Writer
	file *os.File // nil: standard output
	path string   // as the caller has it
	real string   // that of the file; empty for what is written as it is
	err  error    // of the first write that failed
}

// createWhole begins the file at a path. Call abandon in the end.
func createWhole(ctx context.Context, env *environment, path string) (*wholeFile, error) {
	if path == stdio {
		return &wholeFile{Writer: env.out, path: "standard output"}, nil
	}
	if path == "" {
		return nil, usage("name the file to write")
	}
	switch info, err := os.Stat(path); {
	case err == nil && info.IsDir():
		return nil, hinted(fmt.Errorf("%s is a directory", path), "name a file in it, like "+filepath.Join(path, "releases.car"))
	case err == nil && !info.Mode().IsRegular(): // it is not this file's name that counts: it must not be replaced
		f, err := openFile(ctx, path, os.O_WRONLY)
		if err != nil {
			return nil, err
		}
		return &wholeFile{Writer: f, file: f, path: path}, nil
	}
	real := path
	if to, err := filepath.EvalSymlinks(path); err == nil {
		real = to // a link stays one
	}
	// As any program makes files: what is in it is signed, and no secret, and some file systems do not let anybody change permissions later.
	f, err := os.OpenFile(real+"."+rand.Text()[:8]+".part", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	return &wholeFile{Writer: f, file: f, path: path, real: real}, nil
}

func (w *wholeFile) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if w.err == nil {
		w.err = err
	}
	return n, err
}

// failed says of an export that ended with err, and was to have so many bytes, what there is to do about that.
func (w *wholeFile) failed(err error, bytes int64) error {
	var at *os.PathError
	if w.err == nil || !errors.As(w.err, &at) {
		return err
	}
	err = fmt.Errorf("write %s: %w", w.path, at.Err) // not under the name that it has for now
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return hinted(err, fmt.Sprintf("it takes %s: make room for it, or name another place", size(bytes)))
	case errors.Is(err, syscall.EFBIG):
		return hinted(err, fmt.Sprintf("it takes %s, and that place takes no file as large, as FAT takes none of 4 GiB: export fewer releases at a time, or name another place", size(bytes)))
	}
	return err
}

// finish gives the file its name, for good: whoever carries the disk away has it.
func (w *wholeFile) finish() error {
	if w.real == "" {
		return nil
	}
	if err := w.file.Sync(); err != nil {
		w.err = err // it is then that some file systems say that there is no room
		return err
	}
	if err := os.Rename(w.file.Name(), w.real); err != nil {
		return err
	}
	if dir, err := os.Open(filepath.Dir(w.real)); err == nil {
		_ = dir.Sync() // not every file system can, and the file is there
		_ = dir.Close()
	}
	return nil
}

// abandon lets go of the file; what was not finished is gone.
func (w *wholeFile) abandon() {
	if w.file == nil {
		return
	}
	_ = w.file.Close() // it was synced, or is of no use
	if w.real != "" {
		_ = os.Remove(w.file.Name()) // it has its own name, or is of no use
	}
}
