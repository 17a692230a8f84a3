package deploy

import (
	"errors"
	"strings"
	"testing"
	"time"

	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
	"selvage/ledger"
	"selvage/node/rollout"
	"selvage/node/runtime"
)

// damage writes what is no journal in place of app's.
func damage(t *testing.T, b *bench, data string) {
	t.Helper()
	if err := errors.Join(b.fs.MkdirAll(journalDir, 0o700), disk.WriteFile(b.fs, recordFile(app), []byte(data), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedJournal: what is declared runs, blobs can be given up again, and somebody is told.
func TestDamagedJournal(t *testing.T) {
	for what, data := range map[string]string{"cut off": `{"verified":{`, "empty": "", "endless": strings.Repeat(" ", maxRecord+1)} {
		t.Run(what, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				damage(t, b, data)
				b.want(version(runtime.TypeProcess, "1"))
				if s := b.after(10 * time.Second); s.Phase != rollout.Ready || !s.Ready {
					t.Errorf("%+v", s)
				}
				if _, err := b.Needs(); err != nil {
					t.Errorf("what is needed cannot be told: %v", err)
				}
				if len(b.alerts) != 1 || !strings.Contains(b.alerts[0], "journal of "+app+" was damaged") || !strings.Contains(b.alerts[0], asideFile(app)) {
					t.Errorf("alerts: %q", b.alerts)
				}
				if kept, err := disk.ReadFile(b.fs, asideFile(app), 2*maxRecord); err != nil || string(kept) != data {
					t.Errorf("kept %.40q, %v", kept, err)
				}
				b.restart(t)
				b.want(version(runtime.TypeProcess, "1"))
				if s := b.after(10 * time.Second); !s.Ready || len(b.alerts) != 1 {
					t.Errorf("after a restart: %+v; alerts %q", s, b.alerts)
				}
			})
		})
	}
}

// TestDamagedAndNoLongerMeant: what is left of a deployment goes, whatever its journal says.
func TestDamagedAndNoLongerMeant(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		damage(t, b, "{")
		b.Set([]Desired{{Name: app}})
		wantGone(t, b, "damaged")
		if list, err := b.fs.ReadDir(journalDir); err != nil || len(list) != 0 {
			t.Errorf("journals left: %v, %v", list, err)
		}
	})
}

// TestUnreadableJournal: what the disk does not give may come back, so it is not thrown away; a person is told what to do.
func TestUnreadableJournal(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		if err := b.fs.MkdirAll(recordFile(app), 0o700); err != nil { // a directory cannot be read as a file
			t.Fatal(err)
		}
		b.want(version(runtime.TypeProcess, "1"))
		s := b.after(10 * time.Second)
		if s.Phase != rollout.Waiting || s.Release != "" || len(b.alerts) == 0 || !strings.Contains(b.alerts[0], "move "+recordFile(app)) {
			t.Errorf("%+v; alerts %q", s, b.alerts)
		}
		if err := b.fs.Rename(recordFile(app), "elsewhere"); err != nil {
			t.Fatal(err)
		}
		if s = b.after(time.Minute); !s.Ready {
			t.Errorf("when it is moved: %+v", s)
		}
	})
}

// TestCrashWhileSettingAside: what a damaged journal leaves is enough to know that the deployment ran here, so that its files go.
func TestCrashWhileSettingAside(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		damage(t, b, "{")
		if err := b.fs.Rename(recordFile(app), asideFile(app)); err != nil {
			t.Fatal(err)
		}
		b.Set([]Desired{{Name: app}})
		wantGone(t, b, "set aside, and not begun anew")
		if list, err := b.fs.ReadDir(journalDir); err != nil || len(list) != 0 {
			t.Errorf("journals left: %v, %v", list, err)
		}
	})
}

// TestJournalThatSaysOtherwise: what operators have signed runs, though what the journal remembers of the same statement has changed.
func TestJournalThatSaysOtherwise(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		v1 := version(runtime.TypeProcess, "1")
		b.want(v1)
		b.after(10 * time.Second)
		b.end(t)
		rec, err := loadRecord(b.fs, app)
		if err != nil {
			t.Fatal(err)
		}
		rec.Verified.Spec.Run.Args = []string{"--flipped"}
		if err := rec.save(b.fs, app); err != nil {
			t.Fatal(err)
		}
		b.begin()
		b.want(v1)
		if s := b.after(10 * time.Second); !s.Ready || len(b.plain.running[app].w.Args) != 0 {
			t.Errorf("%+v, run with %q", s, b.plain.running[app].w.Args)
		}
	})
}

// TestLongestJournal: a journal of the longest specs that a ledger's entry holds, of bytes that JSON writes with six, is read again.
func TestLongestJournal(t *testing.T) {
	f := memdisk.New(0)
	long := version(runtime.TypeProcess, "1")
	long.Spec.Run.Env = map[string]string{"CONFIG": strings.Repeat("<", ledger.MaxBody)}
	if err := (record{Verified: long, Before: long}).save(f, app); err != nil {
		t.Fatal(err)
	}
	if rec, err := loadRecord(f, app); err != nil || rec.Before == nil {
		t.Errorf("%+v, %v", rec, err)
	}
}
