package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// backend answers with what it was asked, or with err.
type backend struct {
	Backend
	err error
}

func (b backend) Status() Status { return Status{Name: "n1", Site: "s1"} }
func (b backend) Terms() []Term {
	return []Term{{Began: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)}}
}
func (b backend) Rollout(n string) (Rollout, error) { return Rollout{Name: n}, b.err }
func (b backend) AddBlob(_ context.Context, r io.Reader) (Added, error) {
	n, err := io.Copy(io.Discard, r)
	return Added{Size: n}, errors.Join(err, b.err)
}
func (b backend) MakePatches(_ context.Context, w PatchWish) ([]Patch, error) {
	return []Patch{{From: w.Name, Size: int64(w.Versions)}}, b.err
}
func (b backend) Publish(kind string, env []byte) (string, error) {
	return kind + ":" + string(env), b.err
}
func (b backend) PlanExport(w ExportWish) (Media, error) {
	return Media{Root: w.Platform, Releases: []MediaRelease{{Release: w.Releases[1]}}}, nil
}
func (b backend) Export(_ context.Context, w ExportWish, out io.Writer) error {
	if w.Platform == "" {
		return b.err // before the first byte
	}
	_, err := io.WriteString(out, strings.Repeat(w.Releases[0], 100_000))
	return errors.Join(err, b.err)
}
func (b backend) Import(_ context.Context, r io.Reader) (Imported, error) {
	if b.err != nil {
		return Imported{}, b.err // in the middle of what comes
	}
	n, err := io.Copy(io.Discard, r)
	return Imported{Bytes: n}, err
}
func (b backend) Pin(c PinChange) ([]string, error) { return append(c.Add, c.Remove...), b.err }
func (b backend) Scrub(_ context.Context, told func(Scrub)) (Scrub, error) {
	told(Scrub{Read: 1})
	told(Scrub{Read: 2})
	return Scrub{Done: true, Read: 3, Damaged: []Damaged{{Digest: "d"}}}, b.err
}
func (b backend) AskLock(_ context.Context, a LockAsk) (LockAnswer, error) {
	return LockAnswer{State: a.Do, Token: 1<<63 - 1, Holder: a.Name + a.Claim}, b.err
}
func (b backend) SetUplink(_ context.Context, c UplinkChange) (Uplink, error) {
	return Uplink{Held: c.Held != nil && *c.Held}, b.err
}

func serve(t *testing.T, b Backend) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "api.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: NewHandler(b)}
	done := make(chan error)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return NewClient(path)
}

func TestRoundTrips(t *testing.T) {
	c, ctx := serve(t, backend{}), t.Context()
	var s Status
	if err := c.Get(ctx, "status", nil, &s); err != nil || s.Name != "n1" {
		t.Errorf("status: %+v, %v", s, err)
	}
	var r Rollout
	if err := c.Get(ctx, "rollout", map[string][]string{"name": {"a b"}}, &r); err != nil || r.Name != "a b" {
		t.Errorf("rollout: %+v, %v", r, err)
	}
	if a, err := c.AddBlob(ctx, strings.NewReader("bytes")); err != nil || a.Size != 5 {
		t.Errorf("add blob: %+v, %v", a, err)
	}
	if p, err := c.Publish(ctx, KindRelease, []byte("env")); err != nil || p.Statement != "release:env" {
		t.Errorf("publish: %+v, %v", p, err)
	}
	if p, err := c.MakePatches(ctx, PatchWish{Name: "app", Versions: 3}); err != nil || len(p) != 1 || p[0].From != "app" || p[0].Size != 3 {
		t.Errorf("make patches: %+v, %v", p, err)
	}
	if p, err := c.Pin(ctx, PinChange{Add: []string{"a"}, Remove: []string{"b"}}); err != nil || len(p) != 2 || p[1] != "b" {
		t.Errorf("pin: %v, %v", p, err)
	}
	if l, err := c.AskLock(ctx, LockAsk{LockTake, "db", "00"}); err != nil || l != (LockAnswer{State: LockTake, Token: 1<<63 - 1, Holder: "db00"}) {
		t.Errorf("lock: %+v, %v", l, err)
	}
	held := true
	if u, err := c.SetUplink(ctx, UplinkChange{Held: &held}); err != nil || !u.Held {
		t.Errorf("uplink: %+v, %v", u, err)
	}
}

func TestErrorsKeepHintAndCode(t *testing.T) {
	c, ctx := serve(t, backend{err: NotFound("no such thing", "look elsewhere")}), t.Context()
	var e *Error
	if err := c.Get(ctx, "rollout", nil, new(Rollout)); !errors.As(err, &e) || !IsNotFound(err) || e.Hint != "look elsewhere" {
		t.Errorf("got %v", err)
	}
	c = serve(t, backend{err: fmt.Errorf("write: %w", io.ErrShortWrite)})
	if err := c.Get(ctx, "rollout", nil, new(Rollout)); err == nil || IsNotFound(err) || !strings.Contains(err.Error(), "short write") {
		t.Errorf("got %v", err)
	}
}

func TestMedia(t *testing.T) {
	c, ctx, wish := serve(t, backend{}), t.Context(), ExportWish{Releases: []string{"a@1", "b@2"}, Platform: "linux/arm64"}
	if m, err := c.PlanExport(ctx, wish); err != nil || m.Root != wish.Platform || m.Releases[0].Release != "b@2" {
		t.Errorf("plan: %+v, %v", m, err)
	}
	var b bytes.Buffer
	if err := c.Export(ctx, wish, &b); err != nil || b.Len() != 300_000 {
		t.Errorf("export: %d bytes, %v", b.Len(), err)
	}
	if i, err := c.Import(ctx, &b); err != nil || i.Bytes != 300_000 {
		t.Errorf("import: %+v, %v", i, err)
	}
	// An error keeps its hint, before the first byte, in the middle of what is sent, and in the middle of what comes.
	c = serve(t, backend{err: NotFound("no such thing", "look elsewhere")})
	var e *Error
	for name, err := range map[string]error{
		"before": c.Export(ctx, ExportWish{Releases: wish.Releases}, io.Discard),
		"middle": c.Export(ctx, wish, io.Discard),
		"import": second(c.Import(ctx, io.LimitReader(zeros{}, 64<<20))),
	} {
		if !errors.As(err, &e) || !IsNotFound(err) || e.Hint != "look elsewhere" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestScrub(t *testing.T) {
	var told []int64
	tell := func(s Scrub) { told = append(told, s.Read) }
	s, err := serve(t, backend{}).Scrub(t.Context(), tell)
	if err != nil || !s.Done || s.Read != 3 || len(s.Damaged) != 1 || len(told) != 2 || told[1] != 2 {
		t.Errorf("%+v, told %v, %v", s, told, err)
	}
	var e *Error
	if _, err := serve(t, backend{err: NotFound("no", "look")}).Scrub(t.Context(), tell); !errors.As(err, &e) || e.Hint != "look" {
		t.Errorf("got %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestNobodyListens(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "none.sock"), filepath.Join(file, "none.sock"), filepath.Join(dir, strings.Repeat("long", 40), "none.sock")} {
		if err := NewClient(path).Get(t.Context(), "status", nil, new(Status)); !errors.Is(err, ErrNotRunning) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

// TestSilentNode: a node that is stopped still has its socket, on which the system takes what is asked.
func TestSilentNode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := NewClient(path)
	c.patience = 10 * time.Millisecond
	for what, ask := range map[string]func() error{
		"get":     func() error { return c.Get(t.Context(), "status", nil, new(Status)) },
		"publish": func() error { return second(c.Publish(t.Context(), KindRelease, []byte("{}"))) },
		"invite":  func() error { return c.CheckInvite(t.Context(), []byte("{}")) },
		"pin":     func() error { return second(c.Pin(t.Context(), PinChange{})) },
		"uplink":  func() error { return second(c.SetUplink(t.Context(), UplinkChange{})) },
	} {
		if err := ask(); !errors.Is(err, ErrSilent) {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

// TestNothingStaysOpen: whoever asks over and over, each time with a client of its own, does not use up the files that a process may open.
func TestNothingStaysOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{}, 10)
	s := &http.Server{Handler: NewHandler(backend{}), ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}}
	done := make(chan error)
	go func() { done <- s.Serve(l) }()
	defer func() {
		_ = s.Close()
		<-done
	}()
	for what, ask := range map[string]func(*Client) error{
		"get":     func(c *Client) error { return c.Get(t.Context(), "status", nil, new(Status)) },
		"publish": func(c *Client) error { return second(c.Publish(t.Context(), KindRelease, []byte("{}"))) },
	} {
		if err := ask(NewClient(path)); err != nil {
			t.Fatal(err)
		}
		select {
		case <-closed:
		case <-time.After(5 * time.Second):
			t.Errorf("%s: its connection stays", what)
		}
	}
}

// TestNodeEnds: what a caller is told does not depend on how far a node came before it was killed.
func TestNodeEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	defer func() {
		_ = l.Close()
		<-ended
	}()
	answers := make(chan string, 1)
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 100) // of a question that is longer
			_, _ = io.ReadFull(conn, buf)
			_, _ = io.WriteString(conn, <-answers)
			_ = conn.Close()
		}
	}()
	c := NewClient(path)
	for _, answer := range []string{"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{"} {
		for what, ask := range map[string]func() error{
			"get":    func() error { return c.Get(t.Context(), strings.Repeat("status", 20), nil, new(Status)) },
			"blob":   func() error { return second(c.AddBlob(t.Context(), zeros{})) },
			"scrub":  func() error { return second(c.Scrub(t.Context(), func(Scrub) {})) },
			"export": func() error { return c.Export(t.Context(), ExportWish{Releases: []string{"a"}}, io.Discard) },
		} {
			answers <- answer
			if err := ask(); !errors.Is(err, ErrEnded) {
				t.Errorf("%s, answered %q: got %v", what, answer, err)
			}
		}
	}
}

// TestMisspeltIsRefused: what a request does not say in the words of this package is not taken for nothing, and done by half.
func TestMisspeltIsRefused(t *testing.T) {
	c := serve(t, backend{})
	for noun, body := range map[string]string{"uplink": `{"hold":true}`, "pins": `{"add":["a@v1"]} {"remove":["b@v1"]}`} {
		var refused *Error
		err := c.do(t.Context(), http.MethodPut, noun, nil, strings.NewReader(body), new(any))
		if !errors.As(err, &refused) || refused.Code != http.StatusBadRequest {
			t.Errorf("%s with %s: got %v", noun, body, err)
		}
	}
}

func TestLongDocumentIsRefused(t *testing.T) {
	c := serve(t, backend{})
	if _, err := c.Publish(t.Context(), KindRelease, make([]byte, maxDocument+1)); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("got %v", err)
	}
}

// The names of these fields are promised to scripts.
func TestPromisedFields(t *testing.T) {
	for _, c := range []struct {
		v    any
		want []string
	}{
		{Status{Peers: []Peer{{}}}, []string{`"node"`, `"name"`, `"site"`, `"fleet"`, `"peers":[{"node"`, `"rtt_seconds"`, `"uplink":{"up_bytes"`, `"down_bytes"`, `"resident_bytes"`}},
		{Blob{}, []string{`"digest"`, `"size"`, `"have_bytes"`, `"complete"`, `"completed_at"`}},
		{Node{Deployments: []Running{{}}}, []string{`"node"`, `"name"`, `"site"`, `"last_seen"`, `"deployments":[{"name"`, `"release"`, `"phase"`, `"ready"`}},
	} {
		data, err := json.Marshal(c.v)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range c.want {
			if !strings.Contains(string(data), w) {
				t.Errorf("%T has no %s: %s", c.v, w, data)
			}
		}
	}
}

// TestWhatCannotBeSaid: what has no form in JSON is an error, and no answer that breaks off.
func TestWhatCannotBeSaid(t *testing.T) {
	var e *Error
	if err := serve(t, backend{}).Get(t.Context(), "terms", nil, new([]Term)); !errors.As(err, &e) || e.Code != http.StatusInternalServerError {
		t.Errorf("got %v", err)
	}
}
