package function

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"selvage/node/runtime"
	"selvage/node/runtime/runtimetest"
)

// hello builds examples/hello for WASI, saying that it is the given version.
func hello(t testing.TB, version string) []byte {
	t.Helper()
	if testing.Short() {
		t.Skip("builds a module")
	}
	out := filepath.Join(t.TempDir(), "hello.wasm")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version="+version, "-o", out, "selvage/examples/hello")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, msg)
	}
	code, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// open returns a driver that keeps nothing on disk unless c says so.
func open(t testing.TB, c Config) *Driver {
	d := New(c)
	t.Cleanup(func() {
		if err := d.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return d
}

func start(t testing.TB, d *Driver, w runtime.Workload) runtime.Instance {
	t.Helper()
	i, err := d.Start(context.Background(), w)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func work(release string, code []byte) runtime.Workload {
	return runtimetest.Work(runtime.TypeFunction, release, code)
}

// ask sends a request on a connection of its own and returns status and body.
func ask(t testing.TB, method, addr, path string, body io.Reader) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+addr+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestContract(t *testing.T) {
	w := work("quiet@1", moduleSilent)
	other := work("quiet@2", append(bytes.Clone(moduleSilent), 0, 3, 1, 'x', 0)) // and a custom section named x
	runtimetest.Run(t, func(t *testing.T) runtime.Driver {
		root := runtimetest.NewRoot(t)
		return New(Config{FS: root, Root: root.Dir})
	}, w, other)
}

func TestHello(t *testing.T) {
	i := start(t, open(t, Config{}), work("hello@1", hello(t, "v1")))
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/", "", 200, "hello from till-1 at oslo: hello@1 (built as v1)\n"},
		{"GET", "/healthz", "", 200, "ok\n"},
		{"POST", "/echo/a%20b?x=1", "the body", 200, "POST /echo/a b x=1\nthe body"},
		{"GET", "/nowhere", "", 404, "no page /nowhere\n"},
		{"GET", "/zero%00byte", "", 400, "selvage: request holds a zero byte\n"},
		{"POST", "/echo", strings.Repeat("x", maxBody+1), 413, "selvage: read request: http: request body too large\n"},
	} {
		status, body := ask(t, c.method, i.Addr(), c.path, strings.NewReader(c.body))
		if status != c.status || body != c.want {
			t.Errorf("%s %s: %d %q, want %d %q", c.method, c.path, status, body, c.status, c.want)
		}
	}
}

func TestStartRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		code []byte
		want string
	}{
		{"no WASM", []byte("#!/bin/sh\necho hello\n"), "not a WASM module"},
		{"nothing", nil, "not a WASM module"},
		{"cut short", moduleTrap[:len(moduleTrap)-3], "compile WASM"},
		{"no _start", moduleEmpty, "exports no function _start"},
		{"_start with a parameter", moduleParam, "must take and return nothing"},
		{"unknown import", moduleForeign, "imports env.f"},
		{"unknown WASI function", moduleFuture, "imports wasi_snapshot_preview1.fd_teleport"},
		{"imported memory", moduleForeignMemory, "imports the memory env.memory"},
		{"4 GiB from the start", moduleBig, "over limit of 1024 pages (64 Mi)"},
		{"start section traps", moduleStartTrap, "unreachable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := runtimetest.NewRoot(t)
			_, err := open(t, Config{FS: root, Root: root.Dir}).Start(t.Context(), work("bad@1", c.code))
			if !errors.Is(err, runtime.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Start: %v, want ErrInvalid with %q", err, c.want)
			}
			if left, _ := root.ReadDir("run/bad"); len(left) != 0 {
				t.Errorf("left on disk: %v", left)
			}
		})
	}
}

func TestRequestFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		code   []byte
		status int
		reason string
	}{
		{"trap", moduleTrap, 502, "unreachable"},
		{"4 GiB in the request", moduleGrow, 502, "unreachable"},
		{"endless loop", moduleLoop, 504, "no answer within"},
		{"endless sleep", moduleSleep, 504, "no answer within"},
		{"endless output", moduleFlood, 502, "longer than"},
		{"no output", moduleSilent, 502, "no blank line"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := work("bad@1", c.code)
			w.Timeout = 200 * time.Millisecond
			if c.status != 504 {
				w.Timeout = 0
			}
			i := start(t, open(t, Config{}), w)
			if status, body := ask(t, "GET", i.Addr(), "/", nil); status != c.status {
				t.Errorf("status %d %q, want %d", status, body, c.status)
			}
			if s := i.Status(); s.Phase != runtime.PhaseRunning || !strings.Contains(s.LastError, c.reason) {
				t.Errorf("status %+v, want running and %q", s, c.reason)
			}
		})
	}
}

// A function may print as much as it likes: only the beginning is kept, and printing never fails.
func TestPrintsMuch(t *testing.T) {
	i := start(t, open(t, Config{}), work("talkative@1", talkative()))
	if status, body := ask(t, "GET", i.Addr(), "/", nil); status != 204 {
		t.Errorf("status %d %q, %+v", status, body, i.Status())
	}
}

// A panic beneath a request, which net/http would swallow, is a failure like others, and the next request finds a place.
func TestPanicIsAFailure(t *testing.T) {
	i := start(t, open(t, Config{Concurrency: 1}), work("quiet@1", moduleSilent))
	i.(*instance).module.compiled = nil
	for range 2 {
		if status, body := ask(t, "GET", i.Addr(), "/", nil); status != 502 {
			t.Errorf("status %d %q", status, body)
		}
	}
	if s := i.Status(); !strings.Contains(s.LastError, "panic") {
		t.Errorf("%+v", s)
	}
}

// Who closes his half of the connection before the answer is taken to have left; he is not told that all went well.
func TestHalfClosed(t *testing.T) {
	i := start(t, open(t, Config{}), work("sleepy@1", moduleSleep))
	conn, err := net.Dial("tcp", i.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: till\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 503 {
		t.Errorf("status %d of what never answered", resp.StatusCode)
	}
}

// Memory that grows page by page is not copied each time.
func TestMemoryGrowsByPages(t *testing.T) {
	const limit = 1024 * pageSize
	var all memories
	mem := all.Allocate(pageSize, limit)
	var base *byte
	moves := 0
	for size := uint64(pageSize); size <= limit; size += pageSize {
		b := mem.Reallocate(size)
		if base != &b[0] {
			base = &b[0]
			moves++
		}
		if uint64(len(b)) != size {
			t.Fatalf("%d bytes, want %d", len(b), size)
		}
		if room := cap(mem.(*memory).buf); room > limit {
			t.Fatalf("room for %d bytes, more than the limit of %d", room, limit)
		}
	}
	if moves > 40 {
		t.Errorf("moved %d times on the way to %d bytes", moves, limit)
	}
}

// The memory that an instance leaves is zero again when the next gets it.
func TestMemoryIsCleared(t *testing.T) {
	var all memories
	first := all.Allocate(0, 0)
	copy(first.Reallocate(100), "secret")
	copy(first.Reallocate(200)[150:], "secret")
	first.Free()
	for n := range 3 { // whether the pool gives the same one back or not
		if got := all.Allocate(0, 0).Reallocate(200); len(bytes.Trim(got, "\x00")) != 0 || cap(got) != 200 {
			t.Errorf("memory %d holds %q, capacity %d", n, bytes.Trim(got, "\x00"), cap(got))
		}
	}
}

func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w := work("quiet@1", moduleSilent)
	w.Port = l.Addr().(*net.TCPAddr).Port
	_, err = open(t, Config{}).Start(t.Context(), w)
	if err == nil || !strings.Contains(err.Error(), "listen on "+l.Addr().String()) {
		t.Errorf("Start on a taken port: %v", err)
	}
}

func TestBusy(t *testing.T) {
	w := work("busy@1", moduleLoop)
	w.Timeout = 300 * time.Millisecond
	i := start(t, open(t, Config{Concurrency: 1}), w)
	statuses := make(chan int, 3)
	var group sync.WaitGroup
	for range cap(statuses) {
		group.Go(func() {
			status, _ := ask(t, "GET", i.Addr(), "/", nil)
			statuses <- status
		})
	}
	group.Wait()
	close(statuses)
	seen := map[int]int{}
	for s := range statuses {
		seen[s]++
	}
	if seen[504] == 0 || seen[503]+seen[504] != 3 {
		t.Errorf("statuses %v, want 504 for what ran and 503 for what waited too long", seen)
	}
}

// A new release takes over the port while requests keep coming, and none fails.
func TestTakeover(t *testing.T) {
	root := runtimetest.NewRoot(t)
	d := open(t, Config{FS: root, Root: root.Dir})
	old := start(t, d, work("hello@1", hello(t, "v1")))
	stop, first := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for n := 0; ; n++ {
			if status, body := ask(t, "GET", old.Addr(), "/", nil); status != 200 {
				t.Errorf("request %d: %d %s", n, status, body)
			}
			if n == 0 {
				close(first)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	<-first
	if _, err := d.Start(t.Context(), work("hello@2", moduleEmpty)); err == nil {
		t.Error("Start took a module that cannot run")
	}
	if p := old.Status().Phase; p != runtime.PhaseRunning {
		t.Errorf("a failed Start left the old release %s", p)
	}
	next := start(t, d, work("hello@3", hello(t, "v3")))
	runtimetest.Await(t, old, func(s runtime.Status) bool { return s.Phase == runtime.PhaseExited })
	close(stop)
	group.Wait()
	if next.Addr() != old.Addr() {
		t.Errorf("address went from %s to %s", old.Addr(), next.Addr())
	}
	if _, body := ask(t, "GET", next.Addr(), "/", nil); !strings.Contains(body, "built as v3") {
		t.Errorf("answer %q is not v3's", body)
	}
}

func TestOtherPort(t *testing.T) {
	d := open(t, Config{})
	old := start(t, d, work("quiet@1", moduleSilent))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := work("quiet@1", moduleSilent)
	w.Port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	next := start(t, d, w)
	runtimetest.Await(t, old, func(s runtime.Status) bool { return s.Phase == runtime.PhaseExited })
	if status, _ := ask(t, "GET", next.Addr(), "/", nil); status != 502 {
		t.Errorf("status %d on the new port", status)
	}
	if _, err := net.Dial("tcp", old.Addr()); err == nil {
		t.Error("the old port still answers")
	}
}

// Machine code of the last two releases stays on disk, and damage to it does no harm.
func TestCodeOnDisk(t *testing.T) {
	root := runtimetest.NewRoot(t)
	for _, release := range []string{"quiet@1", "quiet@2", "quiet@3"} {
		d := New(Config{FS: root, Root: root.Dir})
		start(t, d, work(release, moduleSilent))
		if err := d.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := root.ReadDir("run/quiet")
	if err != nil || len(kept) != runtime.KeepSlots || !strings.HasPrefix(kept[0].Name(), "quiet@2-") {
		t.Fatalf("kept %v, %v", kept, err)
	}
	files, _ := filepath.Glob(filepath.Join(root.Dir, "run/quiet/quiet@3-*/*/*"))
	if len(files) == 0 {
		t.Fatal("no machine code kept")
	}
	for _, f := range files {
		if err := os.WriteFile(f, []byte("torn"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start(t, open(t, Config{FS: root, Root: root.Dir}), work("quiet@3", moduleSilent))
}

// TestCodeOnDiskIsChecked: wazero has no sum over where in the machine code functions begin. A bit that flips there would
// have the whole node end, at each start anew.
func TestCodeOnDiskIsChecked(t *testing.T) {
	root := runtimetest.NewRoot(t)
	d := New(Config{FS: root, Root: root.Dir})
	start(t, d, work("quiet@1", moduleSilent))
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(root.Dir, "run/quiet/quiet@1-*/wazero*/*"))
	if len(files) != 1 {
		t.Fatalf("machine code in %v", files)
	}
	code, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	const magic = "WAZEVO"
	if !bytes.HasPrefix(code, []byte(magic)) {
		t.Skip("not the layout that this test knows: it is written by another version of wazero, or another engine")
	}
	code[len(magic)+1+int(code[len(magic)])+4] ^= 8 // where the first function begins: see wazero's serializeCompiledModule
	if err := os.WriteFile(files[0], code, 0o600); err != nil {
		t.Fatal(err)
	}
	i := start(t, open(t, Config{FS: root, Root: root.Dir}), work("quiet@1", moduleSilent))
	if status, body := ask(t, "GET", i.Addr(), "/", nil); status != 502 { // as it should: it answers nothing
		t.Errorf("status %d %q", status, body)
	}
	if s := i.Status(); !strings.Contains(s.LastError, "no blank line") {
		t.Errorf("%+v", s)
	}
}

func BenchmarkHello(b *testing.B) {
	i := start(b, open(b, Config{}), work("hello@1", hello(b, "v1")))
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		client := &http.Client{Transport: &http.Transport{}}
		for pb.Next() {
			resp, err := client.Get("http://" + i.Addr() + "/")
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
				b.Error(resp.Status, err)
			}
			resp.Body.Close()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

// A singleton answers while its lease lasts, and not when that has ended in between.
func TestSingletonEndsWithItsLease(t *testing.T) {
	d, l := open(t, Config{}), runtimetest.NewLease(time.Hour)
	w := work("hello@1", hello(t, "v1"))
	w.Lease = l
	i := start(t, d, w)
	if status, _ := ask(t, "GET", i.Addr(), "/healthz", nil); status != 200 {
		t.Errorf("under its lease it answers %d", status)
	}
	l.Renew(0) // and nobody is told, as when the node stood still
	if status, body := ask(t, "GET", i.Addr(), "/healthz", nil); status != 503 || !strings.Contains(body, "lead") {
		t.Errorf("without a lease it answers %d, %q", status, body)
	}
	l.End(0)
	runtimetest.Await(t, i, func(s runtime.Status) bool { return s.Phase == runtime.PhaseExited })
	if _, err := d.Start(t.Context(), w); !errors.Is(err, runtime.ErrNoLease) {
		t.Errorf("started again without a lease: %v", err)
	}
}
