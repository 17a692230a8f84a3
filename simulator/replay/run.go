package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
	wasi "github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"selvage/simulator"
	"selvage/simulator/replay/guest"
	"selvage/simulator/scenario"
)

// Guest is the name of the guest's file, which 'make build' puts beside the selvage binary.
const Guest = "selvage-replay.wasm"

// Run plays a scenario with the guest in that file. What it returns follows from the two, but for WallSeconds.
// Progress is told from the calling goroutine. The guest records a story whether or not it shall be, so that it is
// the same one; with a window it is another, for nodes say more in it, which takes time. When ctx ends, so does
// the guest, and there is no result. An error means that the story could not be played to its end; a check that
// failed is in the Result.
func Run(ctx context.Context, file string, s scenario.Scenario, o simulator.Options) (simulator.Result, error) {
	begin := time.Now()
	code, err := os.ReadFile(file)
	if err != nil {
		return simulator.Result{}, err
	}
	if o.Progress != nil {
		o.Progress(simulator.Progress{Of: s.Duration, Text: "the guest is being loaded"})
	}
	p, err := load(ctx, code, cacheDir(), maxMemory)
	if err != nil && ctx.Err() == nil { // it may be the cache: a disk is full, a file is broken
		p, err = load(ctx, code, "", maxMemory)
	}
	if err != nil {
		return simulator.Result{}, fmt.Errorf("load %s: %w", file, err)
	}
	defer p.close()
	r, err := p.play(ctx, s, o, newHost(s.Seed, o.Progress))
	r.WallSeconds = time.Since(begin).Seconds()
	return r, err
}

// program is a guest, compiled. It can be played many times.
type program struct {
	runtime  wazero.Runtime
	cache    wazero.CompilationCache // nil without a directory for it
	compiled wazero.CompiledModule
}

// load compiles a guest that may have so many bytes of memory. Machine code is kept in dir; "" is nowhere.
func load(ctx context.Context, code []byte, dir string, memory uint64) (_ *program, err error) {
	p := new(program)
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	// Not WithCloseOnContextDone: its checks in every loop make the guest 2.5 times slower. See host.nanotime.
	config := wazero.NewRuntimeConfig().WithMemoryLimitPages(uint32(memory / pageSize))
	if dir != "" {
		if p.cache, err = wazero.NewCompilationCacheWithDir(dir); err != nil {
			return nil, fmt.Errorf("open compilation cache: %w", err)
		}
		config = config.WithCompilationCache(p.cache)
	}
	p.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if _, err := wasi.Instantiate(ctx, p.runtime); err != nil {
		return nil, fmt.Errorf("prepare WASI: %w", err)
	}
	workers := experimental.WithCompilationWorkers(ctx, runtime.GOMAXPROCS(0))
	if p.compiled, err = p.runtime.CompileModule(workers, code); err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	if dir != "" {
		prune(dir)
	}
	return p, nil
}

func (p *program) close() {
	ctx := context.Background()
	if p.runtime != nil {
		_ = p.runtime.Close(ctx) // memory only
	}
	if p.cache != nil {
		_ = p.cache.Close(ctx) // likewise
	}
}

// play plays a scenario, which has been parsed.
func (p *program) play(ctx context.Context, s scenario.Scenario, o simulator.Options, h *host) (simulator.Result, error) {
	in, err := json.Marshal(guest.Order{Scenario: string(s.Marshal()), Window: o.Window})
	if err != nil {
		return simulator.Result{}, err
	}
	var out bytes.Buffer
	config := wazero.NewModuleConfig().
		WithName(""). // nameless, so that there can be many
		WithArgs("selvage-replay").
		WithStdin(bytes.NewReader(in)).
		WithStdout(&out).
		WithStderr(&h.says).
		WithRandSource(h).
		WithWalltime(h.walltime, resolution).
		WithNanotime(h.nanotime, resolution).
		WithNanosleep(h.nanosleep)
	stop := context.AfterFunc(ctx, func() { h.ended.Store(true) })
	defer stop()
	ctx = experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(allocate))
	instance, err := p.runtime.InstantiateModule(ctx, p.compiled, config)
	switch {
	case err != nil && ctx.Err() != nil:
		return simulator.Result{}, ctx.Err()
	case err != nil:
		return simulator.Result{}, h.says.explain(err)
	}
	_ = instance.Close(ctx) // memory only
	var t guest.Told
	if err := json.Unmarshal(out.Bytes(), &t); err != nil {
		return simulator.Result{}, fmt.Errorf("read what the guest tells: %w", err)
	}
	r := t.Story.Unpack()
	r.Engine = "replay"
	if !o.Record {
		r.Record = nil
	}
	if t.Error != "" {
		return r, errors.New(t.Error)
	}
	return r, nil
}
