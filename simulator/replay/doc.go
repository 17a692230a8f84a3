// Package replay is the engine that plays a story the same way every time: one seed, one trace, byte for byte.
//
// # How
//
// It runs the simulator itself, compiled to WASM (cmd/selvage-replay, the guest), inside wazero. Such a
// program has one thread, which nothing interrupts, and addresses that begin at zero; and all that it learns of
// the world its host tells it:
//
//	randomness  a ChaCha8 stream from the scenario's seed: keys of TLS and QUIC, order of maps, gossip's dice,
//	            the Go scheduler's
//	clock       ten microseconds go by each time it is read, none otherwise. The story has virtual time of its
//	            own; only the Go runtime reads this one, to pace its garbage collector and its timers
//	stdin       the scenario
//
// and no arguments, environment, files or sockets. So what it does follows from the scenario and the guest. Another
// build of the guest is another program: it may tell another story of the same seed. The machine plays no part.
//
// # What it costs
//
// The guest is some ten times slower than the native engine: SHA-256, ChaCha20 and Ed25519 have no assembly there, and
// all nodes share one thread. It has the 4 GiB of memory that 32-bit addresses reach; a story that needs more ends with
// ErrMemory. wazero compiles the guest to machine code when it is first played, which takes tens of seconds
// of one core, and keeps that in the user's cache directory: see keep.
//
// # What it is not
//
// It is no sandbox against a hostile guest: a guest that never reads the clock cannot be stopped, while ours reads it
// whenever it turns from one goroutine to another.
package replay
