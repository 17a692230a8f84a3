package boltlog

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"selvage/ledger"
	"selvage/ledger/ledgertest"
)

func open(t *testing.T, path string) *Log {
	t.Helper()
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	l.db.NoSync = true // what is tested survives a restart of the process, and the disk is slow
	return l
}

func TestLog(t *testing.T) {
	dir, n := t.TempDir(), 0
	ledgertest.Run(t, func(t *testing.T) (ledger.Log, func() ledger.Log) {
		n++
		path := filepath.Join(dir, string(rune('a'+n%26))+".db")
		_ = os.Remove(path) // of an earlier round
		log := open(t, path)
		return log, func() ledger.Log {
			if err := log.Close(); err != nil {
				t.Fatal(err)
			}
			log = open(t, path)
			return log
		}
	})
}

func TestInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	defer open(t, path).Close()
	if _, err := Open(path); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	path := filepath.Join(f.TempDir(), "good.db")
	l, err := Open(path)
	if err != nil {
		f.Fatal(err)
	}
	if err := l.Close(); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good[:4096], 0)
	f.Add([]byte("not a ledger"), 0)
	f.Add([]byte{1, 2, 3, 4}, 8192+16)
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		if at < 0 || at > len(good) || len(data) > len(good)-at {
			return
		}
		file := append([]byte(nil), good...)
		copy(file[at:], data)
		path := filepath.Join(t.TempDir(), "ledger.db")
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Open(path)
		if err != nil {
			return
		}
		_ = l.Scan(func(string, uint64, []byte) error { return nil }) // any error will do; a crash will not
		_ = l.Close()
	})
}
