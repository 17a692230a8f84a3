package distribute

import (
	"log/slog"

	"selvage/distribute/planner"
	"selvage/internal/ident"
)

// What a swarm says and sends is logged at debug level, one line a message, by who sends it. While nobody wants
// to know, that costs one call.

// debug logs a message to a peer about a blob.
func (s *Swarm) debug(to ident.NodeID, what string, d Digest, more ...any) {
	if s.log.Enabled(s.ctx, slog.LevelDebug) {
		s.log.Debug(what, append([]any{"peer", to, "blob", d.String()[:12]}, more...)...)
	}
}

// said logs a message on a have stream.
func (s *Swarm) said(to ident.NodeID, m message) {
	if !s.log.Enabled(s.ctx, slog.LevelDebug) {
		return
	}
	if class, wants := m.wanted(); wants {
		s.debug(to, "distribute: want", m.digest, "class", class.String())
	}
	switch m.kind {
	case msgUnwant:
		s.debug(to, "distribute: unwant", m.digest)
	case msgBitmap:
		s.debug(to, "distribute: have", m.digest, "chunks", m.bitmap.Count(), "of", m.bitmap.Len())
	case msgWhole:
		s.debug(to, "distribute: have", m.digest, "chunks", "all")
	case msgShare:
		s.debug(to, "distribute: share", m.digest, "place", m.share.Place, "of", m.share.Of)
	case msgDeals:
		s.debug(to, "distribute: deals", m.digest, "sites", len(m.askers))
	case msgTaking:
		s.debug(to, "distribute: taking", m.digest, "chunks", chunksOf(m.runs))
	case msgWaits:
		s.debug(to, "distribute: waits", m.digest)
	case msgGot:
		s.debug(to, "distribute: got", m.digest, "chunks", chunksOf(m.runs))
	}
}

// asked logs a request for chunks.
func (s *Swarm) asked(to ident.NodeID, d Digest, runs []planner.Run) {
	if s.log.Enabled(s.ctx, slog.LevelDebug) {
		s.debug(to, "distribute: request", d, "chunks", chunksOf(runs))
	}
}

// served logs what was sent of a blob.
func (s *Swarm) served(to ident.NodeID, what string, d Digest, bytes, chunks int) {
	if s.log.Enabled(s.ctx, slog.LevelDebug) {
		s.debug(to, what, d, "chunks", chunks, "bytes", bytes)
	}
}

func chunksOf(runs []planner.Run) (n int) {
	for _, r := range runs {
		n += r.Count
	}
	return n
}
