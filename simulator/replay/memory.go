package replay

import "github.com/tetratelabs/wazero/experimental"

const (
	pageSize = 64 << 10 // bytes of a WASM page

	// maxMemory is what 32-bit addresses reach.
	maxMemory uint64 = 4 << 30

	// minMemory is taken at once; pages that the guest does not write to cost nothing.
	minMemory uint64 = 1 << 30
)

// memory is a guest's. It doubles: wazero by itself would copy all of it each time that the guest wants a
// little more, and leave the rest to our garbage collector, which for as long as a guest computes waits for it, and
// slows it down with signals.
type memory struct {
	buf []byte
	max uint64
}

var _ experimental.LinearMemory = (*memory)(nil)

func allocate(_, limit uint64) experimental.LinearMemory { return &memory{max: limit} }

// Reallocate implements experimental.LinearMemory. wazero has held size to the limit.
func (m *memory) Reallocate(size uint64) []byte {
	if had := uint64(cap(m.buf)); size > had {
		bigger := make([]byte, size, min(max(size, 2*had, minMemory), max(size, m.max)))
		copy(bigger, m.buf)
		m.buf = bigger
	}
	m.buf = m.buf[:size]
	return m.buf
}

// Free implements experimental.LinearMemory.
func (m *memory) Free() { m.buf = nil }
