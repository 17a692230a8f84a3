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
	// Level is "debug", "warn" or "error" of what a node has logged so. A debug event with a Peer is a message to
	// that node.
	Level string `json:"level,omitempty"`
}

// What a trace keeps. Its digest covers all but what was logged at debug level, so that looking
// closer does not change it.
const (
	maxEvents = 200_000
	maxDebug  = 20_000 // of them
)

// Trace is the log of a story. It is safe for concurrent use.
type Trace struct {
	window Span // when debug is logged; set before nodes are there

	mu      sync.Mutex
	begin   time.Time
	events  []Event
	debug   int // of those that came
	leftOut leftOut
	sum     hash.Hash
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
	switch {
	case e.Level != levelDebug:
		fmt.Fprintf(t.sum, "%d\t%s\t%s\t%s\t%d\t%s\n", e.At, e.On, e.What, e.Peer, e.Bytes, e.Text)
	case t.window.Has(e.At):
		t.debug++
	default:
		return
	}
	switch {
	case e.Level == levelDebug && (t.debug > maxDebug || len(t.events) >= maxEvents):
		t.leftOut.debug++
	case len(t.events) >= maxEvents:
		t.leftOut.events++
	default:
		t.events = append(t.events, e)
	}
}

// cover has the digest cover what is no event: values of a fixed size, as encoding/binary has it.
func (t *Trace) cover(values any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = binary.Write(t.sum, binary.BigEndian, values) // a hash takes all
}

// leftOut is how many events a trace had no room for.
type leftOut struct{ events, debug int }

// open sets when debug is logged. It is called before there is a node.
func (t *Trace) open(window Span) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.window = window
}

// take returns the events that are kept, how many are not, and the SHA-256 of all so far, hex. A peer that was
// named by its ID gets its name.
func (t *Trace) take(machines []Machine) (events []Event, lost leftOut, sum string) {
	names := map[string]string{}
	for _, m := range machines {
		names[m.ID().String()] = m.NodeName()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	events = slices.Clone(t.events)
	for i, e := range events {
		if name, ok := names[e.Peer]; ok {
			events[i].Peer = name
		}
	}
	return events, t.leftOut, hex.EncodeToString(t.sum.Sum(nil))
}

// Logger puts what a node at a place logs into the trace: of level info and above, and while the window is
// open also what is below. The attributes "peer" and "bytes" become the event's.
func (t *Trace) Logger(on string) *slog.Logger { return slog.New(&logHandler{t: t, on: on}) }

// logHandler is the trace as a slog.Handler.
type logHandler struct {
	t     *Trace
	on    string
	attrs []slog.Attr
}

// levelDebug is the Level of events that are told while the window is open only.
const levelDebug = "debug"

func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool {
	return l >= slog.LevelInfo || h.t.window.To > 0 && h.t.window.Has(h.t.Now())
}

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	e := Event{On: h.on, What: r.Message, Level: levelName(r.Level)}
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

func levelName(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return levelDebug
	case l < slog.LevelWarn:
		return ""
	case l < slog.LevelError:
		return "warn"
	}
	return "error"
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
