package replay

import (
	"bytes"
	"testing"

	"github.com/tetratelabs/wazero/experimental"
)

// TestMemory: what is written stays as it grows, and what is new is zero, wherever the memory is.
func TestMemory(t *testing.T) {
	const limit = 1 << 22
	for where, m := range map[string]experimental.LinearMemory{"reserved": allocate(0, limit), "in the heap": new(memory)} {
		t.Run(where, func(t *testing.T) {
			var want []byte
			for size := uint64(pageSize); size <= limit; size *= 4 {
				got := m.Reallocate(size)
				want = append(want, make([]byte, int(size)-len(want))...)
				if !bytes.Equal(got, want) {
					t.Fatalf("at %d bytes it is not what was written", size)
				}
				got[size-1], want[size-1] = 1, 1
			}
			m.Free()
		})
	}
}
