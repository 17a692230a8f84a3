package native

import (
	"io"
	"os"
	"path"
	"time"

	"selvage/internal/disk/memdisk"
	"selvage/ledger/memlog"
)

// backup is a copy of all that a machine keeps.
type backup struct {
	fs  *memdisk.FS
	log *memlog.Log
}

// backUp copies the machine's disk as it is now, while its node runs, as backups are made.
func (m *machine) backUp(at time.Duration) error {
	m.mu.Lock()
	from, log := m.fs, m.log
	m.mu.Unlock()
	b := backup{memdisk.New(0), log.Clone()}
	if err := copyTree(from, b.fs, "."); err != nil {
		return err
	}
	if m.backups == nil {
		m.backups = map[time.Duration]backup{}
	}
	m.backups[at] = b
	return nil
}

// restore puts a copy of a backup in the place of what the machine has. Its node must be down.
func (m *machine) restore(at time.Duration) error {
	b := m.backups[at]
	fs := memdisk.New(0)
	if err := copyTree(b.fs, fs, "."); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fs, m.log = fs, b.log.Clone()
	return nil
}

func copyTree(from, to *memdisk.FS, dir string) error {
	list, err := from.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		name := path.Join(dir, e.Name())
		switch {
		case e.Type()&os.ModeSymlink != 0:
			target, err := from.Readlink(name)
			if err != nil {
				return err
			}
			err = to.Symlink(target, name)
			if err != nil {
				return err
			}
		case e.IsDir():
			if err := to.MkdirAll(name, 0o700); err != nil {
				return err
			}
			if err := copyTree(from, to, name); err != nil {
				return err
			}
		default:
			if err := copyFile(from, to, name); err != nil {
				return err
			}
		}
	}
	return to.SyncDir(dir)
}

func copyFile(from, to *memdisk.FS, name string) error {
	in, err := from.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := to.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Sync()
}
