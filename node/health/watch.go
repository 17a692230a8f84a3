package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"selvage/node/runtime"
)

const (
	defaultInterval = time.Second
	defaultTimeout  = time.Second
	maxBody         = 64 << 10 // bytes of an answer that are read, so that the server can finish it
)

// Probe asks a workload over HTTP how it is.
type Probe struct {
	Port    int           // 0: the port that the instance serves on
	Path    string        // "" is "/"
	Timeout time.Duration // for one whole request; 0 is 1 s
}

// Config says how to watch an instance.
type Config struct {
	Rule     Rule
	Probe    *Probe        // nil: whether it runs is all there is to see
	Interval time.Duration // between observations; 0 is 1 s
	// Dial opens the probe's connections; nil is a net.Dialer's DialContext.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Target is what is watched: a runtime.Instance, as far as it matters here.
type Target interface {
	Addr() string
	Status() runtime.Status
	Changed() <-chan struct{}
}

// Watch observes a target that has just been started, at once, at each interval and whenever its status changes,
// and calls report with the first verdict and with each that differs from the one before in
// State or Ready. It returns ctx's error when ctx ends, or nil after it has reported Failed.
func Watch(ctx context.Context, c Config, t Target, report func(Verdict)) error {
	if c.Interval <= 0 {
		c.Interval = defaultInterval
	}
	w := &watcher{config: c, target: t, client: client(c), restarts: t.Status().Restarts}
	defer w.client.CloseIdleConnections()
	clock := &seen{last: time.Now(), most: c.Interval + c.timeout()}
	judge := NewJudge(c.Rule, clock.last)
	ticker := time.NewTicker(c.Interval)
	defer ticker.Stop()
	told := Verdict{}
	for {
		changed := t.Changed()
		ok, detail := w.observe(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		v := judge.Observe(clock.until(time.Now()), ok, detail)
		if v.State != told.State || v.Ready != told.Ready {
			report(v)
			told = v
		}
		if v.State == Failed {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		case <-changed:
		}
	}
}

// timeout is how long one observation may take.
func (c Config) timeout() time.Duration {
	switch {
	case c.Probe == nil:
		return 0
	case c.Probe.Timeout > 0:
		return c.Probe.Timeout
	}
	return defaultTimeout
}

// seen is a clock of the time in which a target was watched. It stands still while this program does, or its machine: what the target
// was then nobody knows.
type seen struct {
	last time.Time     // of this machine's clock
	most time.Duration // from one observation to the next
	lost time.Duration // in which nobody looked
}

func (s *seen) until(now time.Time) time.Time {
	s.lost += max(0, now.Sub(s.last)-s.most)
	s.last = now
	return now.Add(-s.lost)
}

type watcher struct {
	config   Config
	target   Target
	client   *http.Client
	restarts int // seen by the last observation
}

// observe looks once.
func (w *watcher) observe(ctx context.Context) (ok bool, detail string) {
	s := w.target.Status()
	restarted := s.Restarts != w.restarts
	w.restarts = s.Restarts
	switch {
	case s.Phase != runtime.PhaseRunning:
		return false, fmt.Sprintf("%s: %s", s.Phase, s.LastError)
	case restarted:
		return false, "restarted: " + s.LastError
	case w.config.Probe == nil:
		return true, ""
	}
	if err := w.probe(ctx, *w.config.Probe); err != nil {
		return false, err.Error()
	}
	return true, ""
}

// probe asks once. Its error names the address and the path, whatever went wrong.
func (w *watcher) probe(ctx context.Context, p Probe) error {
	addr, err := address(w.target.Addr(), p.Port)
	if err != nil {
		return err
	}
	if p.Path == "" {
		p.Path = "/"
	}
	p.Timeout = w.config.timeout()
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+p.Path, nil)
	if err != nil {
		return fmt.Errorf("probe %s%s: %w", addr, p.Path, err)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("probe %s%s: no answer within %s", addr, p.Path, p.Timeout)
		}
		return fmt.Errorf("probe %s%s: %w", addr, p.Path, errors.Unwrap(err)) // without the *url.Error, which repeats the address
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody)) // the status has said it all
	if resp.StatusCode < 200 || resp.StatusCode > 399 {
		return fmt.Errorf("probe %s%s: status %s", addr, p.Path, resp.Status)
	}
	return nil
}

// address is where to probe: the instance's own address, with another port if the probe names one.
func address(serves string, port int) (string, error) {
	if port == 0 {
		if serves == "" {
			return "", errors.New("probe: the workload serves no port, and the probe names none")
		}
		return serves, nil
	}
	host, _, err := net.SplitHostPort(serves)
	if err != nil {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(port)), nil
}

// client keeps no connection open between probes: whether a new one is accepted is part of what is asked.
func client(c Config) *http.Client {
	dial := c.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return &http.Client{
		Transport:     &http.Transport{DialContext: dial, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
