package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSeedOfWhatChanges: a file that is still being written is not signed, for a version stands for its bytes for good.
func TestSeedOfWhatChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app")
	if err := os.WriteFile(path, []byte("half of it"), 0o600); err != nil {
		t.Fatal(err)
	}
	changes := false
	dir := pretend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if changes {
			_ = os.WriteFile(path, []byte("half of it, and the other"), 0o600)
		}
		_, _ = io.WriteString(w, `{"digest":"ab","size":10}`)
	})
	for _, changes = range []bool{false, true} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = upload(t.Context(), &environment{dir: dir, err: io.Discard}, f)
		_ = f.Close()
		if changed := err != nil && strings.HasSuffix(err.Error(), "app changed while it was read"); changed != changes || err != nil && !changes {
			t.Errorf("changes: %t; got %v", changes, err)
		}
	}
}
