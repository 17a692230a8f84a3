package native

import (
	"time"

	"selvage/internal/disk"
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
	if err := disk.CopyTree(from, b.fs, "."); err != nil {
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
	if err := disk.CopyTree(b.fs, fs, "."); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fs, m.log = fs, b.log.Clone()
	return nil
}
