package patient

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

var least = Pace{Slice: 100, Time: 10 * time.Second}

// speeds are bytes a second, and whether who is patient waits for them.
var speeds = map[int]bool{1000: true, 11: true, 9: false, 1: false}

func TestWrite(t *testing.T) {
	for speed, waited := range speeds {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			sent := bytes.Repeat([]byte("slow"), 250)
			came := make(chan []byte)
			go func() { came <- drink(b, speed) }()
			begun := time.Now()
			err := Write(a, sent, least)
			took := time.Since(begun)
			a.Close()
			switch got := <-came; {
			case waited && (err != nil || !bytes.Equal(got, sent)):
				t.Errorf("%d bytes/s: %d of %d came, %v", speed, len(got), len(sent), err)
			case !waited && (!errors.Is(err, os.ErrDeadlineExceeded) || took > least.Time):
				t.Errorf("%d bytes/s: %v after %v", speed, err, took)
			}
		})
	}
}

// drink reads at a speed until there is no more.
func drink(conn net.Conn, speed int) (got []byte) {
	for b := make([]byte, 1); ; got = append(got, b...) {
		if _, err := io.ReadFull(conn, b); err != nil {
			return got
		}
		time.Sleep(time.Second / time.Duration(speed))
	}
}

func TestReader(t *testing.T) {
	for speed, waited := range speeds {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			sent := bytes.Repeat([]byte("slow"), 250)
			done := make(chan struct{})
			go func() { defer close(done); drip(a, sent, speed) }()
			begun := time.Now()
			got, err := io.ReadAll(NewReader(b, b, least.Always))
			took := time.Since(begun)
			b.Close()
			<-done
			switch {
			case waited && (err != nil || !bytes.Equal(got, sent)):
				t.Errorf("%d bytes/s: %d of %d came, %v", speed, len(got), len(sent), err)
			case !waited && (!errors.Is(err, os.ErrDeadlineExceeded) || took > least.Time):
				t.Errorf("%d bytes/s: %v after %v", speed, err, took)
			}
		})
	}
}

// drip writes at a speed, and closes the connection.
func drip(conn net.Conn, b []byte, speed int) {
	defer conn.Close()
	for i := range b {
		time.Sleep(time.Second / time.Duration(speed))
		if _, err := conn.Write(b[i : i+1]); err != nil {
			return
		}
	}
}
