package lead

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"selvage/internal/frame"
	"selvage/internal/ident"
	"selvage/ledger/lease"
)

// The protocols are drawn in the package comment.
const (
	protocol        = "/selvage/lease/1"
	witnessProtocol = "/selvage/witness/1"
	maxSite         = 63 // bytes of a site's name
)

// wireTimeout bounds how long a message may take, with its answer: what takes longer is asked anew.
const wireTimeout = 5 * time.Second

// peerMessage is a message with who sent it, as the connection has proved.
type peerMessage struct {
	id      ident.NodeID
	message lease.Message
}

// hears reports whether a node has a say here: one of the site, or a voter.
func (l *Lead) hears(id ident.NodeID) bool {
	if l.cfg.InSite(id) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen.Votes(id)
}

// serve takes a message from a stream, and sends the answer.
func (l *Lead) serve(from ident.NodeID, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(l.ctx, func() { conn.Close() })()
	if !l.hears(from) || conn.SetDeadline(time.Now().Add(wireTimeout)) != nil {
		return
	}
	msg, err := readMessage(conn)
	if err != nil {
		return // it is asked again
	}
	answer := make(chan lease.Message, 1)
	select {
	case l.inbox <- delivery{from: peerMessage{from, msg}, answer: answer}:
	default:
		return // the machine does not keep up
	}
	t := time.NewTimer(wireTimeout)
	defer t.Stop()
	select {
	case a, ok := <-answer:
		if ok {
			_ = writeMessage(conn, a) // it is asked again
		}
	case <-t.C:
	case <-l.ctx.Done():
	}
}

// send sends a message, and has its answer, if there is one, come in as any message. It does not wait. A witness answers, and
// sends nothing else: who has gone before its answer asks again.
func (l *Lead) send(e lease.Envelope) {
	if l.cfg.witness {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flying[e.To] >= maxFly {
		return
	}
	l.flying[e.To]++
	l.wg.Go(func() {
		defer l.landed(e.To)
		l.converse(e)
	})
}

// landed notes that a message is not on its way any more.
func (l *Lead) landed(to ident.NodeID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flying[to]--; l.flying[to] == 0 {
		delete(l.flying, to)
	}
	if len(l.flying) == 0 {
		select {
		case l.quiet <- struct{}{}:
		default:
		}
	}
}

// converse sends a message on a stream, and takes the answer.
func (l *Lead) converse(e lease.Envelope) {
	ctx, cancel := context.WithTimeout(l.ctx, wireTimeout)
	defer cancel()
	conn, err := l.open(ctx, e.To)
	if err != nil {
		return // it is asked again
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if writeMessage(conn, e.Message) != nil || !e.Message.Kind.Asks() {
		return
	}
	answer, err := readMessage(conn)
	if err != nil {
		return
	}
	select {
	case l.inbox <- delivery{from: peerMessage{e.To, answer}}:
	default: // the machine does not keep up
	}
}

// open opens a stream to another voter. A witness has to be told whose lease it is about: it may vote for several sites, and this
// node for its own.
func (l *Lead) open(ctx context.Context, to ident.NodeID) (net.Conn, error) {
	name := protocol
	if !l.cfg.InSite(to) {
		name = witnessProtocol
	}
	conn, err := l.cfg.Network.Open(ctx, to, name)
	if err != nil {
		return nil, err
	}
	if err = conn.SetDeadline(time.Now().Add(wireTimeout)); err == nil && name == witnessProtocol {
		err = frame.Write(conn, []byte(l.cfg.Site))
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// flush waits for the messages that are on their way to leave.
func (l *Lead) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushFor)
	defer cancel()
	for {
		l.mu.Lock()
		n := len(l.flying)
		l.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-l.quiet:
		case <-ctx.Done():
			return
		}
	}
}

func writeMessage(w io.Writer, m lease.Message) error {
	data, err := m.Encode()
	if err != nil {
		return err
	}
	return frame.Write(w, data)
}

func readMessage(r io.Reader) (lease.Message, error) {
	data, err := frame.Read(r, lease.MaxEncoded)
	if err != nil {
		return lease.Message{}, fmt.Errorf("receive lease message: %w", err)
	}
	return lease.DecodeMessage(data)
}
