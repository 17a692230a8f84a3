package deploy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"selvage/internal/disk"
	"selvage/ledger/manifest"
	"selvage/node/rollout"
)

// Version is one deployment statement with the release that it named: all that is needed to run it,
// kept so that it can be gone back to when the ledger has moved on.
type Version struct {
	ID       rollout.ID    `json:"id"`
	Release  string        `json:"release"` // name@version
	Type     string        `json:"type"`
	Artifact Artifact      `json:"artifact"`
	Spec     manifest.Spec `json:"spec"` // with defaults filled in
}

// Artifact names the blob to run.
type Artifact struct {
	Digest string `json:"digest"` // SHA-256, hex
	Size   int64  `json:"size"`   // bytes
	Root   string `json:"root"`   // CID of its chunk list
	File   string `json:"file"`   // base name
}

// record is what is remembered of one deployment over restarts.
type record struct {
	Verified *Version   `json:"verified,omitempty"` // the last version that proved itself
	Before   *Version   `json:"before,omitempty"`   // the one that did before it, which an operator may want back
	Trying   rollout.ID `json:"trying,omitempty"`   // the version that was begun and has not proved itself; Attempts counts its starts
	Attempts int        `json:"attempts,omitempty"`
	Broken   rollout.ID `json:"broken,omitempty"`
	Reason   string     `json:"reason,omitempty"`
	Port     int        `json:"port,omitempty"` // the free port that was picked, kept over updates
	Type     string     `json:"type,omitempty"` // of what ran last, whose driver has files on disk
}

// lastType is the type of what ran last; "" if that is not known. Older journals do not say it.
func (r record) lastType() string {
	if r.Type == "" && r.Verified != nil {
		return r.Verified.Type
	}
	return r.Type
}

const (
	journalDir = "journal"
	maxRecord  = 1 << 20 // bytes: of two specs as long as an entry may be, each byte written with six
)

func recordFile(name string) string {
	return path.Join(journalDir, strings.ReplaceAll(name, "/", "~")+".json")
}

// errDamaged: what is read of a journal is no journal, and never will be.
var errDamaged = errors.New("it is damaged")

// loadRecord returns the zero record for a deployment that was never journalled. The error has errDamaged in its chain unless it is
// the disk that could not be read.
func loadRecord(f disk.FS, name string) (record, error) {
	var r record
	file := recordFile(name)
	if info, err := f.Stat(file); err == nil && info.Size() > maxRecord {
		return r, fmt.Errorf("read %s: %w: longer than %d bytes", file, errDamaged, maxRecord)
	}
	data, err := disk.ReadFile(f, file, maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return record{}, fmt.Errorf("read %s: %w: %w", file, errDamaged, err)
	}
	return r, nil
}

// save is durable when it returns.
func (r record) save(f disk.FS, name string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := f.MkdirAll(journalDir, 0o700); err != nil {
		return err
	}
	return disk.WriteFile(f, recordFile(name), data, 0o600)
}

// journalled reports whether the deployment ever ran here, and has not been removed since. A damaged journal may be all that says so:
// the power may go between the two steps of setAside.
func journalled(f disk.FS, name string) bool {
	for _, file := range []string{recordFile(name), asideFile(name)} {
		if _, err := f.Stat(file); err == nil {
			return true
		}
	}
	return false
}

// asideFile is where a damaged journal is kept for a person to look at.
func asideFile(name string) string { return recordFile(name) + ".damaged" }

// setAside has an empty journal in place of a damaged one, durably.
func setAside(f disk.FS, name string) error {
	if err := f.Rename(recordFile(name), asideFile(name)); err != nil {
		return err
	}
	return record{}.save(f, name)
}

// forget removes the journal of a deployment, durably.
func forget(f disk.FS, name string) error {
	for _, file := range []string{asideFile(name), recordFile(name)} {
		if err := f.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return f.SyncDir(journalDir)
}
