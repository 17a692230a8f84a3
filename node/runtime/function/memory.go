package function

import (
	"sync"
	"sync/atomic"

	"github.com/tetratelabs/wazero/experimental"
)

// memories hands instances of one module their memory, and takes it back for the next: a
// request would otherwise cost megabytes of garbage, and a copy each time the memory grows.
// Memory is zeroed before it is handed out again, so no request sees another's. What nobody uses
// is the garbage collector's to free.
type memories struct {
	free sync.Pool    // of *memory
	need atomic.Int64 // bytes: the most that an instance has come to so far
}

var _ experimental.MemoryAllocator = (*memories)(nil)

// Allocate implements experimental.MemoryAllocator. What memory to make room for is known from
// instances before, so the capacity that the module asks for is not needed. limit is the same for all instances.
func (m *memories) Allocate(_, limit uint64) experimental.LinearMemory {
	if mem, ok := m.free.Get().(*memory); ok {
		return mem
	}
	return &memory{owner: m, limit: int(limit)}
}

// memory is one instance's. Invariant: beyond used, all bytes up to buf's capacity are zero.
type memory struct {
	owner *memories
	limit int // bytes
	buf   []byte
	used  int
}

// Reallocate implements experimental.LinearMemory: it returns the memory at a size that is no
// less than before. wazero has held the size to the limit. Programs in C and Rust grow by a page at a time:
// what has to move gets room for half as much again, or most of a request's time would go into copying.
func (m *memory) Reallocate(size uint64) []byte {
	n := int(size)
	if n > cap(m.buf) {
		room := min(cap(m.buf)+cap(m.buf)/2, m.limit)
		bigger := make([]byte, max(n, room, int(m.owner.need.Load())))
		copy(bigger, m.buf[:m.used])
		m.buf = bigger
	}
	m.used = n
	return m.buf[:n:n]
}

// Free implements experimental.LinearMemory.
func (m *memory) Free() {
	for {
		old := m.owner.need.Load()
		if int64(m.used) <= old || m.owner.need.CompareAndSwap(old, int64(m.used)) {
			break
		}
	}
	clear(m.buf[:m.used])
	m.used = 0
	m.owner.free.Put(m)
}
