package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"selvage/ledger"
	"selvage/ledger/trust"
	"selvage/node/api"
)

// newTerminal returns both ends of a terminal of a size: what a person is at, and what programs have.
func newTerminal(t *testing.T, width, height uint16) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = person.Close() })
	fd := int(person.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: height, Col: width})
	}
	if err != nil {
		t.Skip(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	return person, program
}

// read returns what came to a terminal.
func read(t *testing.T, person *os.File) string {
	t.Helper()
	buf := make([]byte, 4096)
	n, err := person.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

// TestTerminalWithoutSize: a serial line says that it has no columns and no lines, and shows what there is.
func TestTerminalWithoutSize(t *testing.T) {
	t.Setenv("TERM", "vt100")
	person, program := newTerminal(t, 0, 0)
	if err := newScreen(program).show("NAME  SITE\na1    hq\na2    hq\n"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, person); !strings.Contains(got, "NAME  SITE\r\na1    hq\r\na2    hq\r\n") {
		t.Errorf("it shows %q", got)
	}
}

// TestProgressFits: a line that is folded cannot be written over.
func TestProgressFits(t *testing.T) {
	t.Setenv("TERM", "xterm")
	person, program := newTerminal(t, 30, 10)
	bar := newProgress(program)
	bar.Show("3 of 12 targets run hello@v1, 2 have fetched it and wait for its time")
	line, ok := strings.CutPrefix(read(t, person), "\r\x1b[K")
	if !ok || !strings.HasPrefix(line, "[0:00] 3 of 12 targets") || len(line) >= 30 {
		t.Errorf("it shows %q", line)
	}
}

// TestDumbTerminal: what cannot go back in a line gets one after the other.
func TestDumbTerminal(t *testing.T) {
	t.Setenv("TERM", "dumb")
	person, program := newTerminal(t, 80, 24)
	newProgress(program).Show("1 of 2")
	if got := read(t, person); got != "[0:00] 1 of 2\r\n" {
		t.Errorf("it shows %q", got)
	}
}

// TestQuestionEnds: an interrupt is an answer to whether something is to be revoked.
func TestQuestionEnds(t *testing.T) {
	_, program := newTerminal(t, 80, 24)
	setStdin(t, program)
	draft, err := json.Marshal(ledger.Revocation{Subject: ledger.SubjectInvite, ID: strings.Repeat("ab", 16), Site: "hq", Keeps: []string{}, Declared: time.Unix(1e9, 0).UTC()})
	if err != nil {
		t.Fatal(err)
	}
	dir := pretend(t, func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(api.Draft{Revocation: draft})
	})
	if err := os.WriteFile(filepath.Join(dir, operatorKeyName), trust.MarshalKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	out := &asked{end: "[y/N] ", tell: interrupt}
	root := newRoot(out, out)
	root.SetArgs([]string{"--dir", dir, "revoke", "invite", strings.Repeat("ab", 16)})
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v, after %q", err, out.String())
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it waits on")
	}
}
