package main

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"selvage/node/api"
)

// things is a noun that changes with every second look, and is not to be had at the fifth.
func things(looks *int) noun {
	list := func(context.Context, *environment, string) (any, *listing, error) {
		*looks++
		if *looks == 5 {
			return nil, nil, errors.New("no node is running in here")
		}
		v := strings.Repeat("x", (*looks+1)/2)
		return map[string]string{"is": v}, &listing{header: []string{"IS"}, rows: [][]string{{v}}}, nil
	}
	return noun{name: "things", list: list}
}

func TestWatchTellsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for format, want := range map[string]string{
			"table": "IS\nx\nIS\nxx\nIS\nxxx\n",
			"json":  "{\"is\":\"x\"}\n{\"is\":\"xx\"}\n{\"is\":\"xxx\"}\n",
		} {
			var out, complaints bytes.Buffer
			looks := 0
			ctx, cancel := context.WithTimeout(t.Context(), 5*watchEvery+watchEvery/2)
			err := watch(ctx, &environment{format: format, out: &out, err: &complaints}, things(&looks), "")
			cancel()
			if err != nil || out.String() != want {
				t.Errorf("%s: got %q, %v", format, out.String(), err)
			}
			if complaints.String() != "selvage: no node is running in here\n" {
				t.Errorf("%s: complains %q", format, complaints.String())
			}
		}
	})
}

func TestWatchOfNothing(t *testing.T) {
	for _, refused := range []error{errors.New("no node is running in here"), api.NotFound("no thing is called so", "")} {
		n := noun{name: "things", list: func(context.Context, *environment, string) (any, *listing, error) { return nil, nil, refused }}
		if err := watch(t.Context(), &environment{format: "table"}, n, ""); !errors.Is(err, refused) {
			t.Errorf("got %v", err)
		}
	}
}

// TestScreen reads what a terminal shows after each text.
func TestScreen(t *testing.T) {
	var out bytes.Buffer
	s := &screen{out: &out, size: func() (int, int) { return 10, 4 }}
	show := func(text string, want ...string) {
		t.Helper()
		if err := s.show(text); err != nil {
			t.Fatal(err)
		}
		if got := shown(out.String()); !slices.Equal(got, want) {
			t.Errorf("%q is shown for %q", got, text)
		}
	}
	show("A  B\n1  2\n", "A  B", "1  2")
	show("A  B\n1  2\n", "A  B", "1  2")
	show("a line that is too long\n", "a line tha")
	show("1\n2\n3\n4\n5\n", "1", "2", "... and 3 ")
	show("\n", "")
}

// shown plays what was written to a terminal that starts at its first line.
func shown(written string) []string {
	lines := []string{""}
	at := 0
	for written != "" {
		switch {
		case strings.HasPrefix(written, "\x1b[J"):
			lines[at] = ""
			lines = lines[:at+1]
			written = written[3:]
		case strings.HasPrefix(written, "\x1b["):
			up := int(written[2] - '0')
			at, written = at-up, written[4:]
		case written[0] == '\n':
			if at++; at == len(lines) {
				lines = append(lines, "")
			}
			written = written[1:]
		case written[0] == '\r':
			written = written[1:]
		default:
			lines[at] += written[:1]
			written = written[1:]
		}
	}
	return lines[:len(lines)-1]
}
