package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"selvage/simulator/netns/lab"
)

// TestMain makes this program itself runnable by the scripts, as 'selvage'.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"selvage": main, bareSource: bare})
}

// TestScripts runs the command line as people do, with real nodes on loopback.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Cmds:               map[string]func(*testscript.TestScript, bool, []string){"until": until, "exits": exits, "alter": alter, "fill": fill, "rot": rot, "serve": serveFiles, "served": served},
		Condition:          condition,
	})
}

// condition is what a script may ask of the machine: netns is whether it can have network namespaces.
func condition(name string) (bool, error) {
	if name != "netns" {
		return false, fmt.Errorf("no condition is called %q", name)
	}
	return lab.Available() == nil, nil
}

// patience bounds how long a script waits for what has to come about.
const patience = 60 * time.Second

// until runs a command until it succeeds and its output, on both streams, matches:
//
//	until PATTERN COMMAND ARG...
//
// With ! the command has to fail, and match.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: until PATTERN COMMAND ARG...")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	var out []byte
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		cmd := exec.Command(args[1], args[2:]...) // not ts.Exec, which logs every try
		cmd.Dir = ts.MkAbs(".")
		out, err = cmd.CombinedOutput()
		if (err == nil) != neg && pattern.Match(out) {
			return
		}
	}
	ts.Fatalf("waited %s in vain for %q; the last: %v\n%s", patience, args[0], err, out)
}

// exits runs a command that has to end with an exit code:
//
//	exits CODE COMMAND ARG...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || neg {
		ts.Fatalf("usage: exits CODE COMMAND ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var ended *exec.ExitError
		if !errors.As(err, &ended) {
			ts.Fatalf("%v", err)
		}
		code = ended.ExitCode()
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d; it says %s", code, want, ts.ReadFile("stderr"))
	}
}

// alter replaces text in a file, once, and keeps its length if both texts have the same:
//
//	alter FILE OLD NEW
func alter(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: alter FILE OLD NEW")
	}
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	if !bytes.Contains(data, []byte(args[1])) {
		ts.Fatalf("%s holds no %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(path, bytes.Replace(data, []byte(args[1]), []byte(args[2]), 1), 0o600))
}

// fill writes a file of so many KiB that does not repeat itself:
//
//	fill FILE KIB
func fill(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: fill FILE KIB")
	}
	kib, err := strconv.Atoi(args[1])
	ts.Check(err)
	data := make([]byte, kib<<10)
	x := uint64(0x9e3779b97f4a7c15)
	for i := range data {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		data[i] = byte(x >> 56)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o600))
}

// rot changes a byte in the middle of the only file of a directory:
//
//	rot DIR
func rot(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: rot DIR")
	}
	files, err := filepath.Glob(ts.MkAbs(args[0]) + "/*")
	ts.Check(err)
	if len(files) != 1 {
		ts.Fatalf("%s has %d files", args[0], len(files))
	}
	data, err := os.ReadFile(files[0])
	ts.Check(err)
	f, err := os.OpenFile(files[0], os.O_WRONLY, 0)
	ts.Check(err)
	_, err = f.WriteAt([]byte{^data[len(data)/2]}, int64(len(data)/2))
	ts.Check(errors.Join(err, f.Close()))
}
