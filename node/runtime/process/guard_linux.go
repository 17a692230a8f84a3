package process

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The words between a node and its guards, a line each.
const (
	orderUntil = "until" // and the new deadline
	orderEnd   = "end"   // politely

	answerBegun  = "begun"  // and the group of the program, if there is one
	answerLapsed = "lapsed" // the deadline has passed
	answerErrno  = "errno"  // and the number: it could not begin
)

// answerFile is the descriptor on which a guard answers, inputFile that which is the input of a program that has one.
const (
	answerFile = 3
	inputFile  = 4
)

// Guard is the whole life of a guard's process, of which it returns the exit code. A node starts one for each
// singleton, with the arguments
//
//	UNTIL run PROGRAM [ARGUMENT...]     run a program
//	UNTIL feed PROGRAM [ARGUMENT...]    likewise, with descriptor 4 as its standard input
//	UNTIL link MADE LINK                rename the link MADE to LINK, and take it away in the end
//
// UNTIL is nanoseconds of CLOCK_BOOTTIME, which counts suspend. What the guard holds ends at that moment, or when
// standard input ends, as it does with the node, whatever ends that. Standard input can prolong it ("until UNTIL"), if that
// moment has not come, and have the program told to end ("end").
//
// A program is killed with all that descends from it, whatever group it has moved to: the guard is their subreaper. It
// has to be called from the main goroutine, since the program ends with the thread that has started it.
func Guard(args []string) int {
	goruntime.LockOSThread()
	// Its input says when to end. What is ignored would be ignored by the program too; what is caught is not.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
	g := &guard{answers: os.NewFile(answerFile, "answers"), expired: make(chan struct{})}
	if g.answers == nil || len(args) < 3 {
		fmt.Fprintln(os.Stderr, "selvage: error: a guard is started by a node, and not by hand")
		return 2
	}
	unix.CloseOnExec(answerFile)
	until, err := strconv.ParseInt(args[0], 10, 64)
	if err == nil {
		err = g.arm(time.Duration(until))
	}
	if err != nil {
		return g.refuse(err)
	}
	switch {
	case args[1] == jobRun:
		return g.run(args[2], args[3:], nil)
	case args[1] == jobFeed:
		return g.run(args[2], args[3:], os.NewFile(inputFile, "input"))
	case args[1] == jobLink && len(args) == 4:
		return g.link(args[2], args[3])
	}
	return g.refuse(syscall.EINVAL)
}

// guard holds something until a deadline.
type guard struct {
	answers *os.File
	timer   *os.File      // of CLOCK_BOOTTIME; readable when until has passed
	expired chan struct{} // closed when the deadline has passed

	mu    sync.Mutex
	until time.Duration
	over  bool // the deadline has passed: nothing prolongs it any more
}

// arm sets the timer for the first time.
func (g *guard) arm(until time.Duration) error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return err
	}
	g.timer = os.NewFile(uintptr(fd), "timer")
	if !g.prolong(until) {
		return nil // over already, as begin will find
	}
	go g.tick()
	return nil
}

// prolong moves the deadline, unless it has passed: who comes late may come when another holds the lease.
func (g *guard) prolong(until time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.until == 0 {
		g.until = until
	}
	if g.late() {
		return false
	}
	g.until = max(g.until, until)
	at := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(g.until))}
	if err := g.control(func(fd int) error { return unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME, &at, nil) }); err != nil {
		g.over = true
		return false
	}
	return true
}

func (g *guard) control(f func(fd int) error) error {
	conn, err := g.timer.SyscallConn()
	if err != nil {
		return err
	}
	var ferr error
	return errors.Join(conn.Control(func(fd uintptr) { ferr = f(int(fd)) }), ferr)
}

// late reports whether the deadline has passed. The caller holds mu.
func (g *guard) late() bool {
	g.over = g.over || boottime() >= g.until
	return g.over
}

// inTime reports whether the deadline has not passed.
func (g *guard) inTime() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.late()
}

// tick waits for the deadline.
func (g *guard) tick() {
	var count [8]byte
	for g.inTime() {
		if _, err := g.timer.Read(count[:]); err != nil {
			break // a guard that cannot tell the time ends
		}
	}
	close(g.expired)
}

// listen takes orders, and returns when there can be no more.
func (g *guard) listen(end func()) {
	orders := bufio.NewScanner(os.Stdin)
	for orders.Scan() {
		word, number, _ := strings.Cut(orders.Text(), " ")
		until, err := strconv.ParseInt(number, 10, 64)
		switch {
		case word == orderEnd:
			end()
		case word != orderUntil || err != nil || !g.prolong(time.Duration(until)):
			return
		}
	}
}

func (g *guard) answer(word string) { fmt.Fprintln(g.answers, word) }

// refuse answers why the guard does not begin.
func (g *guard) refuse(err error) int {
	number := syscall.EIO
	errors.As(err, &number)
	g.answer(fmt.Sprintf("%s %d", answerErrno, int(number)))
	return 1
}

// run has the program run until the deadline; input may be nil.
func (g *guard) run(program string, args []string, input *os.File) int {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return g.refuse(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if input != nil {
		unix.CloseOnExec(inputFile)
		cmd.Stdin = input
	}
	cmd.SysProcAttr = attributes()
	orphans := make(chan os.Signal, 1)
	signal.Notify(orphans, syscall.SIGCHLD)
	if !g.inTime() {
		g.answer(answerLapsed)
		return 1
	}
	if err := cmd.Start(); err != nil {
		return g.refuse(err)
	}
	pid := cmd.Process.Pid
	g.answer(fmt.Sprintf("%s %d", answerBegun, pid))
	var told notice
	ended, left := make(chan error, 1), make(chan struct{})
	go func() { ended <- reap(cmd, told.givesTime) }()
	go func() {
		g.listen(func() {
			told.asked.Store(true)
			signalGroup(pid, syscall.SIGTERM)
		})
		close(left)
	}()
	for {
		select {
		case <-ended:
			buryDescendants()
			return exitCode(cmd.ProcessState)
		case <-orphans:
			buryOrphans(pid)
			continue
		case <-left:
			left = nil
		case <-g.expired:
			g.expired = nil
			defer g.answer(answerLapsed)
		}
		told.killed.Store(true)
		signalGroup(pid, syscall.SIGKILL)
	}
}

// exitCode is the program's, or as shells have it for one that a signal ended.
func exitCode(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return s.ExitCode()
}

// link has a link in place until the deadline.
func (g *guard) link(made, link string) int {
	if !g.inTime() {
		g.answer(answerLapsed)
		return 1
	}
	if err := os.Rename(made, link); err != nil {
		return g.refuse(err)
	}
	g.answer(answerBegun)
	left := make(chan struct{})
	go func() {
		g.listen(func() {})
		close(left)
	}()
	select {
	case <-left:
	case <-g.expired:
		defer g.answer(answerLapsed)
	}
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(os.Stderr, "selvage: error: take link away: %v\n", err)
		return 1
	}
	return 0
}

// buryOrphans waits for those who have ended of what the program has left to the guard.
func buryOrphans(program int) {
	for _, pid := range children() {
		if pid != program {
			_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
		}
	}
}

// buryDescendants kills all that is left of a program that has ended, until nothing is. What is killed leaves its own
// children to the guard.
func buryDescendants() {
	for pids := children(); len(pids) > 0; pids = children() {
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		for _, pid := range pids {
			for _, err := unix.Wait4(pid, nil, 0, nil); errors.Is(err, unix.EINTR); _, err = unix.Wait4(pid, nil, 0, nil) {
			}
		}
	}
}

// children are the processes whose parent this one is, as /proc tells; where it is not mounted, the group alone is killed.
func children() (pids []int) {
	self := os.Getpid()
	for _, pid := range processes() {
		if s, err := readStat(pid); err == nil && s.parent == self { // else it has ended
			pids = append(pids, pid)
		}
	}
	return pids
}

func readSmall(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 4<<10))
	return string(data), err
}
