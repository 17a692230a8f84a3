package simulator

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Event is one line of a story as it happened.
type Event struct {
	At    time.Duration `json:"at_ns"` // since the story began
	On    string        `json:"on"`    // SITE/NODE, a site, or "" for the story
	What  string        `json:"what"`
	Peer  string        `json:"peer,omitempty"`  // SITE-NODE of another node, if the event is about one
	Bytes int64         `json:"bytes,omitempty"` // that it moved
	Text  string        `json:"text,omitempty"`
}

// maxEvents bounds what a trace keeps; its digest covers all.
const maxEvents = 200_000

// Trace is the log of a story. It is safe for concurrent use.
type Trace struct {
	mu     sync.Mutex
	begin  time.Time
	events []Event
	sum    hash.Hash
}

// NewTrace begins a trace, and with it the story's time.
func NewTrace() *Trace { return &Trace{begin: time.Now(), sum: sha256.New()} }

// Now is the story's time.
func (t *Trace) Now() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Since(t.begin)
}

// Begin has the story's time begin now, where to found the fleet takes real time. What came before
// happened at negative times.
func (t *Trace) Begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	since := time.Since(t.begin)
	t.begin = t.begin.Add(since)
	for i := range t.events {
		t.events[i].At -= since
	}
}

// Note writes an event with a text.
func (t *Trace) Note(on, what, format string, args ...any) {
	t.Add(Event{On: on, What: what, Text: fmt.Sprintf(format, args...)})
}

// Add writes an event as of now.
func (t *Trace) Add(e Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.At = time.Since(t.begin)
	fmt.Fprintf(t.sum, "%d\t%s\t%s\t%s\t%d\t%s\n", e.At, e.On, e.What, e.Peer, e.Bytes, e.Text)
	if len(t.events) < maxEvents {
		t.events = append(t.events, e)
	}
}

// cover has the digest cover what is no event: values of a fixed size, as encoding/binary has it.
func (t *Trace) cover(values any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = binary.Write(t.sum, binary.BigEndian, values) // a hash takes all
}

// take returns the events that are kept, and the SHA-256 of all so far, hex.
func (t *Trace) take() ([]Event, string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.events, hex.EncodeToString(t.sum.Sum(nil))
}

// Logger puts what a node at a place logs, of level info and above, into the trace. The attributes
// "peer" and "bytes" become the event's.
func (t *Trace) Logger(on string) *slog.Logger { return slog.New(&logHandler{t: t, on: on}) }

// logHandler is the trace as a slog.Handler.
type logHandler struct {
	t     *Trace
	on    string
	attrs []slog.Attr
}

func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	e := Event{On: h.on, What: r.Message}
	var text strings.Builder
	add := func(a slog.Attr) bool {
		switch v := a.Value.Resolve(); {
		case a.Key == "peer":
			e.Peer = v.String()
		case a.Key == "bytes" && v.Kind() == slog.KindInt64:
			e.Bytes = v.Int64()
		default:
			fmt.Fprintf(&text, " %s=%v", a.Key, v)
		}
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	e.Text = strings.TrimSpace(text.String())
	h.t.Add(e)
	return nil
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		if a.Key != "node" && a.Key != "site" { // the event has them already
			c.attrs = append(c.attrs, a)
		}
	}
	return &c
}

func (h *logHandler) WithGroup(string) slog.Handler { return h }
