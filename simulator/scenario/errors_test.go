package scenario

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestErrors reads each file of testdata/errors.txtar. A file NAME.yaml is followed by NAME.err, with what is said of it.
func TestErrors(t *testing.T) {
	file := filepath.Join("testdata", "errors.txtar")
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out := &txtar.Archive{Comment: archive.Comment}
	got := map[string]string{}
	for _, f := range archive.Files {
		name, ok := strings.CutSuffix(f.Name, ".yaml")
		if !ok {
			continue
		}
		_, err := Parse(f.Name, f.Data, known)
		var wrong *Error
		if !errors.As(err, &wrong) {
			t.Errorf("%s: was accepted, or the error is not an *Error: %v", f.Name, err)
			continue
		}
		if strings.Contains(err.Error(), "scenario.") || strings.Contains(err.Error(), "%!") {
			t.Errorf("%s: %q speaks of Go", f.Name, err)
		}
		got[name] = err.Error() + "\n"
		out.Files = append(out.Files, f, txtar.File{Name: name + ".err", Data: []byte(got[name])})
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(out), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, f := range archive.Files {
		if name, ok := strings.CutSuffix(f.Name, ".err"); ok {
			if string(f.Data) != got[name] {
				t.Errorf("%s says\n%swant\n%s", name, got[name], f.Data)
			}
			delete(got, name)
		}
	}
	for name := range got {
		t.Errorf("%s has no .err: run go test -update", name)
	}
}

func TestHuge(t *testing.T) {
	deep := strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)
	faults := "sites: [{name: a, nodes: 1}]\nfaults:\n" + strings.Repeat("  - {at: 1s, crash: b/n0}\n", MaxFaults)
	for _, text := range []string{strings.Repeat("#", MaxFile+1), "sites: " + deep, faults, faults + "  - {at: 1s, crash: b/n0}\n"} {
		if _, err := Parse("f", []byte(text), known); err == nil {
			t.Errorf("%.20q... was accepted", text)
		} else if n := strings.Count(err.Error(), "\n"); n > maxProblems {
			t.Errorf("%.20q...: %d lines of errors", text, n)
		}
	}
}

func TestHint(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"helth", "did you mean health?"},
		{"haelth", "did you mean health?"},
		{"healthy", "did you mean health?"},
		{"h", "known are health, at"},
		{"ta", "did you mean at?"},
	} {
		if got := hint(c.name, []string{"health", "at"}); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if got := hint("x", nil); got != "there are none" {
		t.Error(got)
	}
}
