package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"selvage/internal/disk"
	"selvage/node/runtime"
)

const (
	// groupFile is below a deployment's directory while a program of it runs, and names its group.
	groupFile = "group"
	// leftWait is how long New waits for what it has killed, in steps of leftPause.
	leftWait  = 2 * time.Second
	leftPause = 5 * time.Millisecond
)

// group is the process group of a program. Its number alone would not do: the kernel gives it away anew once the group is empty.
type group struct {
	Boot    string // of this boot, and of this space of process numbers
	ID      int    // greater than 1; also its first process, the program
	Session int    // of all of its processes
	Start   uint64 // when the program was launched, in ticks since the boot
}

// String is how it is written down: see parseGroup.
func (g group) String() string { return fmt.Sprintf("%s %d %d %d\n", g.Boot, g.ID, g.Session, g.Start) }

func parseGroup(text string) (g group, err error) {
	if _, err := fmt.Sscanf(text, "%s %d %d %d\n", &g.Boot, &g.ID, &g.Session, &g.Start); err != nil {
		return group{}, fmt.Errorf("read group: %w", err)
	}
	if g.ID <= 1 || g.String() != text { // a signal to group 1 is one to everybody
		return group{}, fmt.Errorf("read group: %.80q is none", text)
	}
	return g, nil
}

// groupOf returns the group of a program that was launched as its first.
func groupOf(pid int) (group, error) {
	boot, err := bootID()
	if err != nil {
		return group{}, err
	}
	s, err := readStat(pid)
	return group{boot, s.group, s.session, s.start}, err
}

func bootID() (string, error) {
	boot, err := readSmall("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	return strings.TrimSpace(boot) + "/" + space, err
}

// left reports whether processes of the group are there yet. It is false if they may be another's.
func (g group) left() bool {
	if boot, err := bootID(); err != nil || boot != g.Boot || g.ID == syscall.Getpgrp() {
		return false
	}
	any := false
	for _, pid := range processes() {
		s, err := readStat(pid)
		if err != nil || s.group != g.ID {
			continue
		}
		if s.session != g.Session || s.start < g.Start || pid == g.ID && s.start != g.Start {
			return false
		}
		any = any || s.state != "Z"
	}
	return any
}

// noteGroup writes down whose group a program is, for the next node if this one is killed. It need not outlast the power:
// nor does the group.
func noteGroup(f disk.FS, deployment string, pid int) error {
	g, err := groupOf(pid)
	if err != nil {
		return fmt.Errorf("find group of program: %w", err)
	}
	file, err := f.OpenFile(path.Join(runtime.Dir(deployment), groupFile), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("note group of program: %w", err)
	}
	_, err = file.Write([]byte(g.String()))
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("note group of program: %w", err)
	}
	return nil
}

// forgetGroup removes the note: nothing of the group is left.
func forgetGroup(f disk.FS, deployment string) {
	_ = f.Remove(path.Join(runtime.Dir(deployment), groupFile)) // one that stays names a group that is gone
}

// endLeft kills what a node that was killed has left of its programs.
func (d *Driver) endLeft() {
	root := path.Dir(runtime.Dir("x"))
	all, err := d.config.FS.ReadDir(root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.config.Logger.Warn("programs of a node before this one not looked for", "error", err)
	}
	for _, e := range all {
		name := path.Join(root, e.Name(), groupFile)
		text, err := disk.ReadFile(d.config.FS, name, 1<<10)
		if err != nil {
			continue
		}
		if g, err := parseGroup(string(text)); err == nil && g.left() {
			d.config.Logger.Warn("killing what a node before this one has left of a program", "deployment", e.Name(), "group", g.ID)
			g.end()
		}
		_ = d.config.FS.Remove(name) // one that stays names a group that is gone
	}
}

// end kills the group, and waits until it has gone: it may hold a port that the next program needs.
func (g group) end() {
	for until := time.Now().Add(leftWait); g.left() && time.Now().Before(until); time.Sleep(leftPause) {
		signalGroup(g.ID, syscall.SIGKILL)
	}
}

// stat is what /proc tells of a process.
type stat struct {
	state                  string // "Z" of one that has ended and that nobody has waited for
	parent, group, session int
	start                  uint64 // ticks since the boot
}

func readStat(pid int) (s stat, err error) {
	text, err := readSmall("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return s, err
	}
	// pid (name) state parent group session ...; a name may hold anything, and the last ')' ends it. See proc_pid_stat(5).
	rest := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(rest) < 20 {
		return s, fmt.Errorf("read /proc/%d/stat: %.80q", pid, text)
	}
	s.state = rest[0]
	for n, to := range []*int{&s.parent, &s.group, &s.session} {
		if *to, err = strconv.Atoi(rest[n+1]); err != nil {
			return s, err
		}
	}
	s.start, err = strconv.ParseUint(rest[19], 10, 64)
	return s, err
}

// processes are the numbers of all processes that this one sees.
func processes() (pids []int) {
	all, _ := os.ReadDir("/proc") // where it is not mounted, there is none to be seen
	for _, e := range all {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
