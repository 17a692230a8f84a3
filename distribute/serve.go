package distribute

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"selvage/distribute/planner"
	"selvage/distribute/store"
	"selvage/internal/ident"
)

// idleTimeout ends a served stream on which nothing was asked for a while.
const idleTimeout = 2 * time.Minute

var runBuffers = sync.Pool{New: func() any { return new([1 + MaxRun]byte) }}

// readDigest reads which blob a stream is about.
func (s *Swarm) readDigest(conn net.Conn) (*store.Object, error) {
	if err := conn.SetReadDeadline(time.Now().Add(askTimeout)); err != nil {
		return nil, err
	}
	var d Digest
	if _, err := io.ReadFull(conn, d[:]); err != nil {
		return nil, err
	}
	o, ok := s.cfg.Store.Object(d)
	if !ok {
		return nil, store.ErrMissing
	}
	return o, nil
}

func (s *Swarm) serveHolder(_ ident.NodeID, conn net.Conn) {
	defer conn.Close()
	answer := []byte{2}
	var have int64
	if o, err := s.readDigest(conn); err == nil {
		info := o.Info()
		have = info.Have
		switch {
		case info.Complete:
			answer[0] = 0
		case have > 0:
			answer[0] = 1
		}
	} else if !errors.Is(err, store.ErrMissing) {
		return
	}
	s.answer(conn, binary.BigEndian.AppendUint64(answer, uint64(have)))
}

func (s *Swarm) serveDAG(_ ident.NodeID, conn net.Conn) {
	defer conn.Close()
	o, err := s.readDigest(conn)
	var nodes []byte
	if err == nil {
		nodes, err = o.Nodes()
	}
	if err != nil {
		s.answer(conn, []byte{statusMissing})
		return
	}
	s.answer(conn, append([]byte{statusOK}, nodes...))
}

// answer writes in slices, each with a deadline of its own: the reader may be slow, but not stuck.
func (s *Swarm) answer(conn net.Conn, b []byte) {
	const slice = 64 << 10
	for len(b) > 0 && s.ctx.Err() == nil {
		n := min(len(b), slice)
		if conn.SetWriteDeadline(time.Now().Add(patience)) != nil {
			return
		}
		if _, err := conn.Write(b[:n]); err != nil {
			return
		}
		b = b[n:]
	}
}

// serveFetch answers requests for chunks in order. What a peer may ask for at a time is bounded:
// one that asks for more is left to wait.
func (s *Swarm) serveFetch(from ident.NodeID, conn net.Conn) {
	defer reset(conn)
	stop := context.AfterFunc(s.ctx, func() { reset(conn) })
	defer stop()
	o, err := s.readDigest(conn)
	if err != nil {
		return
	}
	requests := make(chan []planner.Run, maxQueued)
	var wg sync.WaitGroup
	defer wg.Wait()
	gone := make(chan struct{})
	defer close(gone)
	wg.Go(func() {
		defer close(requests)
		r := bufio.NewReader(conn)
		for {
			runs, err := s.readRequest(conn, r)
			if err != nil {
				s.misbehaved(from, err)
				return
			}
			select {
			case requests <- runs:
			case <-gone:
				return
			}
		}
	})
	for runs := range requests {
		for _, run := range runs {
			if err := s.sendRun(conn, o, run); err != nil {
				reset(conn) // ends the reader too
				return
			}
		}
	}
}

func (s *Swarm) readRequest(conn net.Conn, r *bufio.Reader) ([]planner.Run, error) {
	if err := conn.SetReadDeadline(time.Now().Add(idleTimeout)); err != nil {
		return nil, err
	}
	return readRuns(r, maxRuns)
}

// sendRun sends the chunks of a run that are here.
func (s *Swarm) sendRun(conn net.Conn, o *store.Object, run planner.Run) error {
	buf := runBuffers.Get().(*[1 + MaxRun]byte)
	defer runBuffers.Put(buf)
	buf[0] = statusOK
	n, err := o.ReadChunks(run.First, run.Count, buf[1:])
	if err != nil {
		s.log.Debug("distribute: asked for what is not here", "blob", o.Digest, "err", err)
		if _, err := conn.Write([]byte{statusMissing}); err != nil {
			return err
		}
		return store.ErrMissing
	}
	for b := buf[:1+n]; len(b) > 0; {
		m := min(len(b), 256<<10)
		if err := conn.SetWriteDeadline(time.Now().Add(idleTimeout)); err != nil {
			return err
		}
		if _, err := conn.Write(b[:m]); err != nil {
			return err
		}
		b = b[m:]
	}
	return nil
}
