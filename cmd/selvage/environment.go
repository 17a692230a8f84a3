package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"selvage/node/api"
)

// environment is what every command has: where the node lives and where output goes.
type environment struct {
	dir      string
	format   string
	out, err io.Writer
}

// socketName is the API's socket in the state directory.
const socketName = "selvage.sock"

func defaultDir() string {
	if d := os.Getenv("SELVAGE_DIR"); d != "" {
		return d
	}
	if os.Getuid() == 0 {
		return "/var/lib/selvage"
	}
	if d := os.Getenv("XDG_STATE_HOME"); d != "" {
		return filepath.Join(d, "selvage")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "selvage-state"
	}
	return filepath.Join(home, ".local", "state", "selvage")
}

func (e *environment) check() error {
	if e.dir == "" { // a script's variable that is not set does not mean the working directory
		return usage("--dir is empty: name a directory, or leave it out")
	}
	switch e.format {
	case "table", "wide", "json":
		return nil
	}
	return usage("-o %q: want table, wide or json", e.format)
}

func (e *environment) json() bool { return e.format == "json" }
func (e *environment) wide() bool { return e.format == "wide" }

func (e *environment) client() *api.Client {
	return api.NewClient(filepath.Join(e.dir, socketName))
}

// ask gets a noun from the running node.
func ask[T any](ctx context.Context, e *environment, noun string, query url.Values) (T, error) {
	var v T
	err := e.client().Get(ctx, noun, query, &v)
	return v, e.explain(err)
}

// explain says in the caller's words that no node runs, or that it cannot be talked to.
func (e *environment) explain(err error) error {
	switch {
	case errors.Is(err, api.ErrNotRunning):
		return hinted(fmt.Errorf("no node is running in %s", e.dir), "start one with 'selvage up', or name its directory with --dir")
	case errors.Is(err, api.ErrSilent):
		return hinted(fmt.Errorf("the node in %s does not answer", e.dir), "it is stopped (SIGSTOP), still starting, or stuck; its log may say more, and ending it and 'selvage up' help")
	case errors.Is(err, api.ErrEnded):
		return hinted(fmt.Errorf("the node in %s ended before it had answered", e.dir), "its log says why; whether it did what it was asked is to be seen when it runs again")
	case errors.Is(err, fs.ErrPermission):
		return hinted(fmt.Errorf("the node in %s is another user's", e.dir), "run this command as who runs the node, or as root")
	}
	return err
}

// hint tells a person what may help; scripts that read stdout never see it.
func (e *environment) hint(format string, args ...any) {
	fmt.Fprintf(e.err, "selvage: hint: "+format+"\n", args...)
}

// printJSON writes one value, indented.
func (e *environment) printJSON(v any) error {
	enc := json.NewEncoder(e.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// table prints rows under a header, columns aligned. A cell is one plain line; an empty cell is written "-".
func (e *environment) table(header []string, rows [][]string) error {
	w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
	writeRow(w, header)
	for _, r := range rows {
		writeRow(w, r)
	}
	return w.Flush()
}

func writeRow(w io.Writer, cells []string) {
	for i, c := range cells {
		if c = plain(c); c == "" {
			c = "-"
		}
		sep := "\t"
		if i == len(cells)-1 {
			sep = "\n"
		}
		fmt.Fprint(w, c, sep)
	}
}

// age writes how long ago t was, to one unit: "3s", "5m", "2h", "4d".
func age(t, now time.Time) string {
	if t.IsZero() || t.Unix() == 0 {
		return "never"
	}
	d := max(0, now.Sub(t))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// size writes bytes with a binary unit and one decimal.
func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
