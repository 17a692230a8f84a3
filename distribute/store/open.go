package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ipfs/go-cid"

	"selvage/internal/disk"
)

// removeFolders removes folders that are where the store has files: nothing of it is in them, and no file could come to their place.
func (s *Store) removeFolders() error {
	for _, dir := range []string{"", blobsDir, "dag", "partial"} {
		list, err := s.fs.ReadDir(s.name(dir))
		if err != nil {
			return err
		}
		for _, e := range list {
			if !e.IsDir() || dir == "" && !strings.HasPrefix(e.Name(), "index.json") {
				continue
			}
			if err := s.fs.RemoveAll(s.name(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// readBlobs takes in the complete blobs: those that the index lists, and those that it should.
func (s *Store) readBlobs() error {
	data, _ := disk.ReadFile(s.fs, s.name("index.json"), maxIndex) // what it does not tell, the blobs do
	for _, b := range parseIndex(data) {
		s.load(b)
	}
	if err := s.takeStrays(); err != nil {
		return err
	}
	now, err := s.formatIndex()
	if err != nil || bytes.Equal(now, data) {
		return err
	}
	return unlessFull(s.writeIndex())
}

// unlessFull is an error of writing what can be made anew at the next start: on a full disk it is.
func unlessFull(err error) error {
	if errors.Is(err, disk.ErrFull) {
		return nil
	}
	return err
}

// takeStrays looks at the files among the blobs that the index does not list as they are, since it or a chunk list went bad,
// or a crash came between.
func (s *Store) takeStrays() error {
	list, err := s.fs.ReadDir(s.name(blobsDir))
	if err != nil {
		return err
	}
	for _, e := range list {
		d, err := ParseDigest(e.Name())
		if err != nil || s.objects[d] != nil {
			continue
		}
		if err := s.takeStray(d); err != nil {
			return err
		}
	}
	return nil
}

// takeStray takes in a file whose bytes are those of its name, and removes one whose are not. One that cannot be read may be right:
// it stays, and is not here.
func (s *Store) takeStray(d Digest) error {
	file, err := s.fs.OpenFile(s.blobName(d), os.O_RDONLY, 0)
	if err != nil {
		return nil
	}
	a, err := s.cut(context.Background(), file, io.Discard)
	right := err == nil && a.want.Digest == d
	if right {
		a = s.byOwnList(a, file)
	}
	_ = file.Close() // it was only read
	switch {
	case err != nil:
		return nil
	case !right:
		return s.fs.Remove(s.blobName(d))
	}
	if err := unlessFull(s.saveNodes(d, a.nodes)); err != nil {
		return err
	}
	s.list(a, time.Now())
	return nil
}

// byOwnList returns a blob as the chunk list beside it has it, if that is one of its bytes, cut otherwise: another program may have done
// so, and then it is that list that the release names. Else the blob is as it was cut now.
func (s *Store) byOwnList(a added, file disk.File) added {
	nodes, err := s.readNodes(a.want.Digest)
	if err != nil || len(nodes) == 0 {
		return a
	}
	own := added{want: a.want, nodes: nodes}
	own.want.Root = cidOf(cid.DagProtobuf, sha256.Sum256(nodes[0]))
	if own.chunks, err = readDAG(own.want, nodes); err != nil || slices.Equal(own.chunks, a.chunks) {
		return a
	}
	if bad, err := s.badOf(own.want, own.chunks, file); err != nil || len(bad) > 0 {
		return a
	}
	return own
}

// badOf returns which of a blob's chunks are not in a file.
func (s *Store) badOf(w Want, chunks []Chunk, file disk.File) (map[int]bool, error) {
	o := newObject(s, w)
	o.learn(chunks, nil)
	return o.recheck(file, func(int) error { return nil })
}

// readPartials takes up the blobs that were being fetched, and removes what belongs to nothing.
func (s *Store) readPartials() error {
	list, err := s.fs.ReadDir(s.name("partial"))
	if err != nil {
		return err
	}
	unread := map[Digest]bool{}
	for _, e := range list {
		base, ok := strings.CutSuffix(e.Name(), ".want")
		d, err := ParseDigest(base)
		if !ok || err != nil {
			continue
		}
		data, err := disk.ReadFile(s.fs, s.name("partial", e.Name()), maxWant)
		if err != nil {
			unread[d] = true
			continue
		}
		w, spoilt, err := parseWant(data)
		if err != nil || w.Digest != d || s.objects[d] != nil {
			continue // sweep removes it
		}
		s.resume(w, spoilt)
	}
	return s.sweep(unread)
}

// resume takes up one partial blob with the chunks that are known to be here. If its chunk list went bad, that is fetched anew, and they are known
// then.
func (s *Store) resume(w Want, spoilt bool) {
	o := newObject(s, w)
	o.spoilt = spoilt
	s.objects[w.Digest] = o
	nodes, err := s.readNodes(w.Digest)
	if err != nil {
		return
	}
	if chunks, err := readDAG(w, nodes); err == nil {
		o.learn(chunks, o.kept(chunks))
	}
}

// kept returns the chunks that are here of a blob that was begun before: those for which its .have file vouches, or, if that went bad
// or the partial file is not as long as it should be, those that are found in it.
func (o *Object) kept(chunks []Chunk) *Bitmap {
	s, name := o.store, o.store.partName(o.Digest, "")
	data, err := disk.ReadFile(s.fs, name+".have", MaxBits/8+64)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	file, oerr := s.fs.OpenFile(name, os.O_RDONLY, 0)
	if oerr != nil {
		return nil
	}
	defer file.Close()
	have, perr := parseHave(data)
	info, serr := file.Stat()
	if errors.Join(err, perr, serr) == nil && have.Len() == len(chunks) && info.Size() == o.Size {
		return have
	}
	bad, err := s.badOf(o.Want, chunks, file)
	if err != nil {
		return nil
	}
	return allBut(bad, len(chunks))
}

// sweep removes what belongs to nothing, and nothing of what is unread. What is among the blobs by a blob's name was looked at before.
func (s *Store) sweep(unread map[Digest]bool) error {
	for dir, keep := range map[string]func(Digest, string) bool{
		blobsDir: func(_ Digest, ext string) bool { return ext == "" },
		"dag": func(d Digest, _ string) bool {
			_, err := s.fs.Stat(s.blobName(d)) // it may be one that cannot be read now
			return s.objects[d] != nil || unread[d] || err == nil
		},
		"partial": func(d Digest, _ string) bool {
			o := s.objects[d]
			return o != nil && !o.complete || o == nil && unread[d]
		},
	} {
		list, err := s.fs.ReadDir(s.name(dir))
		if err != nil {
			return err
		}
		for _, e := range list {
			base, ext, _ := strings.Cut(e.Name(), ".")
			d, err := ParseDigest(base)
			if err == nil && ext != "tmp" && !strings.HasSuffix(ext, ".tmp") && keep(d, ext) {
				continue
			}
			if err := s.fs.RemoveAll(s.name(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
