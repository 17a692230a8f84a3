package store

import (
	"bytes"
	"context"
	"io"
	"testing"

	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
	"selvage/internal/disk/osdisk"
)

const benchSize = 256 << 20

func disks(b *testing.B, run func(b *testing.B, fs disk.FS)) {
	b.Run("memory", func(b *testing.B) { run(b, memdisk.New(0)) })
	b.Run("disk", func(b *testing.B) {
		fs, err := osdisk.Open(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		defer fs.Close()
		run(b, fs)
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
