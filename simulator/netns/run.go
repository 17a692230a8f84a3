package netns

import (
	"io"

	"selvage/internal/disk"
)

// Config is what the engine is given.
type Config struct {
	Exe  string                         // the binary whose nodes take part
	Open func(dir string) (Disk, error) // opens a directory of this machine
}

// Disk is a directory of this machine.
type Disk interface {
	disk.FS
	io.Closer
}
