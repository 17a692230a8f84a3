package process

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"selvage/internal/disk"
	"selvage/node/runtime"
	"selvage/node/runtime/runtimetest"
)

// What the kernel leaves of a program when the node is killed, its children, is ended before anything is started anew; that of a singleton
// too, when its guard was killed with the node.
func TestNothingIsLeftOfAKilledNode(t *testing.T) {
	for _, role := range []string{"agent", "boss"} {
		t.Run(role, func(t *testing.T) {
			root, phone := runtimetest.NewRoot(t), newPhone(t)
			node := exec.Command(os.Args[0])
			node.Env = append(os.Environ(), "ROLE="+role, "PROGRAM=pair", "LEASE=1h", "DIR="+root.Dir, "CALL="+phone.Addr().String())
			if err := node.Start(); err != nil {
				t.Fatal(err)
			}
			hangsUp := phone.pick()
			ended := make(chan struct{})
			go func() { hangsUp(); close(ended) }()
			awaitNote(t, root)
			if role == "boss" {
				if err := node.Process.Signal(syscall.SIGSTOP); err != nil { // or it would end what is left itself
					t.Fatal(err)
				}
				killGuard(t, root.Dir)
			}
			if err := node.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = node.Wait() // killed, as it should be
			open(t, root)
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
				t.Error("a child of the program lives on")
			}
			if _, err := root.Stat("run/app/" + groupFile); err == nil {
				t.Error("the note of the group is still there")
			}
		})
	}
}

// awaitNote waits for the node to have noted the group of its program, which it does when the program runs already.
func awaitNote(t *testing.T, root *runtimetest.Root) {
	t.Helper()
	for t.Context().Err() == nil {
		if note, err := os.ReadFile(filepath.Join(root.Dir, "run/app", groupFile)); err == nil && len(note) > 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// A number that the kernel has given to another group since, and groups of another boot, are left alone.
func TestOthersAreLeftAlone(t *testing.T) {
	phone := newPhone(t)
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), "ROLE=tied", "CALL="+phone.Addr().String())
	other.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = other.Process.Kill()
		_ = other.Wait() // killed, as it should be
	}()
	phone.pick()
	g, err := groupOf(other.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*group){
		"another start":   func(g *group) { g.Start-- },
		"another boot":    func(g *group) { g.Boot = "0" + g.Boot },
		"another session": func(g *group) { g.Session++ },
		"nobody's":        func(g *group) { g.ID = 1 << 30 },
		"the node's":      func(g *group) { g.ID = syscall.Getpgrp() },
	} {
		root, wrong := runtimetest.NewRoot(t), g
		change(&wrong)
		note(t, root, wrong.String())
		open(t, root)
		if s, err := readStat(g.ID); err != nil || s.state == "Z" {
			t.Fatalf("%s: killed: %+v, %v", name, s, err)
		}
	}
	root := runtimetest.NewRoot(t)
	note(t, root, g.String())
	open(t, root)
	if s, err := readStat(g.ID); err != nil || s.state != "Z" { // nobody has waited for it yet
		t.Errorf("a group as it was noted: %+v, %v", s, err)
	}
}

// What is left of a singleton whose guard is killed is ended by the node.
func TestGuardIsKilled(t *testing.T) {
	root, phone := runtimetest.NewRoot(t), newPhone(t)
	w := workload("pair", "app@1", phone.env())
	w.Lease = runtimetest.NewLease(time.Hour)
	i := start(t, open(t, root), w)
	ended := make(chan struct{})
	hangsUp := phone.pick()
	go func() { hangsUp(); close(ended) }()
	killGuard(t, root.Dir)
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("a child of the program lives on")
	}
	runtimetest.Await(t, i, func(s runtime.Status) bool { return s.Restarts > 0 })
}

// killGuard kills the only guard that has a path in its arguments.
func killGuard(t *testing.T, path string) {
	t.Helper()
	killed := 0
	for _, pid := range processes() {
		line, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		guards := bytes.Contains(line, []byte("\x00"+jobRun+"\x00")) || bytes.Contains(line, []byte("\x00"+jobLink+"\x00"))
		if guards && bytes.Contains(line, []byte(path)) {
			killed++
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	if killed != 1 {
		t.Fatalf("%d guards", killed)
	}
}

// A node that is the first process of a container is the parent of all whose own has ended, as a subreaper is. It waits for those that it
// has killed, or process numbers would be used up some day.
func TestNoZombies(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	phone := newPhone(t)
	d := open(t, runtimetest.NewRoot(t))
	d.config.Grace = 50 * time.Millisecond
	i := start(t, d, workload("parent", "app@1", phone.env()))
	ended := phone.pick()
	if err := i.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended()
	for _, pid := range children() {
		if s, err := readStat(pid); err != nil || s.state == "Z" {
			t.Errorf("process %d is left: %+v, %v", pid, s, err)
		}
	}
}

func note(t *testing.T, root *runtimetest.Root, text string) {
	t.Helper()
	if err := root.MkdirAll("run/app", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := disk.WriteFile(root, "run/app/"+groupFile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func FuzzParseGroup(f *testing.F) {
	f.Add("boot 12 10 3456\n")
	f.Add("")
	f.Add("boot 1 1 1\n")
	f.Add("boot 0 1 1\n")
	f.Add("boot -12 1 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := parseGroup(text)
		if err == nil && (g.ID <= 1 || fmt.Sprint(g) != text) {
			t.Errorf("%q is read as %q", text, g)
		}
	})
}
