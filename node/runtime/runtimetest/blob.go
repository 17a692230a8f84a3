package runtimetest

import (
	"bytes"

	"selvage/node/runtime"
)

type blob struct{ *bytes.Reader }

func (blob) Close() error { return nil }

// Watched is the Open of an artifact of which each read is told before, and fails as before says.
func Watched(data []byte, before func() error) func() (runtime.BlobReader, error) {
	return func() (runtime.BlobReader, error) { return watched{blob{bytes.NewReader(data)}, before}, nil }
}

type watched struct {
	blob
	before func() error
}

func (w watched) ReadAt(p []byte, off int64) (int, error) {
	if err := w.before(); err != nil {
		return 0, err
	}
	return w.blob.ReadAt(p, off)
}
