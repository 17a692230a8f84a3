package lead

import (
	"errors"
	"fmt"
	"io/fs"

	"selvage/internal/disk"
	"selvage/ledger/lease"
)

// recordFile is where the machine's record is kept, in the state directory: that of a witness under the name of the site.
const recordFile = "lease"

func (l *Lead) recordFile() string {
	if l.cfg.witness {
		return recordFile + "-" + l.cfg.Site
	}
	return recordFile
}

// recall returns what the disk remembers. A founder that remembers nothing, and has heard of nobody, is the site's only
// voter.
func (l *Lead) recall() (lease.Record, error) {
	data, err := disk.ReadFile(l.cfg.FS, l.recordFile(), lease.MaxEncoded)
	if errors.Is(err, fs.ErrNotExist) {
		if l.cfg.Founder && len(l.cfg.Known()) == 0 {
			return lease.Record{Config: lease.Found(l.cfg.Self)}, nil
		}
		return lease.Record{}, nil
	}
	if err != nil {
		return lease.Record{}, fmt.Errorf("recall the lease: %w", err)
	}
	rec, err := lease.DecodeRecord(data)
	if err != nil {
		return lease.Record{}, fmt.Errorf("recall the lease: %s: %w", l.recordFile(), err)
	}
	return rec, nil
}

// keep is durable when it returns: the file is synced, and so is its name.
func (l *Lead) keep(rec lease.Record) error {
	data, err := rec.Encode()
	if err != nil {
		return err
	}
	if err := disk.WriteFile(l.cfg.FS, l.recordFile(), data, 0o600); err != nil {
		return fmt.Errorf("keep the lease: %w", err)
	}
	return nil
}
