package planner

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"selvage/internal/ident"
)

// Next says what to do now, and counts what it says as asked.
func (p *Planner) Next(now time.Time) Effects {
	var e Effects
	if p.left == 0 {
		return e
	}
	for _, id := range p.order {
		if q := p.peers[id]; q.flight > 0 && now.Sub(q.active) >= q.stall() {
			p.Failed(id, now)
			e.Cancel = append(e.Cancel, id)
		}
	}
	p.askLocal(now, &e)
	p.askUplink(now, &e)
	e.Wake = p.wake(now)
	return e
}

func (q *peer) stall() time.Duration {
	if q.local {
		return localStall
	}
	return uplinkStall
}

// usable reports whether the peer may be asked for more.
func (q *peer) usable(now time.Time) bool {
	return !q.banned && !now.Before(q.rest) && (q.all || q.count > 0) && q.bytes < q.window()
}

// window is how many bytes may be in flight from a peer.
func (q *peer) window() int64 {
	if q.local {
		return localWindow
	}
	return max(minPiece, min(uplinkWindow, int64(q.rate*aheadTime.Seconds())))
}

func (q *peer) holds(i int) bool { return q.all || q.has[i] }

// askLocal gives local peers work, the rarest pieces first, turn by turn.
func (p *Planner) askLocal(now time.Time, e *Effects) {
	var free []*piece
	rarity := map[*piece]int{}
	for at := range p.pieces {
		pc := &p.pieces[at]
		if n := p.localHolders(pc); pc.idle > 0 && n > 0 {
			rarity[pc] = n
			free = append(free, pc)
		}
	}
	slices.SortStableFunc(free, func(a, b *piece) int { return cmp.Compare(rarity[a], rarity[b]) })
	for _, pc := range free {
		for pc.idle > 0 {
			q := p.pick(pc, true, now)
			if q == nil || !p.ask(q, pc, now, e) {
				break
			}
		}
	}
}

// localHolders counts the local peers that have something of the piece which is not here.
func (p *Planner) localHolders(pc *piece) int {
	n := 0
	for _, id := range p.order {
		if q := p.peers[id]; q.local && !q.banned && p.useful(q, pc) {
			n++
		}
	}
	return n
}

// useful reports whether the peer has a chunk of the piece that nobody was asked for.
func (p *Planner) useful(q *peer, pc *piece) bool {
	if q.all {
		return pc.idle > 0
	}
	for i := pc.first; i < pc.first+pc.count; i++ {
		if c := p.chunks[i]; !c.have && c.from == nil && q.has[i] {
			return true
		}
	}
	return false
}

// pick returns the peer that will have done soonest what it was asked for; nil if none can be asked.
func (p *Planner) pick(pc *piece, local bool, now time.Time) *peer {
	var best *peer
	for _, id := range p.order {
		q := p.peers[id]
		if q.local == local && q.usable(now) && p.useful(q, pc) && (best == nil || p.sooner(q, best, pc)) {
			best = q
		}
	}
	return best
}

// sooner orders peers by how long what they were asked for will take; of equals, each piece
// prefers another, so that a site does not ask one seed for everything.
func (p *Planner) sooner(a, b *peer, pc *piece) bool {
	wa, wb := a.backlog(), b.backlog()
	if math.Abs(wa-wb) > 1e-9 {
		return wa < wb
	}
	return p.preference(a.id, pc) > p.preference(b.id, pc)
}

func (q *peer) backlog() float64 {
	rate := q.rate
	if rate == 0 {
		rate = 1 << 20
	}
	return float64(q.bytes) / rate
}

func (p *Planner) preference(id ident.NodeID, pc *piece) uint64 {
	return hash(id[:], p.cfg.Self[:], binary.BigEndian.AppendUint64(nil, uint64(pc.index)))
}

// ask requests what the peer has of the piece; it reports whether that was anything.
func (p *Planner) ask(q *peer, pc *piece, now time.Time, e *Effects) bool {
	var runs []Run
	for i := pc.first; i < pc.first+pc.count; i++ {
		c := &p.chunks[i]
		if c.have || c.from != nil || !q.holds(i) {
			continue
		}
		if n := len(runs); n > 0 && runs[n-1].First+runs[n-1].Count == i {
			runs[n-1].Count++
		} else {
			runs = append(runs, Run{i, 1})
		}
		if q.flight == 0 {
			q.active = now // from here on it is waited for
		}
		c.from = q
		q.flight++
		q.bytes += int64(p.cfg.Sizes[i])
		pc.idle--
	}
	if len(runs) == 0 {
		return false
	}
	e.Requests = append(e.Requests, Request{q.id, runs})
	return true
}

// askUplink asks other sites for the pieces that no local peer has and that are this node's duty.
func (p *Planner) askUplink(now time.Time, e *Effects) {
	for at := range p.pieces {
		pc := &p.pieces[at]
		if pc.idle == 0 || p.localHolders(pc) > 0 || !p.onDuty(pc, now) {
			continue
		}
		q := p.pick(pc, false, now)
		if q == nil {
			continue
		}
		p.ask(q, pc, now, e)
	}
}

// onDuty reports whether getting the piece over the uplink is this node's: everyone before it in
// rank has shown no progress for as long as it takes to be passed over.
func (p *Planner) onDuty(pc *piece, now time.Time) bool {
	mine := p.rank(p.cfg.Self, pc)
	for _, id := range p.order {
		q := p.peers[id]
		if !q.mate() || p.rank(id, pc) <= mine || p.holdsAll(q, pc) {
			continue
		}
		if now.Sub(q.progress) < TakeOver {
			return false
		}
	}
	return true
}

func (q *peer) mate() bool { return q.local && q.wants && !q.all && !q.banned }

func (p *Planner) rank(id ident.NodeID, pc *piece) uint64 {
	return hash([]byte("duty"), id[:], p.cfg.Blob[:], binary.BigEndian.AppendUint64(nil, uint64(pc.index)))
}

func (p *Planner) holdsAll(q *peer, pc *piece) bool {
	for i := pc.first; i < pc.first+pc.count; i++ {
		if !q.holds(i) {
			return false
		}
	}
	return true
}

// wake returns the next moment at which time alone changes what Next says.
func (p *Planner) wake(now time.Time) time.Time {
	var next time.Time
	sooner := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, id := range p.order {
		q := p.peers[id]
		if q.flight > 0 {
			sooner(q.active.Add(q.stall()))
		}
		sooner(q.rest)
		if q.mate() {
			sooner(q.progress.Add(TakeOver))
		}
	}
	return next
}
