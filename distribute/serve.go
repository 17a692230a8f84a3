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
	"selvage/internal/patient"
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

// write writes all of b. The reader may be slow, but not stuck.
func write(conn net.Conn, b []byte) error {
	return patient.Write(conn, b, patient.Pace{Slice: 64 << 10, Time: idleTimeout})
}

// serveFetch answers requests for chunks in order. What a peer may ask for at a time is bounded:
// one that asks for more is left to wait. While a portion is sent, the next is read from the disk.
func (s *Swarm) serveFetch(from ident.NodeID, conn net.Conn) {
	defer conn.Close() // what was written last may still be on its way
	o, err := s.readDigest(conn)
	if err != nil {
		return
	}
	var open atomic.Int64 // requests that were read and not answered
	var wg sync.WaitGroup
	defer wg.Wait()
	gone := make(chan struct{})
	defer close(gone)
	requests, portions := make(chan []planner.Run, maxQueued), make(chan portion)
	left := make(chan struct{}) // closed when the peer asks nothing more: it is gone, or has given this up
	wg.Go(func() {
		defer close(left)
		defer close(requests)
		s.misbehaved(from, readRequests(conn, &open, requests, gone))
	})
	wg.Go(func() {
		defer close(portions)
		s.load(from, o, requests, portions, gone)
	})
	pack := s.packingFor(from)
	defer pack.end()
	for p := range portions {
		data, err := pack.of(p, o.Chunks())
		if err == nil {
			err = s.give(from, conn, o.Digest, data, left)
		}
		p.release()
		if err = errors.Join(err, p.err); err != nil {
			reset(conn) // ends the reader too
			return
		}
		if p.ends != (planner.Run{}) {
			s.served(from, "distribute: chunks", o.Digest, p.sent, p.ends.Count)
		}
		if p.answered {
			open.Add(-1)
		}
	}
}

// readRequests hands on what a peer asks for, until it fails.
func readRequests(conn net.Conn, open *atomic.Int64, out chan<- []planner.Run, gone <-chan struct{}) error {
	r := bufio.NewReader(conn)
	for {
		runs, err := readRequest(conn, r, open)
		if err != nil {
			return err
		}
		if len(runs) == 0 {
			continue
		}
		open.Add(1)
		select {
		case out <- runs:
		case <-gone:
			return nil
		}
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
