package native

import (
	"os"
	"testing"
	"testing/synctest"

	"selvage/internal/disk"
	"selvage/simulator"
)

// TestPowerCutOfWhatIsDown: a power cut takes what was not synced also from a machine whose node has died before: its page cache had it until
// then.
func TestPowerCutOfWhatIsDown(t *testing.T) {
	s := fleet(t, 1, 1)
	lost := 0
	synctest.Test(t, func(t *testing.T) {
		w, err := newWorld(s)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}()
		m := w.machines[0]
		for range 20 {
			if err := m.fs.MkdirAll("d", 0o700); err != nil {
				t.Fatal(err)
			}
			if err := m.fs.SyncDir("d"); err != nil {
				t.Fatal(err)
			}
			if err := disk.WriteFile(m.fs, "d/synced", []byte("kept"), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := m.fs.OpenFile("d/not", os.O_CREATE|os.O_WRONLY, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write([]byte("lost")); err != nil {
				t.Fatal(err)
			}
			_ = w.crash(simulator.Place(m), true)
			if _, err := m.fs.Stat("d/synced"); err != nil {
				t.Error(err)
			}
			if _, err := m.fs.Stat("d/not"); err != nil {
				lost++
			} else if err := m.fs.Remove("d/not"); err != nil {
				t.Fatal(err)
			}
		}
	})
	if lost == 0 {
		t.Error("20 power cuts lost nothing")
	}
}

// TestFullDiskHasNoRoom: who asks a full disk first is told so, too.
func TestFullDiskHasNoRoom(t *testing.T) {
	live(t, fleet(t, 1, 1), func(w *world) {
		m := w.machines[0]
		f := &machineFS{FS: m.fs, m: m, life: m.life}
		if free, _, err := f.Free(); free == 0 || err != nil {
			t.Errorf("%d free, %v", free, err)
		}
		end := w.count("s0", func(m *machine, by int32) { m.full.Add(by) })
		if free, total, err := f.Free(); free != 0 || total == 0 || err != nil {
			t.Errorf("a full disk has %d of %d free, %v", free, total, err)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}
