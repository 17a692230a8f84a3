package distribute

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"selvage/distribute/planner"
	"selvage/distribute/store"
	"selvage/internal/ident"
)

// maxStreams bounds how many streams of one peer are served at a time; those beyond it are ended.
const maxStreams = 64

// serve returns how a protocol's streams are served: within bounds, and until Close, which waits.
func (s *Swarm) serve(f func(from ident.NodeID, conn net.Conn)) func(ident.NodeID, net.Conn) {
	return func(from ident.NodeID, conn net.Conn) {
		if !s.enter(from) {
			reset(conn)
			return
		}
		defer s.exit(from)
		stop := context.AfterFunc(s.ctx, func() { reset(conn) })
		defer stop()
		f(from, conn)
	}
}

func (s *Swarm) enter(from ident.NodeID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil || s.serving[from] >= maxStreams {
		return false
	}
	s.serving[from]++
	s.wg.Add(1)
	return true
}

func (s *Swarm) exit(from ident.NodeID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving[from]--; s.serving[from] == 0 {
		delete(s.serving, from)
	}
	s.wg.Done()
}

// idleTimeout ends a served stream on which nothing was asked, or nothing read, for a while.
const idleTimeout = 2 * time.Minute

// sendBuffer is how many bytes are read and sent at a time, at least a chunk.
const sendBuffer = 256 << 10

var sendBuffers = sync.Pool{New: func() any { return new([1 + sendBuffer]byte) }}

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
	_ = write(conn, binary.BigEndian.AppendUint64(answer, uint64(have))) // who asked will see that nothing comes
}

func (s *Swarm) serveDAG(from ident.NodeID, conn net.Conn) {
	defer conn.Close()
	o, err := s.readDigest(conn)
	var nodes []byte
	if err == nil {
		nodes, err = o.Nodes()
	}
	if err != nil {
		_ = write(conn, []byte{statusMissing}) // who asked will see that nothing comes
		return
	}
	_ = write(conn, append([]byte{statusOK}, nodes...)) // likewise
	s.served(from, "distribute: list", o.Digest, len(nodes), len(o.Chunks()))
}

// write writes in slices, each with a deadline of its own: the reader may be slow, but not stuck.
func write(conn net.Conn, b []byte) error {
	const slice = 64 << 10
	for len(b) > 0 {
		n := min(len(b), slice)
		if err := conn.SetWriteDeadline(time.Now().Add(idleTimeout)); err != nil {
			return err
		}
		if _, err := conn.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// serveFetch answers requests for chunks in order. What a peer may ask for at a time is bounded:
// one that asks for more is left to wait.
func (s *Swarm) serveFetch(from ident.NodeID, conn net.Conn) {
	defer conn.Close() // what was written last may still be on its way
	o, err := s.readDigest(conn)
	if err != nil {
		return
	}
	requests := make(chan []planner.Run, maxQueued)
	var open atomic.Int64 // requests that were read and not answered
	var wg sync.WaitGroup
	defer wg.Wait()
	gone := make(chan struct{})
	defer close(gone)
	wg.Go(func() {
		defer close(requests)
		r := bufio.NewReader(conn)
		for {
			runs, err := readRequest(conn, r, &open)
			if err != nil {
				s.misbehaved(from, err)
				return
			}
			open.Add(1)
			select {
			case requests <- runs:
			case <-gone:
				return
			}
		}
	})
	for runs := range requests {
		for _, run := range runs {
			if err := s.sendRun(from, conn, o, run); err != nil {
				reset(conn) // ends the reader too
				return
			}
		}
		open.Add(-1)
	}
}

// readRequest waits for a request: for ever while others are open, for their answers may take long.
func readRequest(conn net.Conn, r *bufio.Reader, open *atomic.Int64) ([]planner.Run, error) {
	for {
		if err := conn.SetReadDeadline(time.Now().Add(idleTimeout)); err != nil {
			return nil, err
		}
		_, err := r.Peek(1)
		if err == nil {
			return readRuns(r, maxRuns)
		}
		// A connection that was lost for its silence says that it timed out too, and says so for ever.
		if !errors.Is(err, os.ErrDeadlineExceeded) || open.Load() == 0 {
			return nil, err
		}
	}
}

// sendRun sends a run, if all of it is here, in slices of a buffer: a peer that reads slowly costs no more.
func (s *Swarm) sendRun(to ident.NodeID, conn net.Conn, o *store.Object, run planner.Run) error {
	parts := o.Parts(run.First, run.Count, sendBuffer, MaxRun)
	if parts == nil {
		s.log.Debug("distribute: asked for what is not here", "blob", o.Digest, "first", run.First, "count", run.Count)
		if err := write(conn, []byte{statusMissing}); err != nil {
			return err
		}
		return store.ErrMissing
	}
	buf := sendBuffers.Get().(*[1 + sendBuffer]byte)
	defer sendBuffers.Put(buf)
	buf[0] = statusOK
	head, sent := 1, 0
	for _, p := range parts {
		n, err := o.ReadChunks(p.First, p.Count, buf[1:])
		if err != nil {
			return err
		}
		if err := write(conn, buf[1-head:1+n]); err != nil {
			return err
		}
		head, sent = 0, sent+n
	}
	s.served(to, "distribute: chunks", o.Digest, sent, run.Count)
	return nil
}
