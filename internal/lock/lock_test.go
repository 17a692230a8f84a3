package lock

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestMutualExclusion(t *testing.T) {
	var m Mutex
	var wg sync.WaitGroup
	n := 0
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				m.Lock()
				n++
				m.Unlock()
			}
		})
	}
	wg.Wait()
	if n != 8000 {
		t.Errorf("%d of 8000 increments counted", n)
	}
}

// TestVirtualTimeGoesOn: a holder that sleeps does not stop a bubble's clock, whoever waits for it.
func TestVirtualTimeGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Mutex
		begin := time.Now()
		m.Lock()
		time.AfterFunc(time.Second, m.Unlock)
		m.Lock()
		if took := time.Since(begin); took != time.Second {
			t.Errorf("waited for %s", took)
		}
		m.Unlock()
	})
}

func TestUnlockOfUnlocked(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("nothing panics")
		}
	}()
	new(Mutex).Unlock()
}

func BenchmarkMutex(b *testing.B) {
	var m Mutex
	n := 0
	for b.Loop() {
		m.Lock()
		n++
		m.Unlock()
	}
}
