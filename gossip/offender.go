package gossip

import (
	"errors"
	"fmt"
	"time"

	"selvage/internal/ident"
)

const (
	maxRejected   = 8           // rejected records of a peer within rejectWindow that are one too many
	rejectWindow  = time.Minute // see maxRejected
	ignoreOffence = time.Minute // how long a peer that misbehaved is ignored
)

// offender is what is held against a peer. It outlives PeerDown, lest a peer clears itself by
// coming again.
type offender struct {
	rejected []time.Time // the newest, at most maxRejected
	until    time.Time   // ignored until
}

// ignoredUntil returns until when a peer is ignored. The caller holds r.mu.
func (r *Replicator) ignoredUntil(id ident.NodeID) time.Time {
	if o := r.offenders[id]; o != nil {
		return o.until
	}
	return time.Time{}
}

func (r *Replicator) ignored(id ident.NodeID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ignoredUntil(id).After(time.Now())
}

// offence returns the record of a peer's misdeeds. The caller holds r.mu.
func (r *Replicator) offence(id ident.NodeID) *offender {
	o := r.offenders[id]
	if o == nil {
		if len(r.offenders) >= maxRemembered {
			r.forgive()
		}
		o = &offender{}
		r.offenders[id] = o
	}
	return o
}

// forgive drops who has done nothing of late, or anybody if nobody is so.
func (r *Replicator) forgive() {
	now := time.Now()
	for id, o := range r.offenders {
		last := o.rejected[max(0, len(o.rejected)-1):]
		if now.After(o.until) && (len(last) == 0 || now.Sub(last[0]) > rejectWindow) {
			delete(r.offenders, id)
		}
	}
	for id := range r.offenders {
		if len(r.offenders) < maxRemembered {
			return
		}
		delete(r.offenders, id)
	}
}

// reject notes that records of a peer were rejected, and judges the peer.
func (r *Replicator) reject(id ident.NodeID, errs []error) {
	if len(errs) == 0 {
		return
	}
	now := time.Now()
	r.mu.Lock()
	o := r.offence(id)
	for range errs {
		o.rejected = append(o.rejected, now)
	}
	o.rejected = o.rejected[max(0, len(o.rejected)-maxRejected):]
	enough := len(o.rejected) == maxRejected && now.Sub(o.rejected[0]) < rejectWindow
	r.mu.Unlock()
	if enough {
		r.misbehaved(id, fmt.Sprintf("%d records rejected within a minute, the last as: %v", maxRejected, errs[len(errs)-1]))
	}
}

// misbehaved cuts a peer's streams, ignores it for a while and tells the owner.
func (r *Replicator) misbehaved(id ident.NodeID, reason string) {
	now := time.Now()
	r.mu.Lock()
	o := r.offence(id)
	again := o.until.After(now)
	o.rejected, o.until = nil, now.Add(ignoreOffence)
	if p := r.peers[id]; p != nil {
		p.next, p.dirty = o.until, true
		for _, cancel := range p.streams {
			cancel()
		}
	}
	r.mu.Unlock()
	if !again {
		r.cfg.Logger.Warn("peer misbehaved", "peer", id, "reason", reason)
		r.cfg.Misbehaved(id, reason)
	}
}

// blame judges the error that a stream of a peer ended with.
func (r *Replicator) blame(id ident.NodeID, err error) {
	if errors.Is(err, errFrame) {
		r.misbehaved(id, err.Error())
	}
}
