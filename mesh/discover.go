package mesh

import (
	"slices"
	"time"
)

// A machine's addresses come and go. This is how often a host looks whether it has others to
// announce, and how long, at most, it waits to try again what failed.
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
	wait := discoverPeriod
	for {
		if addrs := h.Addrs(); !slices.Equal(addrs, announced) || stop == nil {
			if stop != nil {
				stop()
			}
			var err error
			stop, err = h.cfg.Discovery.Start(h.self, addrs, h.learnNear)
			announced = addrs
			switch {
			case err == nil:
				wait = discoverPeriod
			case failed == nil:
				h.log.Info("mesh: no discovery on the LAN", "err", err)
			default:
				wait = min(2*wait, discoverRetry)
			}
			failed = err
		}
		t := time.NewTimer(wait)
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
