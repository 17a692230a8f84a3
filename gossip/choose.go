package gossip

import (
	"bytes"
	"slices"
	"time"

	"selvage/internal/ident"
)

const (
	chosenLinks = 2                // across the edge of a site, that the site chooses
	graftFor    = 10 * time.Minute // how long a link counts as chosen that brought what no other had
	edge        = "edge"           // names the order of the mates who choose
	// fullLinks is how many links that others have chosen a node has before it asks any more of them to choose another, if they can. All
	// that join a fleet meet the same one or two of it first; chosen by all, those would send everything to everybody.
	fullLinks = 8
	fullGrace = 10 * time.Second // how long they have for that
)

// choose returns which of the links across the edge a node chooses. The two mates that are on duty
// choose one each, a node that is alone two. So the sites and the links that either end has chosen are
// a random graph in which each site picks two, which is connected almost surely (Fenner and Frieze,
// 1982), while on average each record crosses a site's edge twice each way. Which links those are is
// this node's own order, so that it keeps to them.
func choose(self ident.NodeID, mates, far []ident.NodeID) []ident.NodeID {
	far = slices.Clone(far)
	slices.SortFunc(far, func(a, b ident.NodeID) int {
		x, y := weight(string(self[:]), a), weight(string(self[:]), b)
		return bytes.Compare(x[:], y[:])
	})
	return far[:min(picks(self, mates), len(far))]
}

// picks is how many links across the edge a node chooses.
func picks(self ident.NodeID, mates []ident.NodeID) int {
	switch {
	case !duty(edge, mates, self):
		return 0
	case slices.ContainsFunc(mates, func(m ident.NodeID) bool { return m != self }):
		return 1
	}
	return chosenLinks
}

// rechoose chooses anew, as peers or mates have come or gone, and tells those whom it concerns. A link that is chosen in
// the place of one that may be gone has a session soon: what was pushed before that was missed may have got nowhere.
func (r *Replicator) rechoose(gone bool) {
	mates := r.cfg.Mates()
	defer r.poke()
	r.mu.Lock()
	defer r.mu.Unlock()
	var far, full []ident.NodeID
	for id, p := range r.peers {
		switch {
		case p.local:
		case p.full:
			full = append(full, id)
		default:
			far = append(far, id)
		}
	}
	chosen := append(choose(r.cfg.Self, mates, far), choose(r.cfg.Self, mates, full)...)
	chosen = chosen[:min(picks(r.cfg.Self, mates), len(chosen))]
	for id, p := range r.peers {
		if now := slices.Contains(chosen, id); now != p.chosen {
			p.chosen = now
			p.queue.signal()
			switch {
			case now && gone:
				p.soil()
			case now: // what its other end had before need not have come over the one in whose place it is
				p.hasten(r.rest() + peekAgain)
			}
		}
	}
}

// claims reports whether this node has chosen the link to a peer. The caller holds r.mu.
func (p *peer) claims() bool { return p.chosen || time.Now().Before(p.grafted) }

// eager reports whether records are pushed to a peer at once. The caller holds r.mu.
func (p *peer) eager() bool {
	return p.local || p.claims() || p.chosenBy != 0 && !time.Now().Before(p.mercy)
}

// relent notes that a peer's time to choose another is over. If it has chosen none it has a session soon, for what it has missed meanwhile. The
// caller holds r.mu.
func (p *peer) relent(now time.Time) {
	if p.mercy.IsZero() || now.Before(p.mercy) {
		return
	}
	p.mercy = time.Time{}
	if p.chosenBy != 0 {
		p.soil()
	}
}

// graft has a link count as chosen for a while: a session on it brought what should have been pushed.
func (r *Replicator) graft(p *peer) {
	r.mu.Lock()
	p.grafted = time.Now().Add(graftFor)
	r.mu.Unlock()
	p.queue.signal()
}

// chose notes what the peer has said on a push stream about the link. Who has been chosen by many says that it is full, and serves one more only
// if that has not chosen another after a while.
func (r *Replicator) chose(p *peer, stream int, chosen bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case chosen:
		p.chosenBy = stream
	case p.chosenBy == stream:
		p.chosenBy = 0
	}
	if p.chosenBy != 0 && !p.begs && r.chosenBy() > fullLinks {
		p.begs, p.mercy = true, time.Now().Add(fullGrace)
		p.queue.signal()
		r.poke()
	}
}

// chosenBy counts the links across the edge that their other ends have chosen. The caller holds r.mu.
func (r *Replicator) chosenBy() (n int) {
	for _, p := range r.peers {
		if !p.local && p.chosenBy != 0 {
			n++
		}
	}
	return n
}

// avoid has another link chosen in the place of that to a peer that is full, if there is one. It is avoided for as long as the link lasts:
// if the peer were taken for free when the link is given up, both would go to and fro.
func (r *Replicator) avoid(p *peer) {
	r.mu.Lock()
	known := p.full
	p.full = true
	r.mu.Unlock()
	if !known {
		r.rechoose(false)
	}
}
