package function

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"selvage/node/runtime"
	"selvage/node/runtime/internal/turns"
)

const (
	maxBody     = 1 << 20
	maxResponse = 4 << 20
	maxPrinted  = 1 << 10 // bytes of a request's stderr that are kept
	maxWaiting  = 64      // requests beyond those that run
)

// instance is a module that answers requests.
type instance struct {
	driver    *Driver
	workload  runtime.Workload
	timeout   time.Duration
	module    *module
	row       *turns.Row[instance]
	server    *server // set before the first request, and never again
	condition runtime.Condition

	running chan struct{} // a place for each request that runs
	notes   *rate.Limiter // of the log and of LastError

	mu      sync.Mutex
	inside  int  // requests let in: at most cap(running) + maxWaiting
	retired bool // nobody is let in any more

	drained chan struct{} // closed when retired and inside is 0
	ending  sync.Once
	gone    chan struct{} // closed when nothing runs any more
}

var _ runtime.Instance = (*instance)(nil)

func newInstance(d *Driver, w runtime.Workload, m *module, row *turns.Row[instance]) *instance {
	i := &instance{
		driver:   d,
		workload: w,
		timeout:  w.Timeout,
		module:   m,
		row:      row,
		running:  make(chan struct{}, d.config.Concurrency),
		notes:    rate.NewLimiter(1, 5),
		drained:  make(chan struct{}),
		gone:     make(chan struct{}),
	}
	if i.timeout == 0 {
		i.timeout = defaultTimeout
	}
	i.condition.Enter(runtime.PhaseRunning)
	return i
}

// heed ends a singleton with its lease, and returns when it has ended.
func (i *instance) heed() {
	for {
		changed := i.workload.Lease.Changed()
		term := i.workload.Lease.Term()
		if term.Run <= 0 {
			i.condition.Note("this node's lease ended")
			i.end()
			return
		}
		look := time.NewTimer(term.NextLook())
		select {
		case <-changed:
		case <-look.C:
		case <-i.gone:
			look.Stop()
			return
		}
		look.Stop()
	}
}

// grace is how long requests in progress may take when the instance is to end.
func (i *instance) grace() time.Duration {
	if i.workload.Lease != nil {
		return runtime.LeaseGrace
	}
	return grace
}

func (i *instance) Addr() string             { return i.server.addr }
func (i *instance) Status() runtime.Status   { return i.condition.Status() }
func (i *instance) Changed() <-chan struct{} { return i.condition.Changed() }

// Stop lets requests in progress finish for up to 10 s, and then ends them.
func (i *instance) Stop(ctx context.Context) error {
	i.end()
	select {
	case <-i.gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop function %s: %w", i.workload.Release, ctx.Err())
	}
}

// end begins to stop the instance, unless another has taken over from it, which ends it anyway.
func (i *instance) end() {
	i.ending.Do(func() {
		i.driver.ending.Go(func() {
			i.row.Retake()
			defer i.row.Give()
			if i.row.Instance == i {
				i.row.Instance = nil
				i.retire(true)
			}
		})
	})
}

// retire lets nobody in, waits for those inside, and frees the module; with the server unless
// that has passed to another instance.
func (i *instance) retire(stopServer bool) {
	i.mu.Lock()
	i.retired = true
	empty := i.inside == 0
	i.mu.Unlock()
	if empty {
		close(i.drained)
	}
	if stopServer {
		ctx, cancel := context.WithTimeout(context.Background(), i.grace())
		i.server.stop(ctx)
		cancel()
	}
	<-i.drained
	i.module.close()
	if i.Status().Phase != runtime.PhaseFailed {
		i.condition.Enter(runtime.PhaseExited)
	}
	close(i.gone)
}

// enter lets a request in, unless the instance is retired.
func (i *instance) enter() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.retired {
		return false
	}
	i.inside++
	return true
}

func (i *instance) leave() {
	i.mu.Lock()
	i.inside--
	empty := i.retired && i.inside == 0
	i.mu.Unlock()
	if empty {
		close(i.drained)
	}
}

func (i *instance) crowded() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.inside > cap(i.running)+maxWaiting
}

// answer runs the module for one request. Its caller has entered the instance.
func (i *instance) answer(w http.ResponseWriter, r *http.Request) {
	if i.crowded() {
		refuse(w, http.StatusServiceUnavailable, "too many requests wait")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		status := http.StatusBadRequest
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			status = http.StatusRequestEntityTooLarge
		}
		refuse(w, status, "read request: "+err.Error())
		return
	}
	// The read deadline has served its purpose; left on, it would pass for the client's leaving.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	epoch, ok := i.leads()
	if !ok {
		refuse(w, http.StatusServiceUnavailable, "this node does not lead its site any more")
		return
	}
	env, err := environment(i.workload, epoch, r, len(body))
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), i.timeout)
	defer cancel()
	select {
	case i.running <- struct{}{}:
	case <-ctx.Done():
		refuse(w, http.StatusServiceUnavailable, "too many requests run")
		return
	}
	resp, err := i.run(ctx, env, body)
	<-i.running
	if _, ok := i.leads(); !ok { // an answer is all that a function does to the world
		refuse(w, http.StatusServiceUnavailable, "this node does not lead its site any more")
		return
	}
	i.reply(w, resp, err)
}

// leads reports whether the function may act now: always, if it is no singleton. epoch is a singleton's token.
func (i *instance) leads() (epoch uint64, ok bool) {
	if i.workload.Lease == nil {
		return 0, true
	}
	t := i.workload.Lease.Term()
	return t.Epoch, t.Live > 0
}

// run runs the module and reads what it printed.
func (i *instance) run(ctx context.Context, env map[string]string, body []byte) (response, error) {
	out := &bounded{limit: maxResponse}
	printed := &bounded{limit: maxPrinted, lax: true} // of many languages a failed print ends the program
	err := i.module.run(ctx, env, bytes.NewReader(body), out, printed)
	said := strings.TrimSpace(printed.String())
	if err == nil && out.over {
		err = fmt.Errorf("response is longer than %d bytes", maxResponse)
	}
	var resp response
	if err == nil {
		if resp, err = parse(out.Bytes()); err != nil {
			err = fmt.Errorf("read response: %w", err)
		}
	}
	if err != nil && said != "" {
		err = fmt.Errorf("%w; printed: %s", err, said)
	}
	if err == nil && said != "" && i.notes.Allow() {
		i.log().Info("function printed", "text", said)
	}
	return resp, err
}

func (i *instance) reply(w http.ResponseWriter, resp response, err error) {
	switch {
	case err == nil:
		maps.Copy(w.Header(), resp.header)
		w.WriteHeader(resp.status)
		_, _ = w.Write(resp.body) // whoever asked has left, if this fails
	case errors.Is(err, context.Canceled):
		// whoever asked has left, or the server is closing; but who has only closed his half still reads
		refuse(w, http.StatusServiceUnavailable, "the client hung up, or the function is stopping")
	case errors.Is(err, context.DeadlineExceeded):
		i.note(fmt.Errorf("no answer within %s: %w", i.timeout, err))
		refuse(w, http.StatusGatewayTimeout, fmt.Sprintf("the function did not answer within %s", i.timeout))
	default:
		i.note(err)
		refuse(w, http.StatusBadGateway, "the function failed")
	}
}

// note records why a request failed, unless many have just failed.
func (i *instance) note(err error) {
	if i.notes.Allow() {
		i.condition.Note(err.Error())
		i.log().Warn("function failed", "error", err)
	}
}

func (i *instance) log() *slog.Logger {
	return i.driver.config.Logger.With("deployment", i.workload.Deployment, "release", i.workload.Release)
}

// bounded keeps the first limit bytes. More is remembered, and an error to the writer unless lax.
type bounded struct {
	bytes.Buffer
	limit int
	lax   bool
	over  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(p) <= b.limit-b.Len() {
		return b.Buffer.Write(p)
	}
	b.over = true
	n, _ := b.Buffer.Write(p[:b.limit-b.Len()]) // a Buffer's Write never fails
	if b.lax {
		return len(p), nil
	}
	return n, io.ErrShortWrite
}
