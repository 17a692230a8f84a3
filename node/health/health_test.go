package health

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"selvage/node/runtime"
)

func TestJudge(t *testing.T) {
	rule := Rule{MinHealthy: 3 * time.Second, Deadline: 10 * time.Second}
	for _, c := range []struct {
		name string
		rule Rule
		seen string // one observation a second from 0: "+" good, "-" bad, " " none
		want State
		at   int // second at which the state is reached
	}{
		{"good from the start", rule, "++++", Healthy, 3},
		{"a gap begins anew", rule, "++-++++", Healthy, 6},
		{"just in time", rule, "-------++++", Healthy, 10},
		{"too late by one", rule, "--------+++", Failed, 10},
		{"never good", rule, "-----------", Failed, 10},
		{"observed late", rule, "+               +", Failed, 16},
		{"no minimum", Rule{Deadline: time.Minute}, "-+", Healthy, 1},
		{"no deadline", Rule{MinHealthy: time.Second}, "--------------------++", Healthy, 21},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Unix(1000, 0)
			j := NewJudge(c.rule, start)
			for s, seen := range c.seen {
				if seen == ' ' {
					continue
				}
				v := j.Observe(start.Add(time.Duration(s)*time.Second), seen == '+', "bad")
				if want := s >= c.at; (v.State != Pending) != want {
					t.Errorf("second %d: %+v", s, v)
				}
			}
			if v := j.Verdict(); v.State != c.want {
				t.Errorf("%+v, want %s", v, c.want)
			}
		})
	}
}

func TestReadyAfterHealthy(t *testing.T) {
	j := NewJudge(Rule{}, time.Unix(0, 0))
	if v := j.Observe(time.Unix(1, 0), true, ""); v != (Verdict{Healthy, true, ""}) {
		t.Errorf("%+v", v)
	}
	if v := j.Observe(time.Unix(2, 0), false, "down"); v != (Verdict{Healthy, false, "down"}) {
		t.Errorf("%+v", v)
	}
}

// Whatever is observed and however the clock jumps: verdicts are final, and healthy means that
// the last observations were good for MinHealthy.
func TestJudgeHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := Rule{
			MinHealthy: time.Duration(rapid.IntRange(0, 5).Draw(t, "minHealthy")),
			Deadline:   time.Duration(rapid.IntRange(0, 20).Draw(t, "deadline")),
		}
		start := time.Unix(0, 100)
		j, now, latest := NewJudge(rule, start), start, start
		var goodSince *time.Time
		before := Pending
		for range rapid.IntRange(0, 40).Draw(t, "observations") {
			now = now.Add(time.Duration(rapid.IntRange(-3, 5).Draw(t, "step")))
			ok := rapid.Bool().Draw(t, "ok")
			if now.After(latest) {
				latest = now
			}
			if !ok {
				goodSince = nil
			} else if goodSince == nil {
				at := latest
				goodSince = &at
			}
			v := j.Observe(now, ok, "bad")
			proven := goodSince != nil && latest.Sub(*goodSince) >= rule.MinHealthy
			switch {
			case before != Pending && v.State != before:
				t.Fatalf("%s became %s", before, v.State)
			case before == Pending && v.State == Healthy && !proven:
				t.Fatal("healthy without proof")
			case v.State == Pending && rule.Deadline > 0 && latest.Sub(start) >= rule.Deadline:
				t.Fatal("pending beyond the deadline")
			case v.State == Failed && rule.Deadline == 0:
				t.Fatal("failed without a deadline")
			case v.Ready != (v.State == Healthy && ok):
				t.Fatalf("ready %v", v.Ready)
			}
			before = v.State
		}
	})
}

// fake is a target in memory: an HTTP handler behind pipes, and a status.
type fake struct {
	runtime.Condition
	addr string
}

func (f *fake) Addr() string { return f.addr }

// dialer serves each connection with handler.
func dialer(handler http.HandlerFunc) func(context.Context, string, string) (net.Conn, error) {
	return func(_ context.Context, _, addr string) (net.Conn, error) {
		if addr != "till:80" {
			return nil, errors.New("connection refused")
		}
		here, there := net.Pipe()
		l := &one{conn: there, done: make(chan struct{})}
		go (&http.Server{Handler: handler}).Serve(l)
		return here, nil
	}
}

// one is a listener for one connection.
type one struct {
	conn net.Conn
	done chan struct{}
}

func (o *one) Accept() (net.Conn, error) {
	if c := o.conn; c != nil {
		o.conn = nil
		close(o.done)
		return c, nil
	}
	return nil, net.ErrClosed
}
func (o *one) Close() error   { return nil }
func (o *one) Addr() net.Addr { return &net.TCPAddr{} }

// watch runs Watch for a while of virtual time and returns the states reported.
func watch(t *testing.T, c Config, f *fake, during func()) (states []State, last Verdict) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- Watch(ctx, c, f, func(v Verdict) {
			states = append(states, v.State)
			last = v
		})
	}()
	during()
	if err := <-done; err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	return states, last
}

func TestWatchProbe(t *testing.T) {
	var bad atomic.Bool
	for _, c := range []struct {
		name    string
		addr    string
		handler http.HandlerFunc
		want    []State
		reason  string
	}{
		{"good", "till:80", func(http.ResponseWriter, *http.Request) {}, []State{Pending, Healthy}, ""},
		{"redirect", "till:80", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://away/", http.StatusFound) }, []State{Pending, Healthy}, ""},
		{"error", "till:80", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, []State{Pending, Failed}, "probe till:80/healthz: status 503"},
		{"silent", "till:80", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, []State{Pending, Failed}, "no answer within 1s"},
		{"refused", "till:81", nil, []State{Pending, Failed}, "connection refused"},
		{"no port", "", nil, []State{Pending, Failed}, "serves no port"},
		{"breaks later", "till:80", func(w http.ResponseWriter, _ *http.Request) {
			if bad.Load() {
				w.WriteHeader(500)
			}
		}, []State{Pending, Healthy, Healthy}, "status 500"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bad.Store(false)
				f := &fake{addr: c.addr}
				f.Enter(runtime.PhaseRunning)
				config := Config{Rule: Rule{5 * time.Second, 20 * time.Second}, Probe: &Probe{Path: "/healthz"}, Dial: dialer(c.handler)}
				states, last := watch(t, config, f, func() { time.Sleep(30 * time.Second); bad.Store(true) })
				if !slices.Equal(states, c.want) || !strings.Contains(last.Reason, c.reason) {
					t.Errorf("%v, last %+v; want %v and %q", states, last, c.want, c.reason)
				}
			})
		})
	}
}

func TestWatchStatus(t *testing.T) {
	for _, c := range []struct {
		name   string
		during func(*fake)
		want   []State
		reason string
	}{
		{"runs", func(*fake) {}, []State{Pending, Healthy}, ""},
		{"restarts once", func(f *fake) { time.Sleep(3500 * time.Millisecond); f.Restarted() }, []State{Pending, Healthy}, ""},
		{"keeps restarting", func(f *fake) {
			for range 10 {
				time.Sleep(3 * time.Second)
				f.Fail(runtime.PhaseRestarting, "exit status 3")
				f.Restarted()
			}
		}, []State{Pending, Failed}, "less than 5s"},
		{"is gone", func(f *fake) { f.Fail(runtime.PhaseFailed, "exit status 3") }, []State{Pending, Failed}, "failed: exit status 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{}
				f.Enter(runtime.PhaseRunning)
				states, last := watch(t, Config{Rule: Rule{5 * time.Second, 20 * time.Second}}, f, func() { c.during(f) })
				if !slices.Equal(states, c.want) || !strings.Contains(last.Reason, c.reason) {
					t.Errorf("%v, last %+v; want %v and %q", states, last, c.want, c.reason)
				}
			})
		})
	}
}

// frozen is a target whose watcher stands still for a while at one look, as all of an agent does that is stopped or whose machine sleeps.
type frozen struct {
	*fake
	looks, at int
	length    time.Duration
}

func (f *frozen) Status() runtime.Status {
	if f.looks++; f.looks == f.at {
		time.Sleep(f.length)
	}
	return f.fake.Status()
}

// TestStandsStill: time in which nobody looked is held neither against a workload nor for it.
func TestStandsStill(t *testing.T) {
	for _, c := range []struct {
		name   string
		length time.Duration
		rule   Rule
	}{
		{"beyond the deadline", time.Hour, Rule{5 * time.Second, 20 * time.Second}},
		{"before it", 10 * time.Second, Rule{5 * time.Second, 20 * time.Second}},
		{"without one", time.Hour, Rule{MinHealthy: 5 * time.Second}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &frozen{&fake{}, 0, 4, c.length}
				f.Enter(runtime.PhaseRunning)
				begun, proven := time.Now(), time.Duration(0)
				ctx, cancel := context.WithTimeout(t.Context(), c.length+time.Minute)
				defer cancel()
				err := Watch(ctx, Config{Rule: c.rule}, f, func(v Verdict) {
					if v.State == Failed {
						t.Errorf("%+v", v)
					}
					if v.State == Healthy {
						proven = time.Since(begun) - c.length
						cancel()
					}
				})
				if err == nil || proven < c.rule.MinHealthy-time.Second {
					t.Errorf("proven after %v of which it was looked at, %v", proven, err)
				}
			})
		})
	}
}
