package function

import "bytes"

// What follows writes WASM modules byte by byte; each use shows the text form in a comment.
// Section numbers are those of the WebAssembly core specification, section 5.5.

const (
	secType   = 1
	secImport = 2
	secFunc   = 3
	secMemory = 5
	secExport = 7
	secStart  = 8
	secCode   = 10
	secData   = 11
)

func wasm(sections ...[]byte) []byte {
	return append([]byte("\x00asm\x01\x00\x00\x00"), bytes.Join(sections, nil)...)
}

// uleb is the variable-length form of an unsigned number.
func uleb(n int) []byte {
	var b []byte
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// vector writes a count and its items; sized writes a length and its bytes.
func vector(items ...[]byte) []byte { return append(uleb(len(items)), bytes.Join(items, nil)...) }
func sized(b []byte) []byte         { return append(uleb(len(b)), b...) }

func section(id byte, items ...[]byte) []byte {
	return append([]byte{id}, sized(vector(items...))...)
}

// startSection names the function that runs at instantiation; it is no vector.
func startSection(function byte) []byte { return []byte{secStart, 1, function} }

func importFunc(from, name string, typ byte) []byte {
	return bytes.Join([][]byte{sized([]byte(from)), sized([]byte(name)), {0x00, typ}}, nil)
}

func exportFunc(name string, index byte) []byte {
	return append(sized([]byte(name)), 0x00, index)
}

// body is a function without locals.
func body(code ...byte) []byte { return sized(append(append([]byte{0x00}, code...), 0x0b)) }

// data puts bytes at address 0.
func data(b []byte) []byte { return append([]byte{0x00, 0x41, 0x00, 0x0b}, sized(b)...) }

var voidType = []byte{0x60, 0, 0} // (func)

// command is (module (func (export "_start") CODE)).
func command(code ...byte) []byte {
	return wasm(section(secType, voidType), section(secFunc, []byte{0}),
		section(secExport, exportFunc(entry, 0)), section(secCode, body(code...)))
}

var (
	// (module)
	moduleEmpty = wasm()

	// (module (func (export "_start") (param i32)))
	moduleParam = wasm(section(secType, []byte{0x60, 1, 0x7f, 0}), section(secFunc, []byte{0}),
		section(secExport, exportFunc(entry, 0)), section(secCode, body()))

	// (module (func (export "_start")))
	moduleSilent = command()

	// (module (func (export "_start") unreachable))
	moduleTrap = command(0x00)

	// (module (func (export "_start") (loop br 0)))
	moduleLoop = command(0x03, 0x40, 0x0c, 0x00, 0x0b)

	// (module (func $f (export "_start") unreachable) (start $f))
	moduleStartTrap = wasm(section(secType, voidType), section(secFunc, []byte{0}),
		section(secExport, exportFunc(entry, 0)), startSection(0), section(secCode, body(0x00)))

	// (module (memory 65536) (func (export "_start")))
	moduleBig = wasm(section(secType, voidType), section(secFunc, []byte{0}),
		section(secMemory, append([]byte{0x00}, uleb(65536)...)),
		section(secExport, exportFunc(entry, 0)), section(secCode, body()))

	// (module (memory 1) (func (export "_start")
	//   (if (i32.eq (memory.grow (i32.const 65535)) (i32.const -1)) (then unreachable))))
	moduleGrow = wasm(section(secType, voidType), section(secFunc, []byte{0}),
		section(secMemory, []byte{0x00, 1}),
		section(secExport, exportFunc(entry, 0)),
		section(secCode, body(0x41, 0xff, 0xff, 0x03, 0x40, 0x00, 0x41, 0x7f, 0x46, 0x04, 0x40, 0x00, 0x0b)))

	// (module (import "env" "f" (func)) (func (export "_start")))
	moduleForeign = importing("env", "f")

	// (module (import "wasi_snapshot_preview1" "fd_teleport" (func)) (func (export "_start")))
	moduleFuture = importing("wasi_snapshot_preview1", "fd_teleport")

	// (module (import "env" "memory" (memory 1)) (func (export "_start")))
	moduleForeignMemory = wasm(section(secType, voidType),
		section(secImport, bytes.Join([][]byte{sized([]byte("env")), sized([]byte("memory")), {0x02, 0x00, 1}}, nil)),
		section(secFunc, []byte{0}), section(secExport, exportFunc(entry, 0)), section(secCode, body()))

	// (module (import "wasi_snapshot_preview1" "fd_write" (func $w (param i32 i32 i32 i32) (result i32)))
	//   (memory 2) (data (i32.const 0) "\10\00\00\00\ff\ff\00\00")    ;; 65535 bytes at 16
	//   (func (export "_start") (loop
	//     (br_if 0 (i32.eqz (call $w (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))))
	moduleFlood = calling("fd_write", []byte{0x10, 0, 0, 0, 0xff, 0xff, 0, 0},
		0x03, 0x40, 0x41, 1, 0x41, 0, 0x41, 1, 0x41, 8, 0x10, 0, 0x45, 0x0d, 0, 0x0b)

	// (module (import "wasi_snapshot_preview1" "poll_oneoff" (func $p (param i32 i32 i32 i32) (result i32)))
	//   (memory 2) (data (i32.const 0) ...)    ;; a subscription to the monotonic clock, one hour on
	//   (func (export "_start") (drop (call $p (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 56)))))
	moduleSleep = calling("poll_oneoff", []byte{
		0, 0, 0, 0, 0, 0, 0, 0, // userdata
		0, 0, 0, 0, 0, 0, 0, 0, // tag: clock
		1, 0, 0, 0, 0, 0, 0, 0, // id: monotonic
		0x00, 0xa0, 0xb8, 0x30, 0x46, 0x03, 0, 0, // timeout: 3600 s in ns
		0, 0, 0, 0, 0, 0, 0, 0, // precision
		0, 0, 0, 0, 0, 0, 0, 0, // flags: relative
	}, 0x41, 0, 0x41, 0xc0, 0x00, 0x41, 1, 0x41, 56, 0x10, 0, 0x1a)
)

// talkative prints 1000 bytes to standard error, twice, traps if it cannot, and answers:
//
//	(module (import "wasi_snapshot_preview1" "fd_write" (func $w (param i32 i32 i32 i32) (result i32)))
//	  (memory 2) (data (i32.const 0) ...)    ;; 1000 bytes at 32; at 16, those of the answer alone
//	  (func (export "_start")
//	    (if (call $w (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))    ;; twice
//	    (drop (call $w (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 8)))))
func talkative() []byte {
	const answer = "Status: 204\n\n"
	memory := append([]byte{32, 0, 0, 0, 0xe8, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0, 0, byte(len(answer)), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, answer...)
	say := []byte{0x41, 2, 0x41, 0, 0x41, 1, 0x41, 8, 0x10, 0, 0x04, 0x40, 0x00, 0x0b}
	return calling("fd_write", memory, bytes.Join([][]byte{say, say, {0x41, 1, 0x41, 16, 0x41, 1, 0x41, 8, 0x10, 0, 0x1a}}, nil)...)
}

func importing(from, name string) []byte {
	return wasm(section(secType, voidType), section(secImport, importFunc(from, name, 0)), section(secFunc, []byte{0}),
		section(secExport, exportFunc(entry, 1)), section(secCode, body()))
}

// calling is a command that may call one WASI function of four numbers, as function 0.
func calling(name string, memory []byte, code ...byte) []byte {
	return wasm(
		section(secType, voidType, []byte{0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 1, 0x7f}),
		section(secImport, importFunc("wasi_snapshot_preview1", name, 1)),
		section(secFunc, []byte{0}),
		section(secMemory, []byte{0x00, 2}),
		section(secExport, exportFunc(entry, 1)),
		section(secCode, body(code...)),
		section(secData, data(memory)))
}
