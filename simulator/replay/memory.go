package replay

import "github.com/tetratelabs/wazero/experimental"

const (
	pageSize = 64 << 10 // bytes of a WASM page

	// maxMemory is what 32-bit addresses reach.
	maxMemory uint64 = 4 << 30
)

// memory is a guest's. Where that can be done, the addresses for all that it may come to are reserved at the
// start, outside of Go's heap, and pages are there when the guest writes to them. By itself wazero would copy all of it
// each time that the guest wants more, and leave the old to our garbage collector, which waits for as long as the guest
// computes, and meanwhile slows it down with signals.
type memory struct {
	buf     []byte
	release func() // nil if buf is in Go's heap
}

var _ experimental.LinearMemory = (*memory)(nil)

func allocate(_, limit uint64) experimental.LinearMemory {
	buf, release, err := reserve(limit)
	if err != nil {
		return new(memory) // it grows in the heap
	}
	return &memory{buf[:0], release}
}

// Reallocate implements experimental.LinearMemory. wazero has held size to the limit.
func (m *memory) Reallocate(size uint64) []byte {
	if had := uint64(cap(m.buf)); size > had {
		bigger := make([]byte, size, max(size, min(2*had, maxMemory)))
		copy(bigger, m.buf)
		m.buf = bigger
	}
	m.buf = m.buf[:size]
	return m.buf
}

// Free implements experimental.LinearMemory.
func (m *memory) Free() {
	m.buf = nil
	if m.release != nil {
		m.release()
		m.release = nil
	}
}
