package replay

import (
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero/sys"

	"selvage/simulator"
)

const (
	epoch      = 946684800             // when the guest's clock starts, Unix time: 2000, as that of a synctest bubble
	tick       = 10 * time.Microsecond // that goes by each time the clock is read
	resolution = sys.ClockResolution(tick)
)

// host is all that one run of the guest knows of the world. The guest's goroutine alone calls it.
type host struct {
	ended atomic.Bool // the guest shall end; anybody may set it
	now   time.Duration
	rand  *rand.ChaCha8
	says  stderr

	// How often the guest has read the clock, and how many bytes it has drawn. It does so at every turn, so
	// two runs that agree in both are most likely the same.
	read, drawn int64
}

func newHost(seed uint64, progress func(simulator.Progress)) *host {
	return &host{rand: randomness(seed), says: stderr{progress: progress}}
}

// randomness is as the simulator's own: a source for one purpose.
func randomness(seed uint64) *rand.ChaCha8 {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	copy(key[8:], "replay")
	return rand.NewChaCha8(key)
}

// Read gives random bytes.
func (h *host) Read(b []byte) (int, error) {
	h.drawn += int64(len(b))
	return h.rand.Read(b)
}

// nanotime is the guest's monotonic clock. It also is where a guest ends that shall: a host function that
// panics unwinds it.
func (h *host) nanotime() int64 {
	if h.ended.Load() {
		panic(sys.NewExitError(sys.ExitCodeContextCanceled))
	}
	h.read++
	h.now += tick
	return int64(h.now)
}

func (h *host) walltime() (sec int64, nsec int32) {
	t := time.Unix(epoch, h.nanotime())
	return t.Unix(), int32(t.Nanosecond())
}

// nanosleep takes no time that is not the guest's.
func (h *host) nanosleep(ns int64) {
	h.nanotime()
	h.now += time.Duration(max(0, ns))
}
