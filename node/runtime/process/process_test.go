//go:build unix

package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"selvage/internal/disk"
	"selvage/node/runtime"
	"selvage/node/runtime/runtimetest"
)

// The test binary is also the program that the tests run: ROLE says which.
var roles = map[string]func(){
	"serve":  serve,
	"epoch":  serve,
	"die":    func() { fmt.Println("out of luck"); fmt.Fprintln(os.Stderr, "giving up"); os.Exit(3) },
	"deaf":   deaf,
	"parent": parent,
	"pair":   pair,
	"script": script,
	"widow":  widow,
	"vandal": vandal,
	"usurp":  usurp,
	"daemon": daemon,
	"tied":   tied,
	"wall":   wall,
	"agent":  agent,
	"shirk":  shirk,
	"boss":   boss,
}

// guardCommand has the test binary be a guard.
var guardCommand = []string{os.Args[0], "guard"}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "guard" {
		os.Exit(Guard(os.Args[2:]))
	}
	if role, found := roles[os.Getenv("ROLE")]; found {
		role()
		return
	}
	os.Exit(m.Run())
}

// serve answers on PORT with what it was told, until it is stopped politely.
func serve() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wd, _ := os.Getwd()
		if os.Getenv("ROLE") == "epoch" {
			fmt.Fprintln(w, os.Getenv("SELVAGE_EPOCH"))
			return
		}
		fmt.Fprintln(w, os.Args[1:], os.Getenv("SELVAGE_RELEASE"), os.Getenv("SELVAGE_NODE"), os.Getenv("SELVAGE_SITE"), filepath.Base(wd), os.Getenv("SECRET"))
	}))
	call()
	<-ctx.Done()
	fmt.Println("bye")
}

// deaf hears no SIGTERM.
func deaf() {
	signal.Ignore(syscall.SIGTERM)
	call()
	lie()
}

// pair has a child in its group, and does nothing.
func pair() {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ROLE=tied")
	if err := cmd.Start(); err != nil {
		fmt.Println(err)
	}
	lie()
}

// script has what it is for done by a child, waits for it, and ends at once when it is told to, as shells do.
func script() {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ROLE=widow")
	cmd.Stdout = os.Stdout
	if err := cmd.Run(); err != nil {
		fmt.Println(err)
	}
}

// widow has something to do yet when it is told to end, and its parent has ended.
func widow() {
	parent := os.Getppid()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	call()
	<-ctx.Done()
	for os.Getppid() == parent {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // it writes what it knows to the disk
	fmt.Println("bye")
}

// vandal removes its own file and directory, and ends.
func vandal() {
	fmt.Println(os.Remove(os.Args[0]), os.RemoveAll(os.Getenv("HOME")))
	os.Exit(1)
}

// usurp puts another program in its own place, as programs do that update themselves, and ends.
func usurp() {
	other := os.Args[0] + ".other"
	fmt.Println(os.WriteFile(other, []byte("#!/bin/sh\necho usurped\n"), 0o700), os.Rename(other, os.Args[0]))
	os.Exit(1)
}

// daemon leaves a child in a session of its own, with its output, and ends.
func daemon() {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ROLE=tied")
	cmd.Stdout = os.Stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// tied lives until the test hangs up.
func tied() {
	call()
	_, _ = io.Copy(io.Discard, held) // an end by RST is an end too
}

// wall puts a file where its directory was, and ends.
func wall() {
	home := os.Getenv("HOME")
	fmt.Println(os.RemoveAll(home), os.WriteFile(home, nil, 0o600))
}

// parent has a deaf child, and waits for it.
func parent() {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ROLE=deaf")
	if err := cmd.Run(); err != nil {
		fmt.Println(err)
	}
}

// call connects to the test, if it listens, and holds the connection for as long as this
// process lives: so the test hears of its end without polling.
func call() {
	if addr := os.Getenv("CALL"); addr != "" {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Fprintln(conn, os.Getpid())
		held = conn
	}
}

var held net.Conn // keeps the connection from the garbage collector

// agent starts a program as a node would, PROGRAM says which, and is then killed by the test.
func agent() {
	root := &runtimetest.Root{Dir: os.Getenv("DIR")}
	d, err := New(Config{FS: root, Root: root.Dir})
	if err == nil {
		_, err = d.Start(context.Background(), workload(os.Getenv("PROGRAM"), "app@1", map[string]string{"CALL": os.Getenv("CALL")}))
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	lie()
}

// phone is where programs call.
type phone struct {
	net.Listener
	t *testing.T
}

func newPhone(t *testing.T) phone {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return phone{l, t}
}

func (p phone) env() map[string]string { return map[string]string{"CALL": p.Addr().String()} }

// pick waits for a program to call, and returns a function that waits for its end.
func (p phone) pick() (hangsUp func()) {
	p.t.Helper()
	if err := p.Listener.(*net.TCPListener).SetDeadline(time.Now().Add(time.Minute)); err != nil {
		p.t.Fatal(err)
	}
	conn, err := p.Accept()
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	r := bufio.NewReader(conn)
	if _, err := r.ReadString('\n'); err != nil {
		p.t.Fatal(err)
	}
	return func() { _, _ = io.Copy(io.Discard, r) } // an end by RST is an end too
}

func workload(role, release string, env map[string]string) runtime.Workload {
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		panic(err)
	}
	w := runtimetest.Work(runtime.TypeProcess, release, self)
	w.Env = map[string]string{"ROLE": role, "GORACE": "atexit_sleep_ms=0"} // a program with the race detector in it takes a second to end
	for k, v := range env {
		w.Env[k] = v
	}
	return w
}

func open(t *testing.T, root *runtimetest.Root) *Driver {
	t.Helper()
	d, err := New(Config{FS: root, Root: root.Dir, Guard: guardCommand, Grace: 5 * time.Second, MinBackoff: time.Millisecond, MaxBackoff: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return d
}

func start(t *testing.T, d *Driver, w runtime.Workload) runtime.Instance {
	t.Helper()
	i, err := d.Start(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestContract(t *testing.T) {
	v1 := workload("serve", "app@1", nil)
	v2 := v1
	v2.Release = "app@2"
	runtimetest.Run(t, func(t *testing.T) runtime.Driver { return open(t, runtimetest.NewRoot(t)) }, v1, v2)
}

func TestServes(t *testing.T) {
	t.Setenv("SECRET", "of-the-node")
	root, phone := runtimetest.NewRoot(t), newPhone(t)
	w := workload("serve", "app@1", phone.env())
	w.Args = []string{"-x", "a b"}
	i := start(t, open(t, root), w)
	ended := phone.pick() // it listens from before it calls
	resp, err := http.Get("http://" + i.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if want := "[-x a b] app@1 till-1 oslo data \n"; string(body) != want {
		t.Errorf("answer %q, want %q", body, want)
	}
	if err := i.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended()
	log, err := os.ReadFile(filepath.Join(root.Dir, "run/app/log"))
	if err != nil || string(log) != "bye\n" {
		t.Errorf("log %q, %v; want that it was stopped politely", log, err)
	}
}

func TestDiesAtOnce(t *testing.T) {
	i := start(t, open(t, runtimetest.NewRoot(t)), workload("die", "app@1", nil))
	s := runtimetest.Await(t, i, func(s runtime.Status) bool { return s.Phase == runtime.PhaseRestarting })
	for _, want := range []string{"exit status 3", "out of luck", "giving up"} {
		if !strings.Contains(s.LastError, want) {
			t.Errorf("LastError %q lacks %q", s.LastError, want)
		}
	}
	runtimetest.Await(t, i, func(s runtime.Status) bool { return s.Restarts >= 2 })
	if err := i.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := i.Status().Phase; p != runtime.PhaseExited {
		t.Errorf("phase %s after Stop", p)
	}
}

// A program that hears nothing is killed after the grace period, and its children with it.
func TestStopsFirmly(t *testing.T) {
	for _, role := range []string{"deaf", "parent"} {
		t.Run(role, func(t *testing.T) {
			phone := newPhone(t)
			d := open(t, runtimetest.NewRoot(t))
			d.config.Grace = 50 * time.Millisecond
			i := start(t, d, workload(role, "app@1", phone.env()))
			ended := phone.pick()
			if err := i.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			ended()
		})
	}
}

func TestStopOutlivesItsContext(t *testing.T) {
	phone := newPhone(t)
	d := open(t, runtimetest.NewRoot(t))
	d.config.Grace = 100 * time.Millisecond
	i := start(t, d, workload("deaf", "app@1", phone.env()))
	ended := phone.pick()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := i.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Stop with a context that has ended: %v", err)
	}
	ended()
	runtimetest.Await(t, i, func(s runtime.Status) bool { return s.Phase == runtime.PhaseExited })
}

// When the node is killed, the kernel kills what it ran.
func TestNoOrphans(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("only Linux tells a program of its parent's death")
	}
	phone := newPhone(t)
	node := exec.Command(os.Args[0])
	node.Env = append(os.Environ(), "ROLE=agent", "PROGRAM=deaf", "DIR="+t.TempDir(), "CALL="+phone.Addr().String())
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	ended := phone.pick()
	if err := node.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = node.Wait() // killed, as it should be
	ended()
}

func TestStartRefuses(t *testing.T) {
	root := runtimetest.NewRoot(t)
	d := open(t, root)
	for name, c := range map[string]struct{ data, why string }{
		"no program":     {"\x7fNOT", "for another platform"},
		"empty":          {"", "for another platform"},
		"no interpreter": {"#!/no/such/shell\n", "its interpreter or loader is not"},
	} {
		_, err := d.Start(t.Context(), runtimetest.Work(runtime.TypeProcess, "bad@1", []byte(c.data)))
		if !errors.Is(err, runtime.ErrInvalid) || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v, want ErrInvalid and %q", name, err, c.why)
		}
		if left, _ := filepath.Glob(filepath.Join(root.Dir, "run/bad/*@*")); left != nil {
			t.Errorf("%s: left on disk: %v", name, left)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w := workload("serve", "app@1", nil)
	w.Port = l.Addr().(*net.TCPAddr).Port
	if _, err := d.Start(t.Context(), w); err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("Start on a taken port: %v", err)
	}
}

// The last two programs stay on disk, and one that was damaged there is written again.
func TestSlots(t *testing.T) {
	root := runtimetest.NewRoot(t)
	for _, release := range []string{"app@1", "app@2", "app@3"} {
		d := open(t, root)
		start(t, d, workload("serve", release, nil))
		if err := d.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	files, _ := filepath.Glob(filepath.Join(root.Dir, "run/app/app@*/program"))
	if len(files) != runtime.KeepSlots || !strings.Contains(files[0], "app@2-") {
		t.Fatalf("kept %v", files)
	}
	if err := os.WriteFile(files[1], []byte("damaged"), 0o700); err != nil {
		t.Fatal(err)
	}
	start(t, open(t, root), workload("serve", "app@3", nil))
}

// A program for which there is no room is not written until the disk is full, which others would suffer from, each time anew.
func TestNoRoom(t *testing.T) {
	root := runtimetest.NewRoot(t)
	w := workload("serve", "app@1", nil)
	root.Room = uint64(w.Artifact.Size) - 1
	w.Artifact.Open = func() (runtime.BlobReader, error) {
		t.Error("the blob was read")
		return nil, os.ErrNotExist
	}
	if _, err := open(t, root).Start(t.Context(), w); !errors.Is(err, disk.ErrFull) || errors.Is(err, runtime.ErrInvalid) {
		t.Errorf("Start: %v, want ErrFull", err)
	}
}

// TestStopsChildrenPolitely: that a script ends as soon as it is told to does not take from what it has started the time to end.
func TestStopsChildrenPolitely(t *testing.T) {
	onLinux(t)
	for name, lease := range map[string]runtime.Lease{"program": nil, "singleton": runtimetest.NewLease(time.Hour)} {
		t.Run(name, func(t *testing.T) {
			root, phone := runtimetest.NewRoot(t), newPhone(t)
			w := workload("script", "app@1", phone.env())
			w.Lease = lease
			i := start(t, open(t, root), w)
			ended := phone.pick()
			if err := i.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			ended()
			if log, err := os.ReadFile(filepath.Join(root.Dir, "run/app/log")); err != nil || string(log) != "bye\n" {
				t.Errorf("log %q, %v", log, err)
			}
		})
	}
}

// TestStartEndsWithItsContext: a node that is told to end waits for no program to be written, or there is no time left for those that run to end politely.
func TestStartEndsWithItsContext(t *testing.T) {
	d := open(t, runtimetest.NewRoot(t))
	data := make([]byte, 16<<20)
	w := runtimetest.Work(runtime.TypeProcess, "app@1", data)
	ctx, cancel := context.WithCancel(t.Context())
	reads := 0
	w.Artifact.Open = runtimetest.Watched(data, func() error {
		cancel()
		reads++
		return nil
	})
	if _, err := d.Start(ctx, w); !errors.Is(err, context.Canceled) || reads > 2 {
		t.Errorf("after %d reads: %v", reads, err)
	}
}

// A program whose mode was lost, as in a backup that was copied back, is written again too.
func TestModeIsLost(t *testing.T) {
	root := runtimetest.NewRoot(t)
	d := open(t, root)
	w := workload("serve", "app@1", nil)
	if err := start(t, d, w).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(root.Dir, "run/app/app@*/program"))
	if err := os.Chmod(files[0], 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, d, w)
}

// What a program does to its own file and directory neither keeps it from being started again, nor is what is started then.
func TestStartsAgainAsItWas(t *testing.T) {
	for _, role := range []string{"vandal", "usurp"} {
		t.Run(role, func(t *testing.T) {
			root := runtimetest.NewRoot(t)
			i := start(t, open(t, root), workload(role, "app@1", nil))
			s := runtimetest.Await(t, i, func(s runtime.Status) bool {
				return s.Restarts >= 3 || strings.Contains(s.LastError, "no such file") || strings.Contains(s.LastError, "usurped")
			})
			if s.Restarts < 3 {
				t.Errorf("%+v", s)
			}
			if err := i.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			if log, err := os.ReadFile(filepath.Join(root.Dir, "run/app/log")); err != nil || !strings.HasPrefix(string(log), "<nil> <nil>\n<nil> <nil>\n") {
				t.Errorf("log %q, %v", log, err)
			}
		})
	}
}

// TestReasons: LastError says what a person could not find out from the log, and nothing that is not so.
func TestReasons(t *testing.T) {
	for _, c := range []struct {
		role, want, not string
	}{
		{"daemon", "exit status 0, while something that it has started goes on with its output: it has to stay in the foreground", "WaitDelay"},
		{"wall", "not a directory", "program ended after 0s"},
	} {
		t.Run(c.role, func(t *testing.T) {
			i := start(t, open(t, runtimetest.NewRoot(t)), workload(c.role, "app@1", newPhone(t).env()))
			runtimetest.Await(t, i, func(s runtime.Status) bool { return s.Phase == runtime.PhaseRestarting })
			s := runtimetest.Await(t, i, func(s runtime.Status) bool {
				return strings.Contains(s.LastError, c.want) || strings.Contains(s.LastError, c.not)
			})
			if !strings.Contains(s.LastError, c.want) {
				t.Errorf("LastError %q, want %q", s.LastError, c.want)
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	b := backoff{min: time.Second, max: time.Minute, stable: 10 * time.Second}
	var got []time.Duration
	for _, ran := range []time.Duration{0, 0, 0, 0, 0, 0, 0, 0, 10 * time.Second, 0} {
		got = append(got, b.next(ran)/time.Second)
	}
	if want := []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 1, 2}; !slices.Equal(got, want) {
		t.Errorf("waits %d, want %d", got, want)
	}
}

func TestLogIsBounded(t *testing.T) {
	root := runtimetest.NewRoot(t)
	l := &logFile{fs: root, name: "run/app/log"}
	line := strings.Repeat("x", 99) + "\n"
	for range 3 * maxLog / len(line) {
		if n, err := io.WriteString(l, line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	if _, err := l.Write(make([]byte, 3*maxLog)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(l, "\nthe end")
	l.close()
	entries, _ := root.ReadDir("run/app")
	if len(entries) != 2 {
		t.Errorf("files %v, want log and log.1", entries)
	}
	for _, e := range entries {
		if info, _ := e.Info(); info.Size() > maxLog {
			t.Errorf("%s is %d bytes long", e.Name(), info.Size())
		}
	}
	if tail := l.tail(); len(tail) > maxTail || !strings.HasSuffix(tail, "the end\n") {
		t.Errorf("tail %q", tail)
	}
}
