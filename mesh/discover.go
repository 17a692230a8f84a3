package mesh

import (
	"slices"
	"time"
)

// A machine's addresses come and go. This is how often a host looks whether it has others to
// announce, and how long, at most, it waits to try again what failed at the same ones.
const (
	discoverPeriod = 30 * time.Second
	discoverRetry  = time.Hour
)

// discover keeps the host announced at the addresses that it has. A machine without multicast is no
// reason not to run.
func (h *Host) discover() {
	var announced []string
	var stop func()
	var failed error
	var next time.Time // no try before, unless at other addresses
	wait := discoverPeriod
	for {
		addrs := h.Addrs()
		moved := !slices.Equal(addrs, announced)
		if moved || stop == nil && !time.Now().Before(next) {
			if stop != nil {
				stop()
			}
			var err error
			stop, err = h.cfg.Discovery.Start(h.self, addrs, h.learnNear)
			announced = addrs
			if err != nil && failed == nil {
				h.log.Info("mesh: no discovery on the LAN", "err", err)
			}
			if moved || err == nil || failed == nil {
				wait = discoverPeriod
			} else {
				wait = min(2*wait, discoverRetry)
			}
			failed, next = err, time.Now().Add(wait)
		}
		t := time.NewTimer(discoverPeriod)
		select {
		case <-t.C:
		case <-h.ctx.Done():
			t.Stop()
			if stop != nil {
				stop()
			}
			return
		}
	}
}
