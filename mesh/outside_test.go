package mesh

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// A connection to what is no node keeps to the uplink's limit, is counted, and ends when the uplink is held.
func TestOutside(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		n := nw.fleet(t, 1)[0]
		defer closeAll(n)
		const limit, size = 50_000, 250_000
		n.SetUplink(Uplink{Down: limit})
		near, far := net.Pipe()
		defer far.Close()
		go func() { _, _ = far.Write(make([]byte, size)) }() // the reader counts
		dial := func(context.Context) (net.Conn, error) { return near, nil }
		conn, err := n.Outside(context.Background(), dial)
		if err != nil {
			t.Fatal(err)
		}
		before, began := n.Traffic().UplinkDown, time.Now()
		if _, err := io.ReadFull(conn, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if got := n.Traffic().UplinkDown - before; got < size {
			t.Errorf("%d bytes were counted", got)
		}
		if took := time.Since(began); !within(int64(took), int64(size/limit*time.Second), 5) {
			t.Errorf("%d bytes took %v", size, took)
		}
		n.SetUplink(Uplink{Held: true})
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("it goes on while the uplink is held")
		}
		if got := n.Traffic().UplinkDown - before; got < size {
			t.Errorf("%d bytes are counted after its end", got)
		}
		if _, err := n.Outside(context.Background(), dial); !errors.Is(err, ErrHeld) {
			t.Errorf("dialled across a held uplink: %v", err)
		}
		n.SetUplink(Uplink{})
		near2, far2 := net.Pipe()
		defer far2.Close()
		last, err := n.Outside(context.Background(), func(context.Context) (net.Conn, error) { return near2, nil })
		if err != nil {
			t.Fatal(err)
		}
		closeAll(n)
		if _, err := last.Read(make([]byte, 1)); err == nil {
			t.Error("it goes on after the host")
		}
	})
}
