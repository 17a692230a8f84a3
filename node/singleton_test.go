package node

import (
	"context"
	"testing"
	"time"

	"selvage/ledger/lease"
	"selvage/ledger/manifest"
	"selvage/node/runtime"
)

// stubborn is a driver whose workloads do not end when they are told to, as a program does not that waits for a disk which hangs.
type stubborn struct{ runtime.Driver }

type stubbornInstance struct{ runtime.Condition }

func (stubborn) Start(context.Context, runtime.Workload) (runtime.Instance, error) {
	i := &stubbornInstance{}
	i.Enter(runtime.PhaseRunning)
	return i, nil
}
func (stubborn) Replaces() bool                       { return false }
func (stubborn) Remove(context.Context, string) error { return nil }
func (stubborn) Close(ctx context.Context) error      { <-ctx.Done(); return ctx.Err() }

func (*stubbornInstance) Addr() string { return "" }

func (*stubbornInstance) Stop(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

// quick starts the founder anew, with a lease that takes a tenth of the time and a driver for bundles.
func (f *fleet) quick(bundles runtime.Driver) *machine {
	f.t.Helper()
	m := f.founder
	m.stop()
	n, err := Start(Config{FS: m.fs, Log: m.log, Listen: []string{"127.0.0.1:0"}, Logger: logTo(f.t), Drivers: map[string]runtime.Driver{runtime.TypeBundle: bundles},
		Lease: lease.Settings{Authority: time.Second, Margin: 10 * time.Millisecond, DriftPPM: 10_000, Renew: 300 * time.Millisecond, Resend: 30 * time.Millisecond,
			Patience: 200 * time.Millisecond, Stagger: 20 * time.Millisecond, Deference: 100 * time.Millisecond}})
	if err != nil {
		f.t.Fatal(err)
	}
	m.Node = n
	return m
}

// TestCloseWaitsNoLonger: a node whose singleton does not end goes down when its time is over all the same, and does not give the lease up.
func TestCloseWaitsNoLonger(t *testing.T) {
	t.Parallel()
	f := found(t)
	m := f.quick(stubborn{})
	n := m.Node
	if _, err := f.seed(m, "app@v1", content(1, 1000)); err != nil {
		t.Fatal(err)
	}
	f.declare(m, "app", manifest.Spec{Release: "app@v1", Singleton: true})
	eventually(t, "it runs", func() bool { return m.runs("app@v1") })
	m.Node = nil // closed here
	closed := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		closed <- n.Close(ctx)
	}()
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Fatal("it does not go down")
	}
}
