package deploy

import (
	"testing"

	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
	"selvage/node/runtime"
)

// FuzzRecord: a damaged journal is an error or a record that can be kept again, never a crash.
func FuzzRecord(f *testing.F) {
	v := version(runtime.TypeProcess, "1")
	fs := memdisk.New(0)
	if err := (record{Verified: v, Trying: "id-2", Attempts: 1, Port: 40001}).save(fs, app); err != nil {
		f.Fatal(err)
	}
	good, err := disk.ReadFile(fs, recordFile(app), maxRecord)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"verified":{"artifact":{"digest":"zz"}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		fs := memdisk.New(0)
		if err := fs.MkdirAll(journalDir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := disk.WriteFile(fs, recordFile(app), data, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := loadRecord(fs, app)
		if err != nil {
			return
		}
		if err := r.save(fs, app); err != nil {
			t.Fatal(err)
		}
		if _, err := loadRecord(fs, app); err != nil {
			t.Errorf("a record that was read cannot be read again: %v", err)
		}
	})
}
