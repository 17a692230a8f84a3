package network

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestWire: a link by itself does what it says, in this order.
func TestWire(t *testing.T) {
	for what, c := range map[string]struct {
		link Link
		send []int
		want []time.Duration // when they come out
	}{
		"perfect": {Link{}, []int{100, 1500}, []time.Duration{0, 0}},
		"late":    {Link{Latency: 20 * time.Millisecond}, []int{100, 1500}, []time.Duration{20 * time.Millisecond, 20 * time.Millisecond}},
		"slow":    {Link{Rate: 8e6, Latency: time.Millisecond}, []int{1000, 1000}, []time.Duration{2 * time.Millisecond, 3 * time.Millisecond}},
		"short":   {Link{Rate: 8e6, Queue: 1000}, []int{1000, 1000, 1000}, []time.Duration{time.Millisecond, 2 * time.Millisecond}},
		"narrow":  {Link{MTU: 1000}, []int{1001, 1000}, []time.Duration{0}},
		"lossy":   {Link{Loss: 1}, []int{100}, nil},
		"twice":   {Link{Duplicate: 1, Latency: time.Second}, []int{100}, []time.Duration{time.Second, time.Second}},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var mu sync.Mutex
				var got []time.Duration
				w, err := NewWire(c.link, start, rand.NewPCG(1, 2), func([]byte) {
					mu.Lock()
					defer mu.Unlock()
					got = append(got, time.Since(start))
				})
				if err != nil {
					t.Fatal(err)
				}
				for _, n := range c.send {
					w.Send(make([]byte, n))
				}
				time.Sleep(time.Minute)
				w.Close()
				if !slices.Equal(got, c.want) {
					t.Errorf("came out after %v, want %v", got, c.want)
				}
				if w.flying != 0 {
					t.Errorf("%d bytes are still under way", w.flying)
				}
			})
		})
	}
}

// TestWireSet: what is changed goes for what comes then.
func TestWireSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var got []time.Duration
		w, err := NewWire(Link{Latency: time.Second}, start, rand.NewPCG(1, 2), func([]byte) { got = append(got, time.Since(start)) })
		if err != nil {
			t.Fatal(err)
		}
		w.Send([]byte("slow"))
		if err := w.Set(Link{Latency: -1}); err == nil {
			t.Error("took a latency that is none")
		}
		if err := w.Set(Link{Latency: 3 * time.Second}); err != nil {
			t.Error(err)
		}
		w.Send([]byte("slower"))
		time.Sleep(time.Minute)
		if c := w.Counters(); c.Packets != 2 || c.Bytes != 10 {
			t.Errorf("counted %+v", c)
		}
		w.Close()
		w.Close()
		w.Send([]byte("late"))
		if want := []time.Duration{time.Second, 3 * time.Second}; !slices.Equal(got, want) {
			t.Errorf("came out after %v, want %v", got, want)
		}
	})
}
