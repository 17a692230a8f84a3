package simulator

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Event is one line of a story as it happened.
type Event struct {
	At   time.Duration `json:"at_ns"` // since the story began
	On   string        `json:"on"`    // SITE/NODE, a site, or "" for the story
	What string        `json:"what"`
	Text string        `json:"text,omitempty"`
}

// maxEvents bounds what a trace keeps; its digest covers all.
const maxEvents = 200_000

// trace is the log of a story. It is safe for concurrent use.
type trace struct {
	begin time.Time

	mu     sync.Mutex
	events []Event
	count  int
	sum    hash.Hash
}

func newTrace() *trace { return &trace{begin: time.Now(), sum: sha256.New()} }

// add writes an event.
func (t *trace) add(on, what, format string, args ...any) {
	e := Event{time.Since(t.begin), on, what, fmt.Sprintf(format, args...)}
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.sum, "%d\t%s\t%s\t%s\n", e.At, e.On, e.What, e.Text)
	if t.count++; len(t.events) < maxEvents {
		t.events = append(t.events, e)
	}
}

// note has the digest cover what is no event: values of a fixed size, as encoding/binary has it.
func (t *trace) note(values any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = binary.Write(t.sum, binary.BigEndian, values) // a hash takes all
}

// digest is the SHA-256 of all events and notes so far, hex.
func (t *trace) digest() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return hex.EncodeToString(t.sum.Sum(nil))
}

// logger puts what a node logs, of level info and above, into the trace.
func (t *trace) logger(m *machine) *slog.Logger { return slog.New(&logHandler{t: t, on: m.String()}) }

// logHandler is the trace as a slog.Handler.
type logHandler struct {
	t     *trace
	on    string
	attrs string
}

func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		return true
	})
	h.t.add(h.on, r.Message, "%s", strings.TrimSpace(b.String()))
	return nil
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	for _, a := range attrs {
		if a.Key != "node" && a.Key != "site" { // the event has them already
			c.attrs += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		}
	}
	return &c
}

func (h *logHandler) WithGroup(string) slog.Handler { return h }
