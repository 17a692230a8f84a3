//go:build unix

package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"selvage/node/runtime"
	"selvage/node/runtime/internal/slots"
)

const (
	busyTries = 20                    // launches of a file that somebody still has open for writing
	busyWait  = 10 * time.Millisecond // between them
	pipeWait  = 2 * time.Second       // for output of children that have left the group
)

// instance is a program that is kept running. One goroutine, its supervisor, launches it,
// waits for it and signals it.
type instance struct {
	driver    *Driver
	workload  runtime.Workload
	addr      string
	port      int
	log       *logFile
	condition runtime.Condition

	files  sync.Mutex      // held by who changes what the deployment has on disk beside its log
	lapsed bool            // the supervisor's: it ended because its lease did
	life   context.Context // ends when it shall end
	end    context.CancelFunc
	gone   chan struct{} // closed when it has ended and the supervisor is done
}

var _ runtime.Instance = (*instance)(nil)

// supervise launches the program and returns once it runs. An error means that it could not be
// launched, and that there is no instance.
func supervise(d *Driver, w runtime.Workload, port int) (*instance, error) {
	i := &instance{
		driver:   d,
		workload: w,
		port:     port,
		addr:     net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		log:      &logFile{fs: d.config.FS, name: path.Join(runtime.Dir(w.Deployment), "log")},
		gone:     make(chan struct{}),
	}
	i.life, i.end = context.WithCancel(context.Background())
	i.condition.Enter(runtime.PhaseRunning)
	launched := make(chan error, 1)
	d.all.Go(func() { i.run(launched) })
	if err := <-launched; err != nil {
		return nil, err
	}
	return i, nil
}

func (i *instance) Addr() string             { return i.addr }
func (i *instance) Status() runtime.Status   { return i.condition.Status() }
func (i *instance) Changed() <-chan struct{} { return i.condition.Changed() }

// Stop ends the program as the package comment says.
func (i *instance) Stop(ctx context.Context) error {
	i.end()
	select {
	case <-i.gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop process %s: %w", i.workload.Release, ctx.Err())
	}
}

// over reports whether nothing of the instance runs any more.
func (i *instance) over() bool {
	select {
	case <-i.gone:
		return true
	default:
		return false
	}
}

// run is the supervisor. It keeps its thread, because the kernel takes the end of the thread
// that launched a program for the end of the node (PR_SET_PDEATHSIG in prctl(2)).
func (i *instance) run(launched chan<- error) {
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	defer close(i.gone)
	defer i.log.close()
	c, err := i.launch()
	launched <- err
	if err != nil {
		return
	}
	wait := backoff{min: i.driver.config.MinBackoff, max: i.driver.config.MaxBackoff, stable: i.driver.config.StableIn}
	for {
		var ran time.Duration
		if c != nil {
			began := time.Now()
			err = i.watch(c)
			ran = time.Since(began)
		}
		if i.stopping() || i.lapsed {
			break
		}
		if c != nil {
			i.report(i.howEnded(err, ran))
		} else {
			i.report(err.Error())
		}
		if !i.sleep(wait.next(ran)) {
			break
		}
		if c, err = i.relaunch(); err == nil {
			i.condition.Restarted()
		} else if errors.Is(err, runtime.ErrNoLease) {
			i.lapsed = true
			break
		}
	}
	if i.lapsed {
		i.condition.Note("this node's lease ended")
	}
	i.condition.Enter(runtime.PhaseExited)
}

func (i *instance) stopping() bool { return i.life.Err() != nil }

// sleep reports whether it slept for all of d, and was not told to stop.
func (i *instance) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-i.life.Done():
		return false
	}
}

// relaunch starts the program once more, as it was signed, whatever it or the disk has done to its files meanwhile.
func (i *instance) relaunch() (*child, error) {
	i.files.Lock()
	_, err := i.driver.ready(i.life, i.workload)
	i.files.Unlock()
	if err != nil {
		return nil, err
	}
	return i.launch()
}

// launch starts the program. A file that was written a moment ago may be busy for as long as a
// process that another goroutine is forking holds a copy of the descriptor (golang/go#22315).
func (i *instance) launch() (*child, error) {
	i.log.begin()
	for try := 1; ; try++ {
		c, err := i.launchOnce()
		if err == nil {
			return c, nil
		}
		if errors.Is(err, syscall.ETXTBSY) && try < busyTries && i.sleep(busyWait) {
			continue
		}
		for _, h := range hopeless {
			if errors.Is(err, h.err) {
				return nil, fmt.Errorf("%w: launch program: %w: %s", runtime.ErrInvalid, err, h.why)
			}
		}
		return nil, fmt.Errorf("launch program: %w", err)
	}
}

// hopeless are the errors of programs that can never be launched here, of which the kernel does not say what is meant.
var hopeless = []struct {
	err error
	why string
}{
	{syscall.ENOEXEC, "it is for another platform, or neither a program nor a script that begins with #!"},
	{syscall.ENOENT, "the program is there, but its interpreter or loader is not"},
	{syscall.EACCES, "the state directory may be on a file system from which nothing can be executed (noexec)"},
	{syscall.E2BIG, "its arguments and environment are too long"},
}

// launchOnce starts the program, a singleton by way of its guard.
func (i *instance) launchOnce() (*child, error) {
	w := i.workload
	program := i.driver.host(path.Join(slots.Dir(w), program))
	if w.Lease == nil {
		cmd := exec.Command(program, w.Args...)
		cmd.SysProcAttr = attributes()
		i.prepare(cmd, 0)
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		i.note(cmd.Process.Pid)
		return &child{cmd: cmd}, nil
	}
	epoch, err := runtime.MayStart(w.Lease)
	if err != nil {
		return nil, err
	}
	cmd, leash, err := guarded(i.driver.config.Guard, append([]string{jobRun, program}, w.Args...), w.Lease, func(cmd *exec.Cmd) { i.prepare(cmd, epoch) })
	if err != nil {
		return nil, err
	}
	i.note(leash.group)
	return &child{cmd, leash}, nil
}

// note has the program's group be found again if the node is killed; with its guard, if it has one.
func (i *instance) note(pid int) {
	if err := noteGroup(i.driver.config.FS, i.workload.Deployment, pid); err != nil && !errors.Is(err, fs.ErrNotExist) { // it has ended already
		i.driver.config.Logger.Warn("program is not found again if the node is killed", "deployment", i.workload.Deployment, "release", i.workload.Release, "error", err)
	}
}

// prepare gives a command all but its arguments; epoch is a singleton's.
func (i *instance) prepare(cmd *exec.Cmd, epoch uint64) {
	cmd.Dir = i.driver.host(path.Join(runtime.Dir(i.workload.Deployment), dataDir))
	cmd.Env = i.environ(cmd.Dir, epoch)
	cmd.Stdout, cmd.Stderr = i.log, i.log
	cmd.WaitDelay = pipeWait
}

func (i *instance) environ(home string, epoch uint64) []string {
	w := i.workload
	env := map[string]string{"HOME": home}
	for _, k := range []string{"PATH", "LANG", "TZ"} {
		if v, set := os.LookupEnv(k); set {
			env[k] = v
		}
	}
	maps.Copy(env, w.Env)
	env["PORT"] = strconv.Itoa(i.port)
	env["SELVAGE_RELEASE"] = w.Release
	env["SELVAGE_NODE"] = w.Node
	env["SELVAGE_SITE"] = w.Site
	delete(env, runtime.EpochVariable)
	if epoch != 0 {
		env[runtime.EpochVariable] = strconv.FormatUint(epoch, 10)
	}
	list := make([]string, 0, len(env))
	for _, k := range slices.Sorted(maps.Keys(env)) {
		list = append(list, k+"="+env[k])
	}
	return list
}

// watch waits until the program has ended, by itself or because it was told to, and nothing is
// left of its group. The error says how it ended; nil is exit status 0.
func (i *instance) watch(c *child) (err error) {
	i.lapsed, err = c.follow(i.life.Done(), i.grace(), func() {
		i.driver.config.Logger.Warn("program killed", "deployment", i.workload.Deployment, "release", i.workload.Release, "grace", i.grace())
	})
	forgetGroup(i.driver.config.FS, i.workload.Deployment)
	return err
}

// grace is the time from asking a program to end to killing it. A singleton has no more than what its lease leaves.
func (i *instance) grace() time.Duration {
	if i.workload.Lease == nil {
		return i.driver.config.Grace
	}
	return min(i.driver.config.Grace, runtime.LeaseGrace)
}

// child is a program that was launched, or its guard.
type child struct {
	cmd   *exec.Cmd
	leash *leash // nil if the program is no singleton
}

// follow waits until the child has ended, by itself or because it was told to: when stop is closed, or its lease has no more time, which
// lapsed says. One that has not ended by grace later is killed; killing is called before. The error says how it ended; nil is exit status 0.
func (c *child) follow(stop <-chan struct{}, grace time.Duration, killing func()) (lapsed bool, err error) {
	defer c.leash.release()
	var told notice
	ended := make(chan error, 1)
	go func() {
		err := reap(c.cmd, told.givesTime)
		if c.leash == nil {
			buryGroup(c.cmd.Process.Pid)
		} else { // the guard has seen to all, if it could
			c.leash.survive(c.cmd.ProcessState)
		}
		ended <- err
	}()
	select {
	case err := <-ended:
		return c.leash.lapsed(), err
	case <-stop:
	case <-c.leash.mustEnd():
		lapsed, grace = true, min(grace, runtime.LeaseGrace)
	}
	told.asked.Store(c.leash == nil) // a guard gives time itself
	c.ask()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case err := <-ended:
		return lapsed || c.leash.lapsed(), err
	case <-timer.C:
	}
	killing()
	told.killed.Store(true)
	c.kill()
	return lapsed, <-ended
}

// ask has the program told to end.
func (c *child) ask() {
	if c.leash != nil {
		c.leash.ask()
		return
	}
	signalGroup(c.cmd.Process.Pid, syscall.SIGTERM)
}

// kill has it killed.
func (c *child) kill() {
	if c.leash != nil {
		c.leash.kill()
		return
	}
	signalGroup(c.cmd.Process.Pid, syscall.SIGKILL)
}

// howEnded says how a run of the program ended.
func (i *instance) howEnded(err error, ran time.Duration) string {
	how := "exit status 0"
	switch {
	case errors.Is(err, exec.ErrWaitDelay):
		how += ", while something that it has started goes on with its output: it has to stay in the foreground"
	case err != nil:
		how = err.Error()
	}
	reason := fmt.Sprintf("program ended after %s: %s", ran.Round(time.Millisecond), how)
	if tail := strings.TrimSpace(i.log.tail()); tail != "" {
		reason += "; last printed: " + tail
	}
	return reason
}

// report says why the program is about to be started again.
func (i *instance) report(reason string) {
	i.condition.Fail(runtime.PhaseRestarting, reason)
	i.driver.config.Logger.Warn("program is not running", "deployment", i.workload.Deployment, "release", i.workload.Release, "reason", reason)
}

// backoff says how long to wait before a program is started again.
type backoff struct {
	min, max, stable time.Duration
	last             time.Duration // 0 before the first
}

// next returns the wait after a run of the given length: min after a stable one or at first,
// otherwise twice the last, and never more than max.
func (b *backoff) next(ran time.Duration) time.Duration {
	if ran >= b.stable || b.last == 0 {
		b.last = b.min
	} else {
		b.last = min(2*b.last, b.max)
	}
	return b.last
}
