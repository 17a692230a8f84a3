package mesh

import (
	"context"
	"net"
	"sync/atomic"
)

// outsider is a connection to what is no node. It crosses the uplink.
type outsider struct {
	net.Conn
	host     *Host
	up, down atomic.Int64 // bytes
}

var _ resettable = (*outsider)(nil)

// Outside dials what is no node. What such a connection carries is counted as the uplink's, goes and comes as bulk does,
// and ends when the uplink is held; ErrHeld is in the error's chain if it is so already.
func (h *Host) Outside(ctx context.Context, dial func(context.Context) (net.Conn, error)) (net.Conn, error) {
	if h.Uplink().Held {
		return nil, ErrHeld
	}
	conn, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	o := &outsider{Conn: conn, host: h}
	h.mu.Lock()
	refused := h.closed || h.uplink.Held
	if !refused {
		h.outside[o] = true
	}
	h.mu.Unlock()
	if refused {
		_ = conn.Close() // nothing was sent
		return nil, ErrHeld
	}
	return newBulkStream(o, h.up, h.down, h.ctx.Done(), new(atomic.Int64)), nil
}

// Read implements net.Conn.
func (o *outsider) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	o.down.Add(int64(n))
	return n, err
}

// Write implements net.Conn.
func (o *outsider) Write(p []byte) (int, error) {
	n, err := o.Conn.Write(p)
	o.up.Add(int64(n))
	return n, err
}

// Close implements net.Conn.
func (o *outsider) Close() error {
	h := o.host
	h.mu.Lock()
	if h.outside[o] {
		delete(h.outside, o)
		h.past.add(o.traffic())
	}
	h.mu.Unlock()
	return o.Conn.Close()
}

// Reset ends it: there is nothing that would have to be sent first.
func (o *outsider) Reset() error { return o.Close() }

func (o *outsider) traffic() Traffic {
	return Traffic{UplinkUp: o.up.Load(), UplinkDown: o.down.Load()}
}
