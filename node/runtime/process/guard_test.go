//go:build unix

package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"selvage/node/runtime"
	"selvage/node/runtime/runtimetest"
)

func onLinux(t *testing.T) {
	if goruntime.GOOS != "linux" {
		t.Skip("guards are for Linux")
	}
}

// shirk has a deaf child in a session of its own, and ends: so that child is in nobody's group.
func shirk() {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ROLE=deaf")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		fmt.Println(err)
	}
	lie()
}

// lie has a process do nothing until it is killed; select {} could be taken for a deadlock.
func lie() { time.Sleep(time.Hour) }

// bossLease leaves a busy machine some seconds until the singleton has to have started.
const bossLease = 8 * time.Second

// boss starts a singleton as a node would, under a lease of LEASE, PROGRAM says which, and is then stopped or killed by the test.
func boss() {
	root := &runtimetest.Root{Dir: os.Getenv("DIR")}
	d, err := New(Config{FS: root, Root: root.Dir, Guard: guardCommand})
	if err == nil {
		w := workload(os.Getenv("PROGRAM"), "app@1", map[string]string{"CALL": os.Getenv("CALL")})
		length, _ := time.ParseDuration(os.Getenv("LEASE"))
		w.Lease = runtimetest.NewLease(length)
		_, err = d.Start(context.Background(), w)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	lie()
}

func TestSingletonContract(t *testing.T) {
	onLinux(t)
	v1 := workload("serve", "app@1", nil)
	v1.Lease = runtimetest.NewLease(time.Hour)
	v2 := v1
	v2.Release = "app@2"
	runtimetest.Run(t, func(t *testing.T) runtime.Driver { return open(t, runtimetest.NewRoot(t)) }, v1, v2)
}

// A program runs past the end of the lease under which it began when that was renewed, and ends before a lease does
// that was not: politely.
func TestSingletonEndsBeforeItsLease(t *testing.T) {
	onLinux(t)
	root, phone, l := runtimetest.NewRoot(t), newPhone(t), runtimetest.NewLease(runtimetest.StopMargin+500*time.Millisecond)
	w := workload("serve", "app@1", phone.env())
	w.Lease = l
	i := start(t, open(t, root), w)
	ended := phone.pick()
	l.Renew(time.Hour)
	time.Sleep(time.Second)
	if s := i.Status(); s.Phase != runtime.PhaseRunning {
		t.Fatalf("after a renewal: %+v", s)
	}
	l.End(runtimetest.StopMargin + 200*time.Millisecond)
	ended()
	s := runtimetest.Await(t, i, func(s runtime.Status) bool { return s.Phase == runtime.PhaseExited })
	if left := l.Left(); left < runtimetest.KillMargin || !strings.Contains(s.LastError, "lease") {
		t.Errorf("ended %v before the lease did: %+v", left, s)
	}
	if log, err := os.ReadFile(filepath.Join(root.Dir, "run/app/log")); err != nil || string(log) != "bye\n" {
		t.Errorf("log %q, %v; want that it was stopped politely", log, err)
	}
}

// What does not end by itself is killed before the lease ends.
func TestSingletonIsKilled(t *testing.T) {
	onLinux(t)
	phone, l := newPhone(t), runtimetest.NewLease(time.Hour)
	w := workload("shirk", "app@1", phone.env())
	w.Lease = l
	i := start(t, open(t, runtimetest.NewRoot(t)), w)
	ended := phone.pick()
	l.End(runtimetest.StopMargin)
	ended()
	runtimetest.Await(t, i, func(s runtime.Status) bool { return s.Phase == runtime.PhaseExited })
	if left := l.Left(); left <= 0 {
		t.Error("it outlived the lease")
	}
}

// TestGuardOutlivesItsNode: a node that is stopped or killed cannot end what it runs; the guard does.
func TestGuardOutlivesItsNode(t *testing.T) {
	onLinux(t)
	for _, c := range []struct {
		signal syscall.Signal
		within time.Duration
	}{{syscall.SIGSTOP, bossLease - runtimetest.KillMargin}, {syscall.SIGKILL, time.Second}} {
		t.Run(c.signal.String(), func(t *testing.T) {
			t.Parallel()
			phone := newPhone(t)
			node := exec.Command(os.Args[0])
			node.Stdout, node.Stderr = os.Stdout, os.Stderr // what keeps it from starting
			node.Env = append(os.Environ(), "ROLE=boss", "PROGRAM=shirk", "LEASE="+bossLease.String(), "DIR="+t.TempDir(), "CALL="+phone.Addr().String())
			began := time.Now()
			if err := node.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				_ = node.Process.Kill()
				_ = node.Wait() // killed, as it should be
			}()
			ended := phone.pick()
			if err := node.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			signalled := time.Now()
			ended()
			since := signalled
			if c.signal == syscall.SIGSTOP {
				since = began
				if time.Since(began) < time.Second {
					t.Error("it ended though its lease went on")
				}
			}
			if took := time.Since(since); took > c.within+time.Second { // the test machine may be slow; the lease began a little later
				t.Errorf("the program lived on for %v", took)
			}
		})
	}
}

func TestSingletonNeedsLeaseAndGuard(t *testing.T) {
	onLinux(t)
	d := open(t, runtimetest.NewRoot(t))
	w := workload("serve", "app@1", nil)
	w.Lease = runtimetest.NewLease(runtimetest.StopMargin)
	if _, err := d.Start(t.Context(), w); !errors.Is(err, runtime.ErrNoLease) || errors.Is(err, runtime.ErrInvalid) {
		t.Errorf("under a lease that is about to end: %v", err)
	}
	d.config.Guard = nil
	w.Lease = runtimetest.NewLease(time.Hour)
	if _, err := d.Start(t.Context(), w); !errors.Is(err, runtime.ErrInvalid) {
		t.Errorf("without a guard: %v", err)
	}
	d.config.Guard = []string{"/no/such/guard"}
	if _, err := d.Start(t.Context(), w); err == nil || errors.Is(err, runtime.ErrNoLease) || errors.Is(err, runtime.ErrInvalid) {
		t.Errorf("with a guard that is not there: %v", err)
	}
}

// A singleton is told its token, and a later one when it is started again under another lease.
func TestSingletonIsToldItsEpoch(t *testing.T) {
	onLinux(t)
	root := runtimetest.NewRoot(t)
	d := open(t, root)
	l := runtimetest.NewLease(time.Hour)
	w := workload("epoch", "app@1", map[string]string{runtime.EpochVariable: "forged"})
	w.Lease = l
	i := start(t, d, w)
	resp, err := http.Get("http://" + await(t, i))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != "71\n" {
		t.Errorf("told %q", body)
	}
}

// await returns where an instance answers, once it does.
func await(t *testing.T, i runtime.Instance) string {
	t.Helper()
	for t.Context().Err() == nil {
		resp, err := http.Get("http://" + i.Addr())
		if err == nil {
			resp.Body.Close()
			return i.Addr()
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("nobody answers")
	return ""
}

// TestGuardRefusesNonsense: it is not for people to start.
func TestGuardRefusesNonsense(t *testing.T) {
	onLinux(t)
	out, err := exec.Command(guardCommand[0], "guard").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "not by hand") {
		t.Errorf("%v: %s", err, out)
	}
}
