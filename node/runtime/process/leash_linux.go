package process

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"selvage/node/runtime"
)

// leash is the node's end of a guard: it feeds it deadlines while the lease goes on.
type leash struct {
	lease   runtime.Lease
	orders  *os.File // the guard kills what it guards when this is closed
	answers *bufio.Reader
	report  *os.File // what answers reads from
	group   int      // of the program; 0 if there is none

	lapsing chan struct{} // closed when the singleton has to end
	done    chan struct{} // closed by release
	closing sync.Once
	feeding sync.WaitGroup
}

// boottime is the time since the machine was started, suspends included.
func boottime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(fmt.Sprintf("process: CLOCK_BOOTTIME cannot be read, which Linux has since 2.6.39: %v", err))
	}
	return time.Duration(t.Nano())
}

// deadline returns a term, and until when by boottime a guard may let a singleton live. The clock is read first: if this
// process stands still in between, the deadline is earlier, not later.
func deadline(l runtime.Lease) (t runtime.Term, until time.Duration) {
	now := boottime()
	t = l.Term()
	return t, now + t.Live
}

// guarded launches a guard that does what job says, as Guard reads it, while the lease lasts. It returns once the guard
// has begun, with its own command, which ends when nothing is left of what it guards.
func guarded(command []string, job []string, l runtime.Lease, prepare func(*exec.Cmd)) (_ *exec.Cmd, _ *leash, err error) {
	if len(command) == 0 {
		return nil, nil, fmt.Errorf("%w: this node has no guard for singletons", runtime.ErrInvalid)
	}
	term, until := deadline(l)
	if term.Run <= 0 {
		return nil, nil, runtime.ErrNoLease
	}
	ordersIn, orders, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("launch guard: %w", err)
	}
	defer ordersIn.Close()
	report, reportOut, err := os.Pipe()
	if err != nil {
		orders.Close()
		return nil, nil, fmt.Errorf("launch guard: %w", err)
	}
	defer reportOut.Close()
	k := &leash{lease: l, orders: orders, report: report, answers: bufio.NewReaderSize(report, 128), lapsing: make(chan struct{}), done: make(chan struct{})}
	args := append(command[1:len(command):len(command)], strconv.FormatInt(int64(until), 10))
	cmd := exec.Command(command[0], append(args, job...)...)
	cmd.Args[0] = os.Args[0] // so that lists of processes show what it is
	prepare(cmd)
	cmd.ExtraFiles = []*os.File{reportOut}
	if input, ok := cmd.Stdin.(*os.File); ok { // the program's: the guard's is for orders
		cmd.ExtraFiles = append(cmd.ExtraFiles, input)
	}
	cmd.Stdin = ordersIn
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // and no Pdeathsig: a guard outlives its node, to kill
	if err := cmd.Start(); err != nil {
		k.release()
		return nil, nil, fmt.Errorf("launch guard: %v", err) // its number would be taken for the program's
	}
	reportOut.Close() // or the guard's end would not be the answers' end
	if err := k.begun(); err != nil {
		k.release()
		_ = cmd.Wait() // what it says, the answer has said
		return nil, nil, err
	}
	k.feeding.Go(k.feed)
	return cmd, k, nil
}

// begun waits for the guard to say that it has begun, or why it has not.
func (k *leash) begun() error {
	line, err := k.answers.ReadString('\n')
	if err != nil {
		return fmt.Errorf("launch guard: it ended before it began: %w", err)
	}
	switch word, number, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " "); word {
	case answerBegun:
		if number != "" {
			k.group, err = strconv.Atoi(number)
		}
		if err == nil {
			return nil
		}
	case answerLapsed:
		return runtime.ErrNoLease
	case answerErrno:
		n, err := strconv.Atoi(number)
		if err == nil {
			return syscall.Errno(n)
		}
	}
	return fmt.Errorf("launch guard: it answers %.40q", line)
}

// feed prolongs the guard's deadline as the lease is, until the singleton has to end or the leash is released.
func (k *leash) feed() {
	for {
		changed := k.lease.Changed()
		term, until := deadline(k.lease)
		if term.Run <= 0 {
			close(k.lapsing)
			return
		}
		if _, err := fmt.Fprintf(k.orders, "%s %d\n", orderUntil, until); err != nil {
			return // the guard has ended, which its command tells
		}
		timer := time.NewTimer(term.NextLook())
		select {
		case <-k.done:
			timer.Stop()
			return
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// ask has what is guarded told to end.
func (k *leash) ask() {
	_, _ = fmt.Fprintln(k.orders, orderEnd) // a guard that has ended needs not to be asked
}

// kill has what is guarded killed.
func (k *leash) kill() { _ = k.orders.Close() }

// mustEnd is closed when the singleton has to end; never for what is none.
func (k *leash) mustEnd() <-chan struct{} {
	if k == nil {
		return nil
	}
	return k.lapsing
}

// release ends the feeding and gives back what the leash holds. The guard ends by it, if it has not.
func (k *leash) release() {
	if k == nil {
		return
	}
	k.closing.Do(func() {
		close(k.done)
		k.feeding.Wait()
		_ = k.orders.Close()
		_ = k.report.Close()
	})
}

// survive kills the group of a program whose guard was killed, which ended nothing else than the program itself.
func (k *leash) survive(guard *os.ProcessState) {
	if guard == nil || k.group <= 1 {
		return
	}
	if w, ok := guard.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		signalGroup(k.group, syscall.SIGKILL)
	}
}

// lapsed reports whether a guard that has ended did so because its deadline passed.
func (k *leash) lapsed() bool {
	if k == nil {
		return false
	}
	rest, _ := io.ReadAll(k.answers) // what cannot be read says nothing
	return strings.HasPrefix(string(rest), answerLapsed)
}
