package gossip

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"time"

	"github.com/hashicorp/memberlist"

	packetframe "selvage/internal/frame"
	"selvage/internal/ident"
)

const (
	maxPacket     = 16 << 10         // bytes; memberlist makes packets of 1,400
	packetTimeout = 5 * time.Second  // to open a packet stream, and to write a packet
	packetIdle    = 10 * time.Minute // after which a member's writer ends until it is needed again
)

// WriteToAddress queues a packet. As packets may be lost, a full queue is not an error.
func (t *transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	id, err := t.find(a)
	if err != nil {
		return time.Time{}, err
	}
	if len(b) > maxPacket {
		return time.Time{}, fmt.Errorf("send packet: %d bytes are more than %d", len(b), maxPacket)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return time.Time{}, errClosed
	}
	queue := t.out[id]
	if queue == nil {
		queue = make(chan []byte, maxOutgoing)
		t.out[id] = queue
		t.wg.Add(1)
		go t.writePackets(id, queue)
	}
	select {
	case queue <- bytes.Clone(b): // it is memberlist's
	default:
	}
	return time.Now(), nil
}

// writePackets writes a member's queue to a stream that is opened when needed.
func (t *transport) writePackets(id ident.NodeID, queue chan []byte) {
	defer t.wg.Done()
	var conn net.Conn
	drop := func() {
		if conn != nil {
			conn.Close()
			conn = nil
		}
	}
	defer drop()
	idle := time.NewTimer(packetIdle)
	defer idle.Stop()
	for {
		select {
		case b := <-queue:
			idle.Reset(packetIdle)
			var err error
			if conn == nil {
				conn, err = t.openPackets(id)
			}
			if err == nil {
				err = writePacket(conn, b)
			}
			if err != nil {
				drop()
			}
		case <-idle.C:
			if t.retire(id, queue) {
				return
			}
			idle.Reset(packetIdle)
		case <-t.ctx.Done():
			return
		}
	}
}

// retire takes a queue away if it is empty.
func (t *transport) retire(id ident.NodeID, queue chan []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(queue) > 0 {
		return false
	}
	delete(t.out, id)
	return true
}

func (t *transport) openPackets(id ident.NodeID) (net.Conn, error) {
	if !t.inSite(id) {
		return nil, errNotMate
	}
	ctx, cancel := context.WithTimeout(t.ctx, packetTimeout)
	defer cancel()
	return t.net.Open(ctx, id, packetProtocol)
}

func writePacket(conn net.Conn, b []byte) error {
	if err := conn.SetWriteDeadline(time.Now().Add(packetTimeout)); err != nil {
		return err
	}
	return packetframe.Write(conn, b)
}

// receivePackets hands a member's packets to memberlist until the stream ends. They are from the
// member that has proven itself, whatever they say.
func (t *transport) receivePackets(from ident.NodeID, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(t.ctx, func() { conn.Close() })()
	addr := net.UDPAddr(*syntheticAddr(from))
	in := bufio.NewReader(conn)
	for {
		b, err := packetframe.Read(in, maxPacket)
		if err != nil || !t.inSite(from) {
			return
		}
		if compressed(b) {
			continue
		}
		select {
		case t.packets <- &memberlist.Packet{Buf: b, From: &addr, Timestamp: time.Now()}:
		default: // memberlist does not keep up; packets may be lost
		}
	}
}
