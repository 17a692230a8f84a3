// Package planner decides whom to ask for which chunks of one blob.
//
// A Planner is a state machine without I/O, clock or randomness of its own: events go in with the
// time, and Next says what to request. Its caller moves the bytes. Nothing it returns depends on
// the order of a map; two planners fed alike answer alike.
//
// # Words
//
// A piece is a run of chunks that are decided on together. A peer is local if it is of the own
// site; reaching any other costs the uplink. A mate is a local peer that is fetching the blob too.
//
// # Whom to ask
//
//  1. Local peers: the pieces that fewest of them have first, as many in flight as keep the peer
//     busy.
//  2. The uplink, for a piece that no local peer has, only if it is this node's duty: of
//     all mates that lack the piece and this node, the one with the highest hash of (piece, node).
//     The others wait for it to come to the site. If the one on duty shows no progress for
//     TakeOver, the next in rank takes over.
//  3. Pieces are taken from the uplink in an order that differs by site, so that sites soon have
//     different pieces to give to each other.
//
// A peer that delivers nothing for a while loses what was asked of it and rests; one that sent a
// bad chunk is never asked again.
package planner

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"selvage/internal/ident"
)

// Bounds and times.
const (
	maxPiece = 1 << 20   // bytes
	minPiece = 128 << 10 // bytes; smaller blobs have fewer pieces, not smaller ones
	pieces   = 64        // about how many pieces a blob is cut into

	localWindow  = 8 << 20 // bytes in flight from a local peer
	uplinkWindow = 2 << 20 // likewise, from any other, once its rate is known
	aheadTime    = 2 * time.Second

	localStall  = 5 * time.Second
	uplinkStall = 30 * time.Second
	maxRest     = time.Minute

	// TakeOver is how long the node on duty may show no progress before the next takes over.
	TakeOver = 8 * time.Second
)

// Config is what a planner is made for.
type Config struct {
	Self  ident.NodeID
	Site  string
	Blob  [32]byte
	Sizes []int32          // of the chunks, bytes
	Have  func(i int) bool // the chunks that are here already; called by New only
}

// Planner plans one blob. It is not safe for concurrent use.
type Planner struct {
	cfg    Config
	pieces []piece // in the order of this site
	of     []int   // the piece of each chunk
	chunks []chunk
	left   int // chunks that are not here
	peers  map[ident.NodeID]*peer
	order  []ident.NodeID // of peers, sorted
}

// piece is a run of chunks. Invariant: 0 <= missing <= count.
type piece struct {
	index, first, count int
	missing             int // chunks that are not here
	idle                int // of these, chunks that were not requested
}

type chunk struct {
	have bool
	from *peer // whom it was requested from; nil if nobody
}

// peer is a node that may have some of the blob.
type peer struct {
	id     ident.NodeID
	local  bool
	wants  bool // it is fetching the blob
	all    bool // it has every chunk
	has    []bool
	count  int
	banned bool

	flight   int // chunks requested and not delivered
	bytes    int64
	active   time.Time // when it last delivered, or was first asked after being idle
	progress time.Time // when it was last seen to get something new
	rest     time.Time // not to be asked before
	rests    int       // on end
	rate     float64   // bytes a second, smoothed; 0 while unknown
}

// Run is consecutive chunks.
type Run struct{ First, Count int }

// Request is what to ask of one peer.
type Request struct {
	Peer ident.NodeID
	Runs []Run // of one piece, ascending
}

// Effects is what to do now.
type Effects struct {
	Requests []Request
	// Cancel names peers from whom nothing more is expected of what was asked so far: the caller
	// ends its exchange with them before it sends them new requests.
	Cancel []ident.NodeID
	// Wake is when to ask again if no event comes before; the zero time if only an event helps.
	Wake time.Time
}

// New returns a planner for a blob of which some chunks may be here.
func New(cfg Config) *Planner {
	p := &Planner{cfg: cfg, chunks: make([]chunk, len(cfg.Sizes)), of: make([]int, len(cfg.Sizes)), peers: map[ident.NodeID]*peer{}}
	var total int64
	for _, s := range cfg.Sizes {
		total += int64(s)
	}
	size := min(max(total/pieces, minPiece), maxPiece)
	for i := 0; i < len(cfg.Sizes); {
		pc := piece{index: len(p.pieces), first: i}
		for n := int64(0); i < len(cfg.Sizes) && (pc.count == 0 || n+int64(cfg.Sizes[i]) <= size); i++ {
			n += int64(cfg.Sizes[i])
			pc.count++
		}
		p.pieces = append(p.pieces, pc)
	}
	slices.SortFunc(p.pieces, func(a, b piece) int {
		return cmp.Or(cmp.Compare(p.siteRank(a.index), p.siteRank(b.index)), cmp.Compare(a.index, b.index))
	})
	for at := range p.pieces {
		pc := &p.pieces[at]
		for i := pc.first; i < pc.first+pc.count; i++ {
			p.of[i] = at
			if p.chunks[i].have = cfg.Have(i); !p.chunks[i].have {
				pc.missing++
				pc.idle++
				p.left++
			}
		}
	}
	return p
}

// siteRank orders pieces differently for every site. The first pieces of a blob of few pieces are
// no different from the others.
func (p *Planner) siteRank(piece int) uint64 {
	return hash([]byte(p.cfg.Site), p.cfg.Blob[:], binary.BigEndian.AppendUint64(nil, uint64(piece)))
}

func hash(parts ...[]byte) uint64 {
	h := sha256.New()
	for _, b := range parts {
		h.Write(b) // a hash never fails
	}
	return binary.BigEndian.Uint64(h.Sum(nil))
}

// Done reports whether every chunk is here.
func (p *Planner) Done() bool { return p.left == 0 }

// PeerUp adds a peer. Adding it again changes nothing.
func (p *Planner) PeerUp(id ident.NodeID, local bool, now time.Time) {
	if p.peers[id] != nil {
		return
	}
	p.peers[id] = &peer{id: id, local: local, has: make([]bool, len(p.chunks)), progress: now}
	at, _ := slices.BinarySearchFunc(p.order, id, ident.NodeID.Compare)
	p.order = slices.Insert(p.order, at, id)
}

// PeerGone forgets a peer; what was asked of it may be asked of others.
func (p *Planner) PeerGone(id ident.NodeID) {
	q := p.peers[id]
	if q == nil {
		return
	}
	p.release(q)
	delete(p.peers, id)
	p.order = slices.DeleteFunc(p.order, func(o ident.NodeID) bool { return o == id })
}

// PeerWants notes whether a peer is fetching the blob.
func (p *Planner) PeerWants(id ident.NodeID, wants bool) {
	if q := p.peers[id]; q != nil {
		q.wants = wants
	}
}

// PeerHas notes that a peer has a chunk; out of range it is passed over.
func (p *Planner) PeerHas(id ident.NodeID, i int, now time.Time) {
	if q := p.peers[id]; q != nil && i >= 0 && i < len(q.has) && !q.has[i] {
		q.has[i] = true
		q.count++
		q.all = q.count == len(q.has)
		q.progress = now
	}
}

// PeerHasAll notes that a peer has the whole blob.
func (p *Planner) PeerHasAll(id ident.NodeID, now time.Time) {
	if q := p.peers[id]; q != nil {
		q.all, q.wants, q.progress = true, false, now
	}
}

// Got notes that a chunk is here, and who delivered it; the zero ID if it came another way.
func (p *Planner) Got(i int, from ident.NodeID, now time.Time) {
	c := &p.chunks[i]
	if q := p.peers[from]; q != nil {
		q.delivered(int64(p.cfg.Sizes[i]), now)
	}
	if c.have {
		return
	}
	pc := &p.pieces[p.of[i]]
	pc.missing--
	p.left--
	if c.from != nil {
		p.settle(i)
	} else {
		pc.idle--
	}
	c.have = true
}

// settle ends a chunk's request.
func (p *Planner) settle(i int) {
	c := &p.chunks[i]
	c.from.flight--
	c.from.bytes -= int64(p.cfg.Sizes[i])
	c.from = nil
}

// delivered smooths the rate over what comes between two moments.
func (q *peer) delivered(n int64, now time.Time) {
	if d := now.Sub(q.active).Seconds(); d > 0 {
		r := float64(n) / d
		if q.rate == 0 {
			q.rate = r
		}
		q.rate += (r - q.rate) * min(1, d/2) // a constant of two seconds
	}
	q.active, q.rests = now, 0
}

// Failed notes that what was asked of a peer will not come; it rests, longer each time.
func (p *Planner) Failed(id ident.NodeID, now time.Time) {
	if q := p.peers[id]; q != nil {
		p.release(q)
		q.rests++
		q.rest = now.Add(min(time.Second<<min(q.rests-1, 6), maxRest))
	}
}

// Bad notes that a peer sent something else than it was asked for: it is not asked again.
func (p *Planner) Bad(id ident.NodeID) {
	if q := p.peers[id]; q != nil {
		p.release(q)
		q.banned = true
	}
}

// release makes what was asked of a peer free to be asked of others.
func (p *Planner) release(q *peer) {
	if q.flight == 0 {
		return
	}
	for i := range p.chunks {
		if p.chunks[i].from == q {
			p.settle(i)
			p.pieces[p.of[i]].idle++
		}
	}
}
