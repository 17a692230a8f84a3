package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"syscall"
	"testing"

	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
	"selvage/internal/disk/osdisk"
)

const benchSize = 256 << 20

func disks(b *testing.B, run func(b *testing.B, fs disk.FS)) {
	b.Run("memory", func(b *testing.B) { run(b, memdisk.New(0)) })
	b.Run("disk", func(b *testing.B) {
		run(b, newDisk(b))
	})
}

// BenchmarkSplit finds the chunks of 256 MiB in memory, on one core, and does nothing with them.
func BenchmarkSplit(b *testing.B) {
	data := content(1, benchSize)
	b.SetBytes(benchSize)
	for b.Loop() {
		out := make(chan *block)
		go func() {
			for found := range out {
				found.done()
			}
		}()
		if err := split(context.Background(), bytes.NewReader(data), io.Discard, out); err != nil {
			b.Fatal(err)
		}
		close(out)
	}
}

// BenchmarkAdd chunks, names, sums and stores 256 MiB.
func BenchmarkAdd(b *testing.B) {
	data := content(1, benchSize)
	disks(b, func(b *testing.B, fs disk.FS) {
		b.SetBytes(benchSize)
		for b.Loop() {
			if err := fs.RemoveAll("store"); err != nil {
				b.Fatal(err)
			}
			s := open(b, fs)
			if _, err := s.Add(context.Background(), bytes.NewReader(data)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkPut checks and stores 256 MiB chunk by chunk, as a fetch does.
func BenchmarkPut(b *testing.B) {
	data := content(1, benchSize)
	from := add(b, open(b, memdisk.New(0)), data)
	nodes := nodesOf(b, from)
	disks(b, func(b *testing.B, fs disk.FS) {
		b.SetBytes(benchSize)
		for b.Loop() {
			if err := fs.RemoveAll("store"); err != nil {
				b.Fatal(err)
			}
			o, err := open(b, fs).Begin(from.Want)
			if err != nil {
				b.Fatal(err)
			}
			if err := o.SetNodes(nodes); err != nil {
				b.Fatal(err)
			}
			for i, c := range o.Chunks() {
				if _, err := o.Put(i, data[c.Offset:c.Offset+int64(c.Size)]); err != nil {
					b.Fatal(err)
				}
			}
			if err := o.Finish(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkFillLocal makes a version of 256 MiB from the one before, which differs in a few bytes: in as many, so that it lies in the same
// blocks of the disk, or after three more at the beginning. TMPDIR says on which file system.
func BenchmarkFillLocal(b *testing.B) {
	v1 := content(1, benchSize)
	for name, v2 := range map[string][]byte{"in place": append([]byte("abc"), v1[3:]...), "moved": append([]byte("abc"), v1...)} {
		from := add(b, open(b, memdisk.New(0)), v2)
		nodes := nodesOf(b, from)
		b.Run(name, func(b *testing.B) {
			fs := newDisk(b)
			s := open(b, fs)
			add(b, s, v1)
			b.SetBytes(benchSize)
			taken := uint64(0)
			for b.Loop() {
				b.StopTimer()
				free := freeOn(b, fs)
				b.StartTimer()
				o, err := s.Begin(from.Want)
				if err == nil {
					err = o.SetNodes(nodes)
				}
				if err == nil {
					_, err = o.FillLocal(b.Context())
				}
				if err == nil {
					err = o.Flush()
				}
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				taken += free - min(free, freeOn(b, fs))
				if err := s.Remove(from.Digest); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(taken)/float64(b.N)/1e6, "disk-MB")
		})
	}
}

func newDisk(b *testing.B) *osdisk.FS {
	fs, err := osdisk.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = fs.Close() })
	return fs
}

// freeOn returns how many bytes are free on a disk, once all that was written has its place.
func freeOn(b *testing.B, fs *osdisk.FS) uint64 {
	syscall.Sync()
	free, _, err := fs.Free()
	if err != nil {
		b.Fatal(err)
	}
	return free
}

// BenchmarkOpenChecked reads 256 MiB as a driver does that puts them in place: with the chunks' marks, and as after a restart, when none is known.
func BenchmarkOpenChecked(b *testing.B) {
	s := open(b, newDisk(b))
	o := add(b, s, content(1, benchSize))
	for _, marked := range []bool{true, false} {
		b.Run(map[bool]string{true: "marked", false: "anew"}[marked], func(b *testing.B) {
			b.SetBytes(benchSize)
			for b.Loop() {
				for i := range o.marks {
					if !marked {
						o.marks[i].Store(0)
					}
				}
				r, err := s.OpenChecked(o.Digest)
				if err == nil {
					_, err = io.Copy(io.Discard, io.NewSectionReader(r, 0, r.Size()))
					err = errors.Join(err, r.Close())
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
