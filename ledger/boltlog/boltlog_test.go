package boltlog

import (
	"bytes"
	"errors"
	"fmt"
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

// TestDamagedPages: a page that went bad on the disk is an error, wherever it lies, and not the end of the process.
func TestDamagedPages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path)
	var b ledger.Batch
	for i := range 30 {
		b.Put = append(b.Put, ledger.Item{Feed: "feed", Seq: uint64(i), Data: make([]byte, 700)})
	}
	if err := errors.Join(l.Commit(b), l.Close()); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for at := 0; at+64 <= len(good); at += os.Getpagesize() {
		for skip := range 2 { // with and without the page's head
			file := bytes.Clone(good)
			for i := at + 16*skip; i < at+64; i++ {
				file[i] = 0xa5
			}
			path := fmt.Sprint(path, at, skip)
			if err := os.WriteFile(path, file, 0o600); err != nil {
				t.Fatal(err)
			}
			if errors.Is(readAll(path), ErrCorrupt) {
				found++
			}
		}
	}
	if found < 10 {
		t.Errorf("found %d times", found)
	}
}

// readAll opens a file and reads what is in it.
func readAll(path string) error {
	l, err := Open(path)
	if err != nil {
		return err
	}
	defer l.Close()
	_, err = l.Meta("floor")
	for i := range uint64(30) {
		if _, e := l.Get("feed", i); !errors.Is(e, ledger.ErrNotFound) {
			err = errors.Join(err, e)
		}
	}
	return errors.Join(err, l.Scan(func(string, uint64, []byte) error { return nil }))
}
