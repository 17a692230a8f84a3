package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"selvage/node/api"
)

// watchEvery is how often 'get --watch' looks at the node beside it; that costs no network.
const watchEvery = time.Second

// watch shows a listing for as long as ctx lasts: in place on a terminal; else whole, each time that it has changed, and
// as JSON in one line. A node that stops meanwhile is waited for.
func watch(ctx context.Context, env *environment, n noun, only string) error {
	s, complaints := newScreen(env.out), &screen{out: env.err}
	begun := false
	for {
		text, err := watched(ctx, env, n, only)
		switch {
		case err == nil:
			begun = true
		case ctx.Err() != nil:
			return nil // who watches ends it
		case !begun || !passing(err):
			return err
		default:
			text = fmt.Sprintf("selvage: %v\n", err)
		}
		to := s
		if err != nil && s.size == nil {
			to = complaints
		}
		if err := to.show(text); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchEvery):
		}
	}
}

// passing reports whether an error may be gone when the node is asked next: it is being restarted, or what is
// watched has been removed.
func passing(err error) bool {
	var refused *api.Error
	return !errors.As(err, &refused) || refused.Code >= 500 || refused.Code == 404
}

// watched is a listing as text.
func watched(ctx context.Context, env *environment, n noun, only string) (string, error) {
	v, l, err := n.list(ctx, env, only)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if env.json() {
		err := json.NewEncoder(&b).Encode(v)
		return b.String(), err
	}
	to := *env
	to.out = &b
	err = l.print(&to)
	return b.String(), err
}

// screen shows a text and then another in its place.
type screen struct {
	out   io.Writer
	size  func() (width, height int) // of the terminal; nil if it is none
	last  string
	lines int // that are shown
}

func newScreen(out io.Writer) *screen { return &screen{out: out, size: terminal(out)} }

// show puts a text of whole lines where the last one was; where that cannot be, after it, if it is another.
func (s *screen) show(text string) error {
	if s.size == nil {
		if text == s.last {
			return nil
		}
		s.last = text
		_, err := io.WriteString(s.out, text)
		return err
	}
	width, height := s.size()
	lines := fit(strings.Split(strings.TrimSuffix(text, "\n"), "\n"), width, height)
	up := ""
	if s.lines > 0 {
		up = fmt.Sprintf("\x1b[%dA", s.lines)
	}
	s.lines = len(lines)
	_, err := fmt.Fprintf(s.out, "\r%s\x1b[J%s\n", up, strings.Join(lines, "\n"))
	return err
}

// fit cuts lines to what a terminal shows without scrolling or folding them.
func fit(lines []string, width, height int) []string {
	if most := max(2, height-1); len(lines) > most {
		rest := len(lines) - most + 1
		lines = append(lines[:most-1:most-1], fmt.Sprintf("... and %d more", rest))
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		r := []rune(l)
		out[i] = string(r[:min(len(r), max(1, width))])
	}
	return out
}
