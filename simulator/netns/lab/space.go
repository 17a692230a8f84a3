//go:build linux

package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// spaces is where 'ip netns' keeps the names of namespaces.
const spaces = "/run/netns"

// space is the name of a network namespace.
type space string

// prefix begins the names of all namespaces of all labs.
const prefix = "selvage-"

// newName returns a name for a lab of this process, and of those in taken none: selvage-PID, or
// selvage-PID-1 and so on.
func newName(pid int, taken []string) string {
	for i := 0; ; i++ {
		name := prefix + strconv.Itoa(pid)
		if i > 0 {
			name += "-" + strconv.Itoa(i)
		}
		if !contains(taken, name) {
			return name
		}
	}
}

func contains(names []string, lab string) bool {
	for _, n := range names {
		if n == lab || strings.HasPrefix(n, lab+".") {
			return true
		}
	}
	return false
}

// owner returns the process whose lab a namespace is part of; ok is false if it is none of a lab.
func owner(name string) (pid int, ok bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return 0, false
	}
	rest, _, _ = strings.Cut(rest, ".")
	rest, _, _ = strings.Cut(rest, "-")
	pid, err := strconv.Atoi(rest)
	return pid, err == nil && pid > 0
}

// list returns the names of all namespaces that have one.
func list() ([]string, error) {
	entries, err := os.ReadDir(spaces)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out, err
}

// sweep removes the labs of processes that are gone, and ends what still runs there.
func sweep() error {
	names, err := list()
	if err != nil {
		return err
	}
	var stale []space
	for _, n := range names {
		if pid, ok := owner(n); ok && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			stale = append(stale, space(n))
		}
	}
	return remove(stale)
}

// remove kills all processes of some namespaces, and removes those.
func remove(all []space) error {
	if len(all) == 0 {
		return nil
	}
	kill(all)
	var errs []error
	for _, s := range all {
		_, err := tool("", "ip", "netns", "del", string(s))
		if _, gone := os.Stat(s.path()); err != nil && !errors.Is(gone, os.ErrNotExist) { // another lab sweeps too
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// kill kills all processes of some namespaces; those that cannot be looked into are not of them.
func kill(all []space) {
	ours := map[uint64]bool{}
	for _, s := range all {
		var st unix.Stat_t
		if unix.Stat(s.path(), &st) == nil {
			ours[st.Ino] = true
		}
	}
	procs, _ := filepath.Glob("/proc/[0-9]*/ns/net") // the pattern is well formed
	for _, p := range procs {
		pid, _ := strconv.Atoi(strings.Split(p, "/")[2])
		var st unix.Stat_t
		if unix.Stat(p, &st) == nil && ours[st.Ino] && pid != os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone by now
		}
	}
}

func (s space) path() string { return filepath.Join(spaces, string(s)) }

// do calls f on a thread that is in the namespace. Sockets that f opens stay there, and so do processes
// that it starts.
func (s space) do(f func() error) error {
	there, err := os.Open(s.path())
	if err != nil {
		return fmt.Errorf("enter %s: %w", s, err)
	}
	defer there.Close()
	runtime.LockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter %s: %w", s, err)
	}
	defer here.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter %s: %w", s, err)
	}
	err = f()
	if back := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, fmt.Errorf("leave %s: %w", s, back)) // the thread stays locked, and ends with its goroutine
	}
	runtime.UnlockOSThread()
	return err
}

// prepare has the namespace forward IPv4, and have no IPv6.
func (s space) prepare() error {
	return s.do(func() error {
		if _, err := os.Stat("/proc/sys/net/ipv6"); err == nil {
			if err := errors.Join(sysctl("ipv6/conf/all/disable_ipv6", "1"), sysctl("ipv6/conf/default/disable_ipv6", "1")); err != nil {
				return fmt.Errorf("switch IPv6 off in %s: %w", s, err)
			}
		}
		// Packets that come out of a TUN device are from anywhere.
		return errors.Join(sysctl("ipv4/ip_forward", "1"), sysctl("ipv4/conf/all/rp_filter", "0"), sysctl("ipv4/conf/default/rp_filter", "0"))
	})
}
