package distribute

import (
	"sync"

	"selvage/distribute/planner"
	"selvage/distribute/store"
	"selvage/internal/ident"
)

// sendBuffer is how many bytes are read and sent at a time, at least a chunk.
const sendBuffer = 256 << 10

var sendBuffers = sync.Pool{New: func() any { return new([1 + sendBuffer]byte) }}

// portion is a part of an answer, as it goes to a peer: whole chunks of one run. A stream has two of them at most, so
// that a peer that reads slowly costs no more.
type portion struct {
	buf      *[1 + sendBuffer]byte
	data     []byte      // of buf; what is to be sent
	part     store.Part  // the chunks
	begins   bool        // its run, with a status
	ends     planner.Run // the run whose last portion it is
	sent     int         // bytes of that run's chunks
	answered bool        // it is the last of its request
	err      error       // the stream is to end after it
}

func (p portion) release() {
	if p.buf != nil {
		sendBuffers.Put(p.buf)
	}
}

// load reads from the disk what a peer's requests ask for, until one fails or the stream is gone.
func (s *Swarm) load(from ident.NodeID, o *store.Object, requests <-chan []planner.Run, out chan<- portion, gone <-chan struct{}) {
	for runs := range requests {
		for k, run := range runs {
			if !s.loadRun(from, o, run, k == len(runs)-1, out, gone) {
				return
			}
		}
	}
}

// hand reports whether somebody took the portion.
func hand(out chan<- portion, p portion, gone <-chan struct{}) bool {
	select {
	case out <- p:
		return p.err == nil
	case <-gone:
		p.release()
		return false
	}
}

// loadRun reads a run, if all of it is here; it reports whether to go on.
func (s *Swarm) loadRun(from ident.NodeID, o *store.Object, run planner.Run, last bool, out chan<- portion, gone <-chan struct{}) bool {
	parts := o.Parts(run.First, run.Count, sendBuffer, MaxRun)
	if parts == nil {
		s.denied(from, o, run)
		return hand(out, portion{data: []byte{statusMissing}, err: store.ErrMissing}, gone)
	}
	sent := 0
	for k, part := range parts {
		p := portion{buf: sendBuffers.Get().(*[1 + sendBuffer]byte)}
		n, err := o.ReadChunks(part.First, part.Count, p.buf[1:])
		if err != nil {
			p.err = err
			return hand(out, p, gone)
		}
		sent += n
		p.data, p.part = p.buf[1:1+n], part
		if k == 0 {
			p.buf[0], p.begins = statusOK, true
			p.data = p.buf[:1+n]
		}
		if k == len(parts)-1 {
			p.ends, p.sent, p.answered = run, sent, last
		}
		if !hand(out, p, gone) {
			return false
		}
	}
	return true
}

// denied tells of a peer that asked for what it may not have: more than MaxRun bytes at a time, or chunks that the blob does
// not have. That a chunk is not here may be news to it.
func (s *Swarm) denied(from ident.NodeID, o *store.Object, run planner.Run) {
	s.log.Debug("distribute: asked for what is not here", "node", from, "blob", o.Digest, "first", run.First, "count", run.Count)
	chunks := o.Chunks()
	if chunks == nil {
		return
	}
	last := run.First + run.Count - 1
	if last >= len(chunks) || chunks[last].Offset+int64(chunks[last].Size)-chunks[run.First].Offset > MaxRun {
		s.cfg.Failing(from, "it asks for more than a blob has, or than it may at a time")
	}
}
