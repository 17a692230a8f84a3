package bundle

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"selvage/internal/disk"
	"selvage/node/runtime"
)

const (
	tarHeader    = 512 // bytes
	maxExpansion = 100 // times the archive's size
)

// limits bound what an archive unpacks to.
type limits struct {
	entries   int
	bytes     int64 // never more
	allowance int64 // bytes on top of maxExpansion times the archive's size
}

var usual = limits{entries: 20_000, bytes: 4 << 30, allowance: 64 << 20}

// directory bounds what is read of a zip before its entries can be counted: archive/zip reads
// the directory at its end whole, whatever that claims.
func (l limits) directory() int64 { return int64(l.entries)*512 + 128<<10 }

// unpack writes what an artifact holds below dir. Its errors have runtime.ErrInvalid in their chain
// where the artifact is to blame, and not the disk that it lies on.
func unpack(ctx context.Context, f disk.FS, dir string, l limits, a runtime.Artifact, blob io.ReaderAt) error {
	limit := min(l.bytes, a.Size*maxExpansion+l.allowance)
	if free, _, err := f.Free(); err == nil && uint64(a.Size) > free {
		return fmt.Errorf("unpack %d bytes with %d free: %w", a.Size, free, disk.ErrFull)
	}
	t := &tree{ctx: ctx, fs: f, dir: dir, limits: l, left: limit, limit: limit, kinds: map[string]kind{".": kindDir}}
	source := &source{ReaderAt: blob}
	err := t.take(a, io.NewSectionReader(source, 0, a.Size))
	if err == nil {
		err = t.finish()
	}
	if source.err != nil { // whatever was made of it
		err = fmt.Errorf("read blob: %w", source.err)
	}
	if err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	return nil
}

// take reads the artifact by what it looks like. Of an archive no byte is believed before all are known to be right; what is
// none is checked as it is written.
func (t *tree) take(a runtime.Artifact, r *io.SectionReader) error {
	head := make([]byte, tarHeader)
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read blob: %w", err)
	}
	read := t.archive(head[:n], r)
	if read == nil {
		return t.single(a)
	}
	if err := a.CopyTo(t.ctx, io.Discard); err != nil {
		return err
	}
	return read(r)
}

// archive returns how to read an archive; nil if it is none.
func (t *tree) archive(head []byte, r *io.SectionReader) func(*io.SectionReader) error {
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return t.takeZip
	case isTar(head):
		return func(r *io.SectionReader) error { return t.takeTar(r) }
	case isTarGz(r):
		return t.takeTarGz
	}
	return nil
}

func isTar(head []byte) bool { return len(head) == tarHeader && string(head[257:262]) == "ustar" }

// isTarGz leaves r's position where it was.
func isTarGz(r *io.SectionReader) bool {
	z, err := gzip.NewReader(io.NewSectionReader(r, 0, r.Size()))
	if err != nil {
		return false
	}
	head := make([]byte, tarHeader)
	_, err = io.ReadFull(z, head)
	return err == nil && isTar(head)
}

func (t *tree) takeTarGz(r *io.SectionReader) error {
	z, err := gzip.NewReader(bufio.NewReader(r))
	if err != nil {
		return invalid("read gzip: %w", err)
	}
	return t.takeTar(z)
}

func (t *tree) takeTar(r io.Reader) error {
	// What is between the files counts as well: headers can be as much of a bomb as bytes.
	archive := tar.NewReader(&metered{r: r, left: t.limit + int64(t.limits.entries)*2*tarHeader})
	for count := 0; ; count++ {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return invalid("read tar: %w", err)
		}
		if count == t.limits.entries {
			return invalid("archive has more than %d entries", t.limits.entries)
		}
		switch h.Typeflag {
		case tar.TypeXGlobalHeader:
			continue
		case tar.TypeDir:
			err = t.directory(h.Name)
		case tar.TypeReg:
			err = t.file(h.Name, h.FileInfo().Mode(), archive)
		case tar.TypeSymlink:
			err = t.link(h.Name, h.Linkname)
		case tar.TypeLink:
			err = invalid("%.80q is a hard link", h.Name)
		default:
			err = invalid("%.80q is a device, a pipe or something else that is no file (tar type %q)", h.Name, h.Typeflag)
		}
		if err != nil {
			return err
		}
	}
}

func (t *tree) takeZip(r *io.SectionReader) error {
	directory := &meteredAt{r: r, left: t.limits.directory()}
	archive, err := zip.NewReader(directory, r.Size())
	if err != nil {
		return invalid("read zip: %w", err)
	}
	if len(archive.File) > t.limits.entries {
		return invalid("archive has more than %d entries", t.limits.entries)
	}
	directory.off = true
	for _, f := range archive.File {
		if err := t.takeZipped(f); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) takeZipped(f *zip.File) error {
	mode := f.Mode()
	if strings.HasSuffix(f.Name, "/") || mode.IsDir() {
		return t.directory(f.Name)
	}
	if !mode.IsRegular() && mode.Type() != fs.ModeSymlink {
		return invalid("%.80q is a device, a pipe or something else that is no file (%s)", f.Name, mode)
	}
	r, err := f.Open()
	if err != nil {
		return invalid("read zip: %w", err)
	}
	defer r.Close()
	if mode.IsRegular() {
		return t.file(f.Name, mode, r)
	}
	target, err := io.ReadAll(io.LimitReader(r, maxPath+1))
	if err != nil {
		return invalid("read zip: %w", err)
	}
	return t.link(f.Name, string(target))
}

// invalid is an error that the artifact is to blame for.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %w", runtime.ErrInvalid, fmt.Errorf(format, args...))
}

var errTooMuch = errors.New("archive unpacks to too much")

// source is a blob that remembers why it could not be read.
type source struct {
	io.ReaderAt
	err error // the first; io.EOF is none
}

func (s *source) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.ReaderAt.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) && s.err == nil {
		s.err = err
	}
	return n, err
}

// metered fails once more than left bytes have been read.
type metered struct {
	r    io.Reader
	left int64
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if m.left -= int64(n); m.left < 0 {
		return 0, errTooMuch
	}
	return n, err
}

// meteredAt does the same for reads anywhere, until it is off.
type meteredAt struct {
	r    io.ReaderAt
	left int64
	off  bool
}

func (m *meteredAt) ReadAt(p []byte, at int64) (int, error) {
	if !m.off {
		if m.left -= int64(len(p)); m.left < 0 {
			return 0, errTooMuch
		}
	}
	return m.r.ReadAt(p, at)
}
