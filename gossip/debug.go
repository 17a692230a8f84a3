package gossip

import (
	"context"
	"fmt"
	"log/slog"
	"net"
)

// linkTo is a link to a peer that logs each frame that it sends, at debug level.
func (r *Replicator) linkTo(p *peer, conn net.Conn) *link {
	l := newLink(r.codec, conn)
	l.sent = func(f frame, bytes int) {
		if r.cfg.Logger.Enabled(context.Background(), slog.LevelDebug) {
			r.cfg.Logger.Debug("gossip: "+f.Kind.String(), "peer", p.id, "records", len(f.Records), "bytes", bytes)
		}
	}
	return l
}

func (k frameKind) String() string {
	switch k {
	case kindRoot:
		return "root"
	case kindSame:
		return "same"
	case kindFrontier:
		return "frontier"
	case kindWants:
		return "wants"
	case kindRecords:
		return "records"
	case kindDone:
		return "done"
	case kindDiffers:
		return "differs"
	case kindBuckets:
		return "buckets"
	case kindAsk:
		return "ask"
	case kindChoose:
		return "choose"
	}
	return fmt.Sprintf("frame of kind %d", uint8(k))
}
