// Package house keeps the house rules that a compiler does not: which room may import which,
// and that every package says what it is.
package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "selvage"

// floor gives each room its floor; imports go down only, and never sideways between rooms.
var floor = map[string]int{
	"cmd":        4,
	"simulator":  3,
	"node":       2,
	"mesh":       1,
	"gossip":     1,
	"distribute": 1,
	"ledger":     1,
	"internal":   0,
}

// adapters touch the outside: each wraps the dependency that it is named for, and only cmd may
// import one. Tests may, to run a conformance suite.
var adapters = []string{
	"selvage/internal/disk/osdisk",
	"selvage/ledger/boltlog",
	"selvage/mesh/mdns",
	"selvage/node/runtime/process",
}

type pkg struct {
	ImportPath  string
	Dir         string
	GoFiles     []string
	TestGoFiles []string
	Imports     []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,TestGoFiles,Imports", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func room(path string) string {
	rest := strings.TrimPrefix(path, module+"/")
	return strings.SplitN(rest, "/", 2)[0]
}

// breach says what is wrong with package from importing package to; "" if nothing is.
func breach(from, to string) string {
	a, b := room(from), room(to)
	fa, known := floor[a]
	if !known {
		return fmt.Sprintf("%s is in no room: rooms are those of ARCHITECTURE.md", from)
	}
	fb, known := floor[b]
	switch {
	case !known:
		return fmt.Sprintf("%s imports %s, which is in no room", from, to)
	case a != b && fa <= fb:
		return fmt.Sprintf("%s imports %s: imports go down only", from, to)
	case slices.Contains(adapters, to) && a != "cmd":
		return fmt.Sprintf("%s imports the adapter %s, which only cmd may", from, to)
	case b == "simulator" && a != "cmd" && a != b:
		return fmt.Sprintf("%s imports %s, which only cmd may", from, to)
	}
	return ""
}

func TestImportsGoDownOnly(t *testing.T) {
	for _, p := range packages(t) {
		for _, imp := range p.Imports {
			if !strings.HasPrefix(imp, module+"/") {
				continue
			}
			if wrong := breach(p.ImportPath, imp); wrong != "" {
				t.Error(wrong)
			}
		}
	}
}

func TestBreach(t *testing.T) {
	for _, c := range []struct {
		from, to string
		ok       bool
	}{
		{"selvage/cmd/selvage", "selvage/node", true},
		{"selvage/cmd/selvage", "selvage/ledger/boltlog", true},
		{"selvage/node", "selvage/mesh", true},
		{"selvage/node", "selvage/internal/disk", true},
		{"selvage/ledger", "selvage/ledger/trust", true},
		{"selvage/mesh", "selvage/gossip", false},
		{"selvage/ledger", "selvage/distribute", false},
		{"selvage/gossip", "selvage/node", false},
		{"selvage/internal/disk", "selvage/ledger", false},
		{"selvage/node", "selvage/ledger/boltlog", false},
		{"selvage/node", "selvage/simulator", false},
		{"selvage/attic", "selvage/node", false},
	} {
		if got := breach(c.from, c.to); (got == "") != c.ok {
			t.Errorf("breach(%s, %s) = %q, want ok %v", c.from, c.to, got, c.ok)
		}
	}
}

func TestOnePackageComment(t *testing.T) {
	for _, p := range packages(t) {
		files := p.GoFiles
		if len(files) == 0 {
			files = p.TestGoFiles
		}
		var with []string
		for _, f := range files {
			ast, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, f), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if ast.Doc != nil {
				with = append(with, f)
			}
		}
		if len(with) != 1 {
			t.Errorf("%s: %d package comments %v, want one", p.ImportPath, len(with), with)
		}
	}
}
