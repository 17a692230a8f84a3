package mesh

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// spent counts what takers get out of a bucket in a time.
func spent(b *bucket, takers int, d time.Duration) []int64 {
	counts := make([]int64, takers)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range takers {
		wg.Go(func() {
			for n := b.slice(1 << 20); b.take(n, nil, stop, nil) == nil; n = b.slice(1 << 20) {
				atomic.AddInt64(&counts[i], int64(n))
			}
		})
	}
	time.Sleep(d)
	close(stop)
	wg.Wait()
	return counts
}

func sum(counts []int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

func within(got, want int64, percent float64) bool {
	return float64(got) >= float64(want)*(1-percent/100) && float64(got) <= float64(want)*(1+percent/100)
}

func TestBucketKeepsItsLimit(t *testing.T) {
	for _, limit := range []int64{20_000, 250_000, 1_000_000, 12_500_000} {
		for _, takers := range []int{1, 7} {
			t.Run(fmt.Sprintf("%d bytes a second, %d streams", limit, takers), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					counts := spent(newBucket(limit), takers, 10*time.Second)
					if got := sum(counts); !within(got, 10*limit, 3) {
						t.Errorf("%d bytes in 10 s", got)
					}
					for _, c := range counts {
						if !within(c, 10*limit/int64(takers), 10) {
							t.Errorf("shares are %v", counts)
						}
					}
				})
			})
		}
	}
}

func TestBucketBurstIsSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(1_000_000)
		time.Sleep(time.Hour) // saves up no more than its bound
		if got := sum(spent(b, 3, time.Second)); !within(got, 1_000_000, 6) {
			t.Errorf("%d bytes in the second after an idle hour", got)
		}
	})
}

func TestBucketControlGoesAheadOfBulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(100_000)
		begin := time.Now()
		b.debit(200_000) // two seconds' worth
		if time.Since(begin) != 0 {
			t.Error("control waited")
		}
		if err := b.take(1200, nil, nil, nil); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begin); d < 1900*time.Millisecond || d > 2100*time.Millisecond {
			t.Errorf("bulk waited %v for two seconds' worth of control", d)
		}
		b.debit(1 << 30)
		begin = time.Now()
		if err := b.take(1200, nil, nil, nil); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begin); d > debtTime+time.Second {
			t.Errorf("bulk was starved for %v", d)
		}
	})
}

// controlled has n bytes of control go every 100 ms until stop, which returns how many went.
func controlled(b *bucket, n int) (stop func() int64) {
	var control sync.WaitGroup
	var went int64
	end := make(chan struct{})
	control.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				b.debit(n)
				went += int64(n)
			}
		}
	})
	return func() int64 {
		close(end)
		control.Wait()
		return went
	}
}

// Control that goes on needing more than the limit has the limit exceeded; bulk goes on.
func TestBucketControlDoesNotStarveBulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(1000)
		stop := controlled(b, 200) // twice the limit
		time.Sleep(time.Minute)
		for i := range 5 {
			begin, late := time.Now(), make(chan struct{})
			timer := time.AfterFunc(3*debtTime, func() { close(late) })
			if err := b.take(1200, nil, nil, late); err != nil {
				t.Errorf("slice %d of bulk: %v after %v", i, err, time.Since(begin))
			}
			timer.Stop()
		}
		stop()
	})
}

// Control that needs less than the limit, for however long, has bulk keep to the rest.
func TestBucketControlAndBulkKeepTheLimit(t *testing.T) {
	for _, limit := range []int64{100, 1000, 100_000} { // of the first, a slice of bulk is worth more than debtTime
		synctest.Test(t, func(t *testing.T) {
			b := newBucket(limit)
			stop := controlled(b, int(limit)*7/100)
			bulk := sum(spent(b, 3, 10*time.Minute))
			if went := stop(); !within(bulk+went, 600*limit, 6) {
				t.Errorf("limit %d: %d bytes of bulk and %d of control in ten minutes", limit, bulk, went)
			}
		})
	}
}

func TestBucketLimitChangesForThoseWhoWait(t *testing.T) {
	for name, limit := range map[string]int64{"raised": 1_000_000, "lifted": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBucket(10)
				b.charge(1200) // two minutes' worth
				done := make(chan time.Duration)
				go func() {
					begin := time.Now()
					_ = b.take(1200, nil, nil, nil)
					done <- time.Since(begin)
				}()
				time.Sleep(time.Second)
				b.set(limit)
				if d := <-done; d > 1100*time.Millisecond {
					t.Errorf("waited for %v", d)
				}
			})
		})
	}
}

func TestBucketWaitIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, closed := newBucket(10), make(chan struct{})
		close(closed)
		late := newDeadline()
		late.set(time.Now().Add(time.Second))
		b.charge(math.MaxInt32)
		if err := b.take(1, closed, nil, nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
		if err := b.take(1, nil, closed, nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("gone: %v", err)
		}
		begin := time.Now()
		if err := b.take(1, nil, nil, late.done()); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("deadline: %v after %v", err, time.Since(begin))
		}
	})
}

func TestBucketWithoutLimitIsFree(t *testing.T) {
	b := newBucket(-5)
	if n := testing.AllocsPerRun(100, func() {
		b.debit(1 << 20)
		b.charge(1 << 20)
		if b.slice(1<<30) != 1<<30 || b.take(1<<30, nil, nil, nil) != nil {
			t.Error("no limit limits")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeadline()
		for _, step := range []struct {
			in   time.Duration // 0: none
			wait time.Duration
			want bool
		}{
			{time.Second, 500 * time.Millisecond, false},
			{time.Second, 1100 * time.Millisecond, true},
			{0, time.Hour, false},
			{-time.Second, 0, true},
			{-time.Second, 0, true},
			{time.Minute, time.Second, false},
			{0, time.Hour, false},
			{time.Millisecond, time.Second, true},
			{time.Second, 0, false},
		} {
			var at time.Time
			if step.in != 0 {
				at = time.Now().Add(step.in)
			}
			d.set(at)
			time.Sleep(step.wait)
			synctest.Wait()
			if got := isClosed(d.done()); got != step.want {
				t.Errorf("%v after setting it to %v: passed is %v", step.wait, step.in, got)
			}
		}
		d.stop()
	})
}

// pump writes to a peer until its deadline, and returns how much of it arrived and how long it took.
func pump(t *testing.T, from, to *testNode, protocol string, size int) time.Duration {
	t.Helper()
	c, err := from.Open(context.Background(), to.self, protocol)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() { _, _ = c.Write(make([]byte, size)) }()
	begin, got := time.Now(), 0
	for buf := make([]byte, 256<<10); got < size; {
		n, err := c.Read(buf)
		if got += n; err != nil {
			t.Errorf("after %d bytes: %v", got, err)
			break
		}
	}
	return time.Since(begin)
}

func TestUplinkIsShaped(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		a, b := start(t, nw.config("a", "s1", "10.0.0.1")), start(t, nw.config("b", "s2", "10.0.0.2"))
		mate := start(t, nw.config("c", "s1", "10.0.0.3"))
		meet(t, a, b)
		meet(t, a, mate)
		size := 4_000_000
		for _, c := range []struct {
			name     string
			uplink   Uplink
			protocol string
			to       *testNode
			want     time.Duration // 0: soon
		}{
			{"up", Uplink{Up: 1_000_000}, bulkProtocol, b, 4 * time.Second},
			{"down", Uplink{Down: 500_000}, bulkProtocol, b, 8 * time.Second},
			{"lifted", Uplink{}, bulkProtocol, b, 0},
			{"control", Uplink{Up: 1000, Down: 1000}, echoProtocol, b, 0},
			{"lan", Uplink{Up: 1000, Down: 1000}, bulkProtocol, mate, 0},
		} {
			a.SetUplink(c.uplink)
			took := pump(t, a, c.to, c.protocol, size)
			if c.want == 0 && took > 2*time.Second || c.want != 0 && !within(took.Milliseconds(), c.want.Milliseconds(), 6) {
				t.Errorf("%s: %d bytes took %v, want %v", c.name, size, took, c.want)
			}
		}
		closeAll(a, b, mate)
	})
}

func TestShapedStreamKeepsDeadlinesAndCloses(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		a, b := start(t, nw.config("a", "s1", "10.0.0.1")), start(t, nw.config("b", "s2", "10.0.0.2"))
		a.SetUplink(Uplink{Up: 1000, Down: 1000})
		meet(t, a, b)
		open := func() net.Conn {
			c, err := a.Open(context.Background(), b.self, bulkProtocol)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		c, begin := open(), time.Now()
		if err := c.SetDeadline(begin.Add(3 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := c.Write(make([]byte, 1<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || n > 10_000 || time.Since(begin) > 3100*time.Millisecond {
			t.Errorf("wrote %d bytes until %v after %v", n, err, time.Since(begin))
		}
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%v is no timeout", err)
		}
		if _, err := c.Read(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read after the deadline: %v", err)
		}
		c.Close()
		c = open()
		time.AfterFunc(time.Second, func() { c.Close() })
		if _, err := c.Write(make([]byte, 1<<20)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write to a closed stream: %v", err)
		}
		c = open()
		time.AfterFunc(time.Second, func() { b.stop() })
		if _, err := c.Write(make([]byte, 1<<20)); err == nil || time.Since(begin) > time.Minute {
			t.Errorf("write over a closed connection: %v after %v", err, time.Since(begin))
		}
		c.Close()
		closeAll(a, b)
	})
}

func TestWhatWaitsForTheUplinkIsWoken(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		a, b := start(t, nw.config("a", "s1", "10.0.0.1")), start(t, nw.config("b", "s2", "10.0.0.2"))
		meet(t, a, b)
		c, err := a.Open(context.Background(), b.self, bulkProtocol)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("here and back")); err != nil {
			t.Fatal(err)
		}
		a.SetUplink(Uplink{Up: 10, Down: 10})
		a.up.charge(1 << 20)
		a.down.charge(1 << 20)
		begin := time.Now()
		time.AfterFunc(time.Second, func() { _ = c.SetReadDeadline(time.Now()) })
		if _, err := c.Read(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("read: %v after %v", err, time.Since(begin))
		}
		time.AfterFunc(time.Second, func() { _ = c.SetWriteDeadline(time.Now()) })
		if _, err := c.Write(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != 2*time.Second {
			t.Errorf("write: %v after %v", err, time.Since(begin))
		}
		if err := c.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { a.SetUplink(Uplink{}) })
		if n, err := c.Read(make([]byte, 10)); n != 10 || err != nil || time.Since(begin) > 3100*time.Millisecond {
			t.Errorf("the limit was lifted: %d bytes, %v after %v", n, err, time.Since(begin))
		}
		a.SetUplink(Uplink{Up: 10, Down: 10})
		a.up.charge(1 << 20)
		time.AfterFunc(time.Second, func() { _ = c.(interface{ Reset() error }).Reset() })
		if _, err := c.Write(make([]byte, 10)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write to a stream that was reset: %v", err)
		}
		if a.Uplink() != (Uplink{Up: 10, Down: 10}) {
			t.Errorf("the uplink is %+v", a.Uplink())
		}
		closeAll(a, b)
	})
}

// closeAll closes nodes within their bubble.
func closeAll(all ...*testNode) {
	for _, n := range all {
		n.stop()
	}
}

// TestDeadlineAfterStop: a reader may set a deadline on a stream that was just closed beside it.
func TestDeadlineAfterStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeadline()
		d.set(time.Now().Add(time.Hour))
		d.stop()
		d.stop()
		d.set(time.Now().Add(time.Second)) // hung
		<-d.done()
		d.stop()
		d.set(time.Time{})
		if isClosed(d.done()) {
			t.Error("no deadline has passed")
		}
	})
}

// Who takes waits while all are held, with a limit or without, and goes on at once after it.
func TestBucketHeld(t *testing.T) {
	for _, limit := range []int64{0, 50_000} {
		synctest.Test(t, func(t *testing.T) {
			b := newBucket(limit)
			b.hold(true)
			began := time.Now()
			time.AfterFunc(3*time.Hour, func() { b.hold(false) })
			if err := b.take(1000, nil, nil, nil); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took != 3*time.Hour {
				t.Errorf("limit %d: it waited %v", limit, took)
			}
			b.hold(true)
			b.debit(1000)
			late := make(chan struct{})
			time.AfterFunc(time.Minute, func() { close(late) })
			if err := b.take(1000, nil, nil, late); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("limit %d: after its deadline: %v", limit, err)
			}
		})
	}
}
