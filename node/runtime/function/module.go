package function

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	wasi "github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"

	"selvage/node/runtime"
)

const (
	pageSize  = 64 << 10 // bytes of a WASM memory page
	maxMemory = 4 << 30  // bytes that 32-bit addresses reach
	entry     = "_start"
)

// module is a compiled program. run may be called from several goroutines at once.
type module struct {
	runtime  wazero.Runtime
	cache    wazero.CompilationCache // nil when machine code is not kept on disk
	compiled wazero.CompiledModule
	args     []string
	rand     io.Reader
	memories memories
}

// compile checks that code is a program that can run within the memory limit, and readies it.
// cacheDir is a directory of the host for machine code; "" keeps it in memory.
func compile(ctx context.Context, code []byte, memory int64, cacheDir string) (_ *module, err error) {
	if !bytes.HasPrefix(code, []byte("\x00asm")) {
		return nil, fmt.Errorf("%w: not a WASM module: begins with %.8q", runtime.ErrInvalid, code[:min(8, len(code))])
	}
	pages := (min(memory, maxMemory) + pageSize - 1) / pageSize
	config := wazero.NewRuntimeConfig().WithMemoryLimitPages(uint32(pages)).WithCloseOnContextDone(true)
	m := &module{rand: rand.Reader}
	if cacheDir != "" {
		if m.cache, err = wazero.NewCompilationCacheWithDir(cacheDir); err != nil {
			return nil, fmt.Errorf("open compilation cache: %w", err)
		}
		config = config.WithCompilationCache(m.cache)
	}
	m.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	if _, err := wasi.Instantiate(ctx, m.runtime); err != nil {
		return nil, fmt.Errorf("prepare WASI: %w", err)
	}
	if m.compiled, err = m.runtime.CompileModule(ctx, code); err != nil {
		return nil, fmt.Errorf("%w: compile WASM: %w", runtime.ErrInvalid, err)
	}
	if err := check(m.compiled, m.runtime.Module(wasi.ModuleName)); err != nil {
		return nil, fmt.Errorf("%w: %w", runtime.ErrInvalid, err)
	}
	return m, m.rehearse(ctx)
}

// check names what a module lacks or wants too much of, where wazero would say it only at the
// first request.
func check(compiled wazero.CompiledModule, system api.Module) error {
	start, found := compiled.ExportedFunctions()[entry]
	if !found {
		return fmt.Errorf("WASM module exports no function %s: build it as a WASI command", entry)
	}
	if len(start.ParamTypes()) != 0 || len(start.ResultTypes()) != 0 {
		return fmt.Errorf("WASM function %s must take and return nothing", entry)
	}
	offered := system.ExportedFunctionDefinitions()
	for _, f := range compiled.ImportedFunctions() {
		from, name, _ := f.Import()
		if from != wasi.ModuleName {
			return fmt.Errorf("WASM module imports %s.%s: only %s is offered", from, name, wasi.ModuleName)
		}
		if offered[name] == nil {
			return fmt.Errorf("WASM module imports %s.%s, which WASI preview 1 does not have", from, name)
		}
	}
	for _, mem := range compiled.ImportedMemories() {
		from, name, _ := mem.Import()
		return fmt.Errorf("WASM module imports the memory %s.%s, which is not offered", from, name)
	}
	return nil
}

// rehearse instantiates the module without calling it, which finds what is left to be wrong:
// imported globals and tables, data beyond the memory, a start section that traps.
func (m *module) rehearse(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, defaultTimeout)
	defer cancel()
	instance, err := m.runtime.InstantiateModule(ctx, m.compiled, m.config(ctx).WithStartFunctions())
	if err != nil {
		return fmt.Errorf("%w: instantiate WASM: %w", runtime.ErrInvalid, err)
	}
	return instance.Close(ctx)
}

// config gives an instance a clock, random bytes, and a sleep that ctx ends; and nothing else.
func (m *module) config(ctx context.Context) wazero.ModuleConfig {
	begun := time.Now()
	return wazero.NewModuleConfig().
		WithName(""). // nameless, so that there can be many
		WithRandSource(m.rand).
		WithWalltime(func() (int64, int32) {
			now := time.Now()
			return now.Unix(), int32(now.Nanosecond())
		}, sys.ClockResolution(time.Microsecond)).
		WithNanotime(func() int64 { return int64(time.Since(begun)) }, sys.ClockResolution(1)).
		WithNanosleep(func(ns int64) {
			timer := time.NewTimer(time.Duration(ns))
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		})
}

// run runs the program once. The error is ctx's when ctx ended it; otherwise it says why the
// program failed, also when what runs it did.
func (m *module) run(ctx context.Context, env map[string]string, stdin io.Reader, stdout, stderr io.Writer) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	ctx = experimental.WithMemoryAllocator(ctx, &m.memories)
	config := m.config(ctx).WithArgs(m.args...).WithStdin(stdin).WithStdout(stdout).WithStderr(stderr)
	for _, k := range slices.Sorted(maps.Keys(env)) {
		config = config.WithEnv(k, env[k])
	}
	instance, err := m.runtime.InstantiateModule(ctx, m.compiled, config.WithStartFunctions(entry))
	if err == nil {
		err = instance.Close(ctx)
	}
	if ctx.Err() != nil { // also of a program that ended well because its sleep was cut short
		return ctx.Err()
	}
	if err == nil {
		return nil
	}
	if exit, ok := errors.AsType[*sys.ExitError](err); ok {
		return fmt.Errorf("exit code %d", exit.ExitCode())
	}
	return fmt.Errorf("trap: %w", err)
}

// close frees the compiled code. No run may be in progress.
func (m *module) close() {
	ctx := context.Background()
	_ = m.runtime.Close(ctx) // closing frees memory and has nothing to flush: it cannot fail usefully
	if m.cache != nil {
		_ = m.cache.Close(ctx)
	}
}
