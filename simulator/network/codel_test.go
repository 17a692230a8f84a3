package network

import (
	"testing"
	"time"
)

// delays returns the mean time that packets waited which left the queue after a time, and how many left.
func (b *bench) delays(since time.Duration) (mean time.Duration, left int) {
	for _, x := range b.exits {
		if x.cause == 0 && x.at >= since {
			mean += x.at - b.link.Latency - x.p.queued - b.link.sendTime(x.p.wire)
			left++
		}
	}
	return mean / time.Duration(max(left, 1)), left
}

// TestCoDelOfASourceThatDoesNotListen sends a ninth more than fits. What CoDel controls is the standing
// queue, the least delay of a while: its law takes some seconds to find the rate of drops, and when the
// queue is gone begins anew, so the mean swings above the target.
func TestCoDelOfASourceThatDoesNotListen(t *testing.T) {
	const end = 40 * time.Second
	run := func(codel bool) (standing, mean time.Duration) {
		b := newBench(Link{Rate: 12e6, CoDel: codel, Queue: 300_000}) // a packet a millisecond
		for at := time.Duration(0); at < end; at += 900 * time.Microsecond {
			b.offer(at, 1500)
		}
		mean, left := b.delays(end / 4)
		if want := int(end * 3 / 4 / ms); left < want*99/100 {
			t.Errorf("codel %v: %d packets went, of %d that fit", codel, left, want)
		}
		return b.standing(end/4, end, 4*time.Second), mean
	}
	if standing, _ := run(false); standing < 190*ms {
		t.Errorf("without codel %v of packets stand in the queue, want 200ms", standing)
	}
	if standing, mean := run(true); standing > codelTarget || mean > 40*ms {
		t.Errorf("with codel %v of packets stand in the queue, want at most %v; they wait %v in the mean", standing, codelTarget, mean)
	}
}

// standing returns the longest of the least delays in each of the periods.
func (b *bench) standing(from, to, period time.Duration) (most time.Duration) {
	for ; from < to; from += period {
		least := never
		for _, x := range b.exits {
			if x.cause == 0 && x.at >= from && x.at < from+period {
				least = min(least, x.at-b.link.Latency-x.p.queued-b.link.sendTime(x.p.wire))
			}
		}
		most = max(most, least)
	}
	return most
}

// TestCoDelOfASourceThatListens has a window that grows by a packet a round trip, and halves when one is lost.
func TestCoDelOfASourceThatListens(t *testing.T) {
	const (
		end       = 60 * time.Second
		roundTrip = 40 * ms // without the queue
	)
	run := func(codel bool) (mean time.Duration, left int) {
		b := newBench(Link{Rate: 12e6, CoDel: codel, Queue: 300_000})
		window, flying, halved, seen := 2.0, 0, time.Duration(0), 0
		var acks events
		for now := time.Duration(0); now < end; {
			for flying < int(window) {
				flying++
				b.offer(now, 1500)
			}
			for ; seen < len(b.exits); seen++ { // what left is known to the sender a round trip later
				x := b.exits[seen]
				acks.push(event{at: x.at + roundTrip, seq: uint64(x.cause), p: x.p})
			}
			if len(acks) == 0 || b.next() < acks[0].at {
				now = b.next()
				b.settle(now)
				continue
			}
			a := acks.pop()
			now, flying = a.at, flying-1
			switch {
			case a.seq == 0:
				window += 1 / window
			case a.p.queued > halved:
				window, halved = max(window/2, 2), now
			}
		}
		return b.delays(end / 4)
	}
	mean, left := run(true)
	if mean > 2*codelTarget {
		t.Errorf("packets wait %v, want about %v", mean, codelTarget)
	}
	if want := int(end * 3 / 4 / ms); left < want*85/100 {
		t.Errorf("%d packets went, of %d that fit", left, want)
	}
	if tail, _ := run(false); tail < 4*mean {
		t.Errorf("packets wait %v without codel, and %v with it", tail, mean)
	}
}
