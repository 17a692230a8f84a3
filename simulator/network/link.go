package network

import (
	"errors"
	"fmt"
	"time"
)

const (
	// Headers is what IP and UDP add to a payload on the wire, in bytes.
	Headers = 28
	// DefaultMTU is the largest packet on the wire of a link that says nothing else, in bytes.
	DefaultMTU = 1500

	minQueue = 64 << 10
	maxRate  = 1e12 // bits/s
)

// Link is one direction of an uplink, or a LAN. The zero Link is perfect: no limit of the rate, no
// delay, no loss. All sizes are in bytes on the wire, so with Headers.
type Link struct {
	// Rate is in bits/s; 0 is unlimited, and then there is no queue.
	Rate int64
	// Latency is how long a packet is under way after its last bit was sent.
	Latency time.Duration
	// Jitter is added to the latency: for each packet anew, uniform in [0, Jitter). Packets stay in
	// order, so one that had a long way holds up those behind it.
	Jitter time.Duration
	// Loss is the probability that a packet is lost after it was sent: it has used the link.
	Loss float64
	// Burst is loss that comes in bursts, on top of Loss.
	Burst Burst
	// Queue bounds what waits, in bytes, without the packet that is being sent; what does not fit is
	// dropped. 0 is 100 ms of the rate, and at least 64 KiB.
	Queue int
	// CoDel drops from the queue as RFC 8289 says, so that packets do not wait for long. Queue still bounds it.
	CoDel bool
	// MTU is the largest packet in bytes; larger ones are dropped. 0 is DefaultMTU.
	MTU int
	// Reorder is the probability that a packet comes ReorderBy later, and others may overtake it.
	Reorder   float64
	ReorderBy time.Duration
	// Duplicate is the probability that a packet arrives twice.
	Duplicate float64
	Duty      Duty
	Budget    Budget
}

// Burst is the Gilbert-Elliott model of loss: a chain of two states that moves once for each packet,
// before the packet is judged. Its mean loss is (R*Good + P*Bad) / (P + R); a stay in the bad state
// lasts 1/R packets in the mean. It begins in the good state. The zero Burst loses nothing.
type Burst struct {
	P float64 // probability of good to bad
	R float64 // probability of bad to good
	// Good and Bad are the probabilities of loss in the two states.
	Good, Bad float64
}

// Duty is when a link is up: for Up in every Every, the first time from Offset after the network's
// start (and, as it repeats, before). What waits or is being sent when the link goes down is lost;
// what was sent arrives. The zero Duty is always up.
type Duty struct {
	Up, Every, Offset time.Duration
}

// Budget is how many bytes a link may carry. With the first packet that does not fit into the rest,
// the link is down: for good, or, if Every is given, until the next multiple of Every since the
// network's start. The zero Budget is unlimited.
type Budget struct {
	Bytes int64
	Every time.Duration
}

// check returns what is wrong with the link; its errors begin with the name of the field.
func (l Link) check() error {
	for _, p := range []struct {
		name string
		v    float64
	}{{"loss", l.Loss}, {"burst p", l.Burst.P}, {"burst r", l.Burst.R}, {"burst loss in good", l.Burst.Good},
		{"burst loss in bad", l.Burst.Bad}, {"reorder", l.Reorder}, {"duplicate", l.Duplicate}} {
		if !(p.v >= 0 && p.v <= 1) { // so not a NaN either
			return fmt.Errorf("%s is %v, want a probability from 0 to 1", p.name, p.v)
		}
	}
	for _, d := range []struct {
		name string
		v    time.Duration
	}{{"latency", l.Latency}, {"jitter", l.Jitter}, {"reorder by", l.ReorderBy}, {"duty up", l.Duty.Up}, {"duty every", l.Duty.Every},
		{"duty offset", l.Duty.Offset}, {"budget every", l.Budget.Every}} {
		if d.v < 0 || d.v > maxTime {
			return fmt.Errorf("%s is %v, want 0 to %v", d.name, d.v, maxTime)
		}
	}
	switch {
	case l.Rate < 0 || l.Rate > maxRate:
		return fmt.Errorf("rate is %d bit/s, want 0 (unlimited) to %d", l.Rate, int64(maxRate))
	case l.Queue < 0:
		return fmt.Errorf("queue is %d bytes, want 0 (by the rate) or more", l.Queue)
	case l.MTU != 0 && (l.MTU <= Headers || l.MTU > maxPacket):
		return fmt.Errorf("mtu is %d bytes, want %d to %d", l.MTU, Headers+1, maxPacket)
	case l.Duty.Up > l.Duty.Every:
		return fmt.Errorf("duty is up for %v in every %v, which is longer", l.Duty.Up, l.Duty.Every)
	case l.Budget.Bytes < 0:
		return fmt.Errorf("budget is %d bytes, want 0 (unlimited) or more", l.Budget.Bytes)
	case l.Budget.Bytes == 0 && l.Budget.Every > 0:
		return errors.New("budget has a period, but no bytes")
	case l.Reorder > 0 && l.ReorderBy == 0:
		return errors.New("reorder has a probability, but not by how much")
	}
	return nil
}

// whole returns the link with its defaults filled in.
func (l Link) whole() Link {
	if l.MTU == 0 {
		l.MTU = DefaultMTU
	}
	if l.Queue == 0 {
		l.Queue = DefaultQueue(l.Rate)
	}
	return l
}

// DefaultQueue is the Queue of a link of a rate that says nothing of it, in bytes.
func DefaultQueue(rate int64) int { return max(minQueue, int(rate/8/10)) }

// sendTime returns how long it takes to send size bytes, rounded up, so that the rate is never exceeded.
func (l *Link) sendTime(size int) time.Duration {
	if l.Rate == 0 {
		return 0
	}
	bits := int64(size) * 8 * int64(time.Second)
	return time.Duration((bits + l.Rate - 1) / l.Rate)
}

// window returns whether the link is up at t, and when it goes down next if it is.
func (d Duty) window(t time.Duration) (up bool, until time.Duration) {
	if d.Up == d.Every { // always; also the zero Duty
		return true, never
	}
	into := (t - d.Offset) % d.Every
	if into < 0 {
		into += d.Every
	}
	return into < d.Up, t - into + d.Up
}
