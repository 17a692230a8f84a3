package replay

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"selvage/simulator"
	"selvage/simulator/scenario"
)

// dir is of the tests of this package.
var dir string

func TestMain(m *testing.M) {
	var err error
	if dir, err = os.MkdirTemp("", "selvage-replay-*"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// builtGuest builds the guest. With all that it is made of in Go's cache, that takes some seconds.
var builtGuest = sync.OnceValues(func() (string, error) {
	file := filepath.Join(dir, Guest)
	cmd := exec.Command("go", "run", "selvage/internal/wasip1", "-o", file, "selvage/cmd/selvage-replay")
	cmd.Stderr = os.Stderr
	return file, cmd.Run()
})

func guestFile(t testing.TB) string {
	t.Helper()
	file, err := builtGuest()
	if err != nil {
		t.Fatalf("build the guest: %v", err)
	}
	return file
}

// shared is the guest, compiled, for all tests that want no more than to play it.
var shared = sync.OnceValues(func() (*program, error) {
	code, err := code()
	if err != nil {
		return nil, err
	}
	return load(context.Background(), code, cacheDir(), maxMemory)
})

func code() ([]byte, error) {
	file, err := builtGuest()
	if err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

func player(t testing.TB) *program {
	t.Helper()
	p, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func parse(t testing.TB, text string) scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("story.yaml", []byte(text), simulator.Invariants())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// story has loss, a cut, and two sites that a release gets to.
const story = `
seed: 7
sites: [{name: a, nodes: 1, uplink: {up: 8mbit, down: 8mbit, latency: 5ms, loss: 1%}}, {name: b, nodes: 2, uplink: {up: 8mbit, down: 8mbit, latency: 20ms}}]
faults: [{at: 12s, for: 5s, partition: [[a], [b]]}]
work:
  - {at: 10s, seed: {size: 300KB, from: a/n0, name: app, version: v1}}
  - {at: 11s, deploy: {name: app, release: app@v1}}
always: [nothing_unsigned_runs]
eventually: {within: 1m, of: heal, check: [all_run: app@v1]}
`

// telling is all that can be known of one run.
type telling struct {
	Result      simulator.Result
	Read, Drawn int64
}

func tell(t testing.TB, p *program, s scenario.Scenario) telling {
	t.Helper()
	h := newHost(s.Seed, nil)
	r, err := p.play(t.Context(), s, simulator.Options{}, h)
	if err != nil {
		t.Fatal(err)
	}
	return telling{r, h.read, h.drawn}
}

// TestOneSeedOneStory: all of a story follows from its seed, to the last event, packet, and turn of
// the guest's scheduler.
func TestOneSeedOneStory(t *testing.T) {
	p, s := player(t), parse(t, story)
	first, again := tell(t, p, s), tell(t, p, s)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("two stories of one seed:\n%s", diff)
	}
	if r := first.Result; !r.OK || r.Engine != "replay" || r.Seed != 7 || r.Nodes != 3 || len(r.Events) < 10 {
		t.Errorf("got %+v", r)
	}
	s.Seed = 8
	if other := tell(t, p, s); other.Result.TraceSHA256 == first.Result.TraceSHA256 || other.Drawn == first.Drawn {
		t.Errorf("another seed told the same story: %+v", other.Result)
	}
}

// TestRecordAndWindow: a record changes nothing of the story, and comes through to the host; a window is obeyed.
func TestRecordAndWindow(t *testing.T) {
	p, s := player(t), parse(t, story)
	plain := tell(t, p, s)
	h := newHost(s.Seed, nil)
	r, err := p.play(t.Context(), s, simulator.Options{Record: true}, h)
	if err != nil {
		t.Fatal(err)
	}
	if r.TraceSHA256 != plain.Result.TraceSHA256 || h.read != plain.Read || plain.Result.Record != nil {
		t.Error("with a record it is another story")
	}
	if r.Record == nil || len(r.Record.Lives) != r.Nodes || len(r.Record.Series.At) < 10 {
		t.Errorf("the record: %+v", r.Record)
	}
	window := simulator.Span{From: 10 * time.Second, To: 15 * time.Second}
	if r, err = p.play(t.Context(), s, simulator.Options{Window: window}, newHost(s.Seed, nil)); err != nil {
		t.Fatal(err)
	}
	said := 0
	for _, e := range r.Events {
		if e.Level != "debug" {
			continue
		}
		if said++; !window.Has(e.At) {
			t.Fatalf("outside of the window: %+v", e)
		}
	}
	if said == 0 {
		t.Error("nobody said anything in the window")
	}
}

// TestFailedCheck: a check that fails is in the result, as with any engine. What the caller sees does not
// depend on whether progress is told.
func TestFailedCheck(t *testing.T) {
	s := parse(t, strings.Replace(story, "always: [", "sometimes: [somebody_dropped]\nalways: [none_runs: app@v1, ", 1))
	told := 0
	r, err := Run(t.Context(), guestFile(t), s, simulator.Options{Record: true, Progress: func(p simulator.Progress) {
		if told++; p.Of != s.Duration {
			t.Errorf("progress of %v", p.Of)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Record == nil || len(r.Record.Lives) != r.Nodes {
		t.Errorf("the record has %+v", r.Record)
	}
	var wrong []string
	for _, c := range r.Checks {
		if !c.OK {
			wrong = append(wrong, c.Name+" "+c.Detail)
		}
	}
	if got := strings.Join(wrong, ", "); r.OK || !strings.Contains(got, "none_runs: app@v1") || !strings.Contains(got, "somebody_dropped") {
		t.Errorf("wrong is %q", got)
	}
	if told == 0 || r.WallSeconds == 0 {
		t.Errorf("told of progress %d times, took %v s", told, r.WallSeconds)
	}
	if quiet := tell(t, player(t), s).Result; quiet.TraceSHA256 != r.TraceSHA256 {
		t.Error("without progress it is another story")
	}
}

// TestWorkThatFails: a story that cannot go on is an error.
func TestWorkThatFails(t *testing.T) {
	s := parse(t, strings.NewReplacer("faults: [", "faults: [{at: 8s, for: 5s, isolate: a/n0}, ", "from: a/n0", "from: a/late",
		"work:\n", "work:\n  - {at: 9s, join: {site: a, name: late}}\n").Replace(story))
	_, err := player(t).play(t.Context(), s, simulator.Options{}, newHost(s.Seed, nil))
	if err == nil || !strings.Contains(err.Error(), "seed app@v1") {
		t.Errorf("got %v", err)
	}
}

func TestCancel(t *testing.T) {
	s, p := parse(t, "duration: 1000h\n"+story[:strings.Index(story, "always:")]), player(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := p.play(ctx, s, simulator.Options{}, newHost(s.Seed, nil)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestTooLittleMemory(t *testing.T) {
	code, err := code()
	if err != nil {
		t.Fatal(err)
	}
	p, err := load(t.Context(), code, cacheDir(), 32<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	s := parse(t, story)
	_, err = p.play(t.Context(), s, simulator.Options{}, newHost(s.Seed, nil))
	if !errors.Is(err, ErrMemory) {
		t.Errorf("got %v", err)
	}
}

func TestGuestThatIsNone(t *testing.T) {
	code, err := code()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	missing, truncated, empty := filepath.Join(dir, "missing.wasm"), filepath.Join(dir, "truncated.wasm"), filepath.Join(dir, "empty.wasm")
	if err := errors.Join(os.WriteFile(truncated, code[:len(code)/2], 0o600), os.WriteFile(empty, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{missing: missing, truncated: truncated + ": compile", empty: empty + ": compile"} {
		_, err := Run(t.Context(), file, parse(t, story), simulator.Options{})
		if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, fs.ErrNotExist) != (file == missing) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	// This one has a function _start that does nothing.
	idle := []byte("\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x07\x0a\x01\x06_start\x00\x00\x0a\x04\x01\x02\x00\x0b")
	p, err := load(t.Context(), idle, "", maxMemory)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if _, err := p.play(t.Context(), parse(t, story), simulator.Options{}, newHost(1, nil)); err == nil || !strings.Contains(err.Error(), "what the guest tells") {
		t.Errorf("a guest that says nothing: %v", err)
	}
}

// TestLastWords: what a guest says before it dies is in the error, up to a bound, and no progress is.
func TestLastWords(t *testing.T) {
	var told []simulator.Progress
	e := stderr{progress: func(p simulator.Progress) { told = append(told, p) }}
	for _, s := range []string{`{"Of":5,`, `"Nodes":2}` + "\npan", "ic: too late\n", "goroutine 1\n", strings.Repeat("x", 3*maxLine), "\n"} {
		if n, err := e.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
	got := e.explain(errors.New("exit code 2")).Error()
	if !strings.HasPrefix(got, "the guest died: panic: too late\ngoroutine 1\nxxx") || len(got) > maxSaid+100 {
		t.Errorf("got %d bytes, %.100q", len(got), got)
	}
	if want := []simulator.Progress{{Of: 5, Nodes: 2}}; !cmp.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

// TestPrune: the newest stay, and what may still be written to.
func TestPrune(t *testing.T) {
	dir := t.TempDir()
	for name, age := range map[string]time.Duration{"fresh": 0, "a": 1, "b": 2, "c": 3, "d": 4, "e.tmp": 5} {
		file := filepath.Join(dir, name)
		at := time.Now().Add(-age * time.Hour)
		if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chtimes(file, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	prune(dir)
	var left []string
	files, err := os.ReadDir(dir)
	for _, f := range files {
		left = append(left, f.Name())
	}
	if want := []string{"a", "b", "c", "fresh"}; err != nil || !cmp.Equal(left, want) {
		t.Errorf("left are %v, want %v; %v", left, want, err)
	}
}

// BenchmarkLoad compiles the guest, and finds it compiled.
func BenchmarkLoad(b *testing.B) {
	code, err := code()
	if err != nil {
		b.Fatal(err)
	}
	timed := func(dir string) float64 {
		begin := time.Now()
		p, err := load(b.Context(), code, dir, maxMemory)
		if err != nil {
			b.Fatal(err)
		}
		p.close()
		return time.Since(begin).Seconds()
	}
	for b.Loop() {
		dir := b.TempDir()
		b.ReportMetric(timed(dir), "compile-s")
		b.ReportMetric(timed(dir), "compiled-s")
	}
}

// BenchmarkReplay plays ten minutes of nine nodes at three sites, in which a release of 10 MB goes out. The
// target is 90 s on two cores.
func BenchmarkReplay(b *testing.B) {
	data, err := os.ReadFile("../scenarios/long/ten-minutes.yaml")
	if err != nil {
		b.Fatal(err)
	}
	p, s := player(b), parse(b, string(data))
	for b.Loop() {
		begin := time.Now()
		r, err := p.play(b.Context(), s, simulator.Options{}, newHost(s.Seed, nil))
		if err != nil || !r.OK {
			b.Fatalf("%v: %+v", err, r.Checks)
		}
		b.ReportMetric(r.VirtualSeconds/time.Since(begin).Seconds(), "virtual-s/s")
	}
}
