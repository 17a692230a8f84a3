package function

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"selvage/internal/disk"
	"selvage/node/runtime"
	"selvage/node/runtime/internal/slots"
	"selvage/node/runtime/internal/turns"
)

const (
	defaultTimeout     = 10 * time.Second
	defaultMemory      = 64 << 20
	defaultConcurrency = 8
	maxModule          = 64 << 20 // bytes of WASM
	grace              = 10 * time.Second
)

// Config is what a Driver needs.
type Config struct {
	FS   disk.FS // the state directory; nil keeps nothing on disk
	Root string  // the state directory's path on the host; "" keeps nothing on disk
	Host string  // address to serve on; "" is 127.0.0.1

	// Listen opens what functions serve on; nil is net.Listen.
	Listen func(network, addr string) (net.Listener, error)

	Concurrency int          // requests of one function that run at once; 0 is 8
	Logger      *slog.Logger // nil discards
}

// Driver starts functions. It implements runtime.Driver.
type Driver struct {
	config Config
	table  turns.Table[instance]
	ending sync.WaitGroup // goroutines that end instances
}

var _ runtime.Driver = (*Driver)(nil)

// New returns a driver that runs nothing yet. It must be closed.
func New(c Config) *Driver {
	if c.FS == nil || c.Root == "" {
		c.FS, c.Root = nil, ""
	}
	if c.Host == "" {
		c.Host = "127.0.0.1"
	}
	if c.Listen == nil {
		c.Listen = net.Listen
	}
	if c.Concurrency <= 0 {
		c.Concurrency = defaultConcurrency
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Driver{config: c}
}

// Replaces reports true: see the package comment.
func (d *Driver) Replaces() bool { return true }

// Start compiles the module and has it answer requests. It returns once connections are accepted.
func (d *Driver) Start(ctx context.Context, w runtime.Workload) (runtime.Instance, error) {
	if err := w.Validate(); err != nil {
		return nil, err
	}
	row, err := d.table.Take(ctx, w.Deployment)
	if err != nil {
		return nil, fmt.Errorf("start function %s: %w", w.Release, err)
	}
	defer row.Give()
	old := row.Instance
	if old != nil && old.workload.Equal(w) && old.Status().Phase == runtime.PhaseRunning {
		return old, nil
	}
	inst, err := d.start(ctx, w, row)
	if err != nil {
		return nil, fmt.Errorf("start function %s: %w", w.Release, err)
	}
	if w.Lease != nil {
		d.ending.Go(inst.heed)
	}
	if old != nil {
		row.Previous = old.workload.Slot()
		d.ending.Go(func() { old.retire(old.server != inst.server) })
	}
	row.Instance = inst
	if d.config.FS != nil {
		if err := slots.Prune(d.config.FS, w.Deployment, w.Slot(), row.Previous); err != nil {
			d.config.Logger.Warn("old code not removed", "deployment", w.Deployment, "error", err)
		}
	}
	return inst, nil
}

// start makes the instance and gives it a server: the old instance's, if the port asked for is the same.
func (d *Driver) start(ctx context.Context, w runtime.Workload, row *turns.Row[instance]) (*instance, error) {
	m, err := d.load(ctx, w)
	if err != nil {
		return nil, err
	}
	if w.Lease != nil {
		if _, err := runtime.MayStart(w.Lease); err != nil {
			m.close()
			return nil, err
		}
	}
	inst := newInstance(d, w, m, row)
	if old := row.Instance; old != nil && old.workload.Port == w.Port && old.Status().Phase == runtime.PhaseRunning {
		inst.server = old.server
		inst.server.serve(inst)
		return inst, nil
	}
	if inst.server, err = d.listen(inst); err != nil {
		m.close()
		return nil, err
	}
	return inst, nil
}

// load reads and compiles the workload's module.
func (d *Driver) load(ctx context.Context, w runtime.Workload) (*module, error) {
	if w.Artifact.Size > maxModule {
		return nil, fmt.Errorf("%w: WASM module of %d bytes is longer than %d", runtime.ErrInvalid, w.Artifact.Size, maxModule)
	}
	memory := w.Memory
	if memory == 0 {
		memory = defaultMemory
	}
	var code bytes.Buffer
	code.Grow(int(w.Artifact.Size))
	if err := w.Artifact.CopyTo(ctx, &code); err != nil {
		return nil, err
	}
	m, err := d.compile(ctx, w, code.Bytes(), memory)
	if err != nil {
		return nil, err
	}
	name, _, _ := strings.Cut(w.Release, "@")
	m.args = append([]string{name}, w.Args...)
	return m, nil
}

// compile uses the machine code in the workload's slot, or leaves it there. Where that fails
// for whatever reason (a full disk, a damaged file) it does without: the slot only saves time.
func (d *Driver) compile(ctx context.Context, w runtime.Workload, code []byte, memory int64) (*module, error) {
	if d.config.FS == nil {
		return compile(ctx, code, memory, "")
	}
	if err := d.checkCode(w); err != nil { // what cannot be removed either is not to be read
		d.config.Logger.Warn("machine code not kept", "deployment", w.Deployment, "release", w.Release, "error", err)
		return compile(ctx, code, memory, "")
	}
	m, err := compile(ctx, code, memory, filepath.Join(d.config.Root, filepath.FromSlash(slots.Dir(w))))
	if err == nil {
		if err := d.keepCode(w); err != nil { // then it is made anew when it is needed next
			d.config.Logger.Warn("machine code not kept", "deployment", w.Deployment, "release", w.Release, "error", err)
		}
		return m, nil
	}
	if rerr := slots.Drop(d.config.FS, w); rerr != nil {
		err = errors.Join(err, rerr)
	}
	m, again := compile(ctx, code, memory, "")
	if again == nil {
		d.config.Logger.Warn("machine code not kept", "deployment", w.Deployment, "release", w.Release, "error", err)
	}
	return m, again
}

// Remove deletes the machine code kept for a deployment.
func (d *Driver) Remove(ctx context.Context, deployment string) error {
	if err := runtime.CheckDeployment(deployment); err != nil {
		return err
	}
	row, err := d.table.Take(ctx, deployment)
	if err != nil {
		return fmt.Errorf("remove %s: %w", deployment, err)
	}
	defer row.Give()
	if row.Instance != nil {
		return fmt.Errorf("remove %s: %w", deployment, runtime.ErrRunning)
	}
	if d.config.FS == nil {
		return nil
	}
	return slots.Remove(d.config.FS, deployment)
}

// Close stops every function and waits for those that end already.
func (d *Driver) Close(ctx context.Context) error {
	err := d.table.Close(ctx, func(inst *instance) error { inst.end(); return nil })
	if err != nil {
		return fmt.Errorf("close functions: %w", err)
	}
	done := make(chan struct{})
	go func() { d.ending.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close functions: %w", ctx.Err())
	}
}
