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
//     busy. Of pieces that are equally rare, each mate begins with others; a node without mates
//     takes them in their order. Once all that is missing was asked for, what a late one was asked for last is asked of
//     another too, and whoever is overtaken is asked to send no more: see hedge.go. Nobody is asked so over the uplink, but what comes over it late is asked of a mate that has it.
//  2. The uplink, for a piece that no local peer has, only if it is this node's duty. A blob has a crew at each site,
//     the two nodes with the highest hash of (blob, node), and of them the one with the highest hash of (piece, node) is on duty. The
//     others wait for the piece to come to the site. If one of the crew brings nothing new to the site for TakeOver, the next takes
//     its place; what it gets from its mates does not count. Nodes tell their mates what they asked for over
//     the uplink, and nobody asks for what a mate is getting: so mates that begin one after the other do not get
//     it twice, and one that has little left to do helps another, the next in rank for a piece, with what that
//     will not ask for soon. What a mate says is believed for as long as bytes follow: see vow.go.
//  3. A peer that has all, a seed, gives each site that fetches from it a share of the pieces. A site takes its
//     own share from the seed, and the rest from the other sites, as they get it. Of another's share it takes
//     from a seed only what would take longer by way of that site: what nobody there has first, in
//     the order in which the other takes it last. So a seed sends each piece about once, and, as long as that gets on,
//     none twice before all are out. Which is whose stays as it is for what is taken first, when more sites come. Seeds of one
//     site deal alike, and share an uplink: only once all of them will soon have sent what they were asked for is one asked for
//     another's share. Who got the blob from a seed of its own site is not asked: see cover.go. Nor is anyone of other sites, but
//     seeds for all, while seeds give many times what those do: see scant.go.
//  4. A peer that failed twice on end is only asked for what nobody else has, so that one that
//     promises and does not give cannot keep a blob from being got elsewhere.
//  5. A mirror, which has everything and is no node, for what no trusted peer has offered for MirrorPatience, of other
//     sites neither. Duty and claims hold for it as for other sites. Peers that offer and have given nothing for
//     starveTime do not keep a node from it.
//
// Nobody needs to hear what other sites have but the crew, each of whom hears one of each other site's crew, and all if nothing comes
// from those: see news.go.
//
// A peer that delivers nothing for a while, longer than is to be expected of it, loses what was asked of it and rests, longer
// each time: see patience.go. A local one that delivers next to nothing is left for others, though they be beyond the uplink: see trickle.go.
// At the end of a blob one beyond the uplink that is much slower than another is left, too: see tail.go.
// One that sent a bad chunk is never asked again.
//
// # Cost
//
// Every event keeps up to date what peers offer, in count.go, and by that which pieces may be asked for, in sets.go. So Next is linear in
// peers, again for each piece that it asks for, and in pieces only when one comes to the crew or leaves it, a peer is the first
// or the last that has all, or a seed deals anew; and once a second where there are mirrors. The other calls are linear in peers, and in
// pieces where a peer comes, goes or fails. 'go test -run ^$ -bench Cost' shows it.
package planner

import (
	"time"

	"selvage/internal/ident"
)

// Bounds and times.
const (
	maxPiece = 1 << 20   // bytes
	minPiece = 128 << 10 // bytes; smaller blobs have fewer pieces, not smaller ones
	pieces   = 256       // about how many pieces a blob is cut into
	// MaxChunks bounds the chunks of a piece, and with them the runs of a Request.
	MaxChunks = 1024

	localWindow  = 8 << 20 // bytes in flight from a local peer, and at most one piece more
	uplinkWindow = 8 << 20 // likewise, from any other: what it sends in aheadTime, at least minPiece
	aheadTime    = 2 * time.Second
	minAsk       = 64 << 10 // bytes of a request over the uplink; it is half of the window if that is more

	maxRest  = time.Minute
	distrust = 2 // failures on end after which a peer is asked last

	// TakeOver is how long the node on duty may bring nothing before the next takes over. On an
	// uplink that is known to be slow it is the time of slowChunks chunks, at most maxTakeOver.
	TakeOver    = 8 * time.Second
	maxTakeOver = 2 * time.Minute
	slowChunks  = 3
)

// Config is what a planner is made for.
type Config struct {
	Self  ident.NodeID
	Site  string
	Blob  [32]byte
	Sizes []int32          // of the chunks, bytes
	Have  func(i int) bool // the chunks that are here already; called by New only
	// Began is when peers were first asked what they have. The zero time is long ago.
	Began time.Time
}

// Planner plans one blob. It is not safe for concurrent use.
type Planner struct {
	cfg      Config
	pieces   []piece // as they lie in the blob
	lie      []int   // the same, by index
	own      []int   // the same, in the order of this node
	sets     sets
	starved  bool  // peers offer and give nothing, when that was last looked at
	of       []int // the piece of each chunk
	chunks   []chunk
	largest  int64 // chunk, bytes
	left     int   // chunks that are not here
	idle     int   // of these, chunks that were not requested
	claims   int   // of these, chunks that mates are getting over the uplink, since heed
	self     uint64
	rank     uint64 // among those of the site: who gets the blob over the uplink
	peers    map[ident.NodeID]*peer
	uplinks  map[string]*uplink    // by site
	vows     map[ident.NodeID]*vow // of local peers, and of those that were; no more than the site has nodes
	order    []*peer               // by ID
	wholes   offers                // trusted peers that have every chunk
	trade    trade
	flight   []Run // what was asked of other sites, and has not come when it was last looked at
	flown    bool  // that is to be told
	told     time.Time
	taken    []Run     // what mates are getting over the uplink
	ranks    []*peer   // local, by rank: the highest first
	crewed   crew      // for whom assign was done last
	heeded   []*peer   // whose claims were looked at last
	closed   bool      // nobody beyond the uplink is to be asked
	opened   time.Time // when that ended last; zero: it never began
	mirrors  int       // how many there are
	forlorn  time.Time // since when pieces are left to mirrors; zero: none is
	fed      time.Time // when something came last of who is no mate and no mirror
	mirrorAt time.Time // when it is looked at next which pieces are left to mirrors
	looked   time.Time // when it was last
	hedgeAt  time.Time // when somebody is late next
	unheeded bool      // mates claim other than when it was last looked at, or are others
	news     news
}

// offers counts peers: those of other sites, and local ones.
type offers [2]int

// piece is a run of chunks. Invariant: 0 <= idle <= missing <= count.
type piece struct {
	index, first, count int
	bytes               int64
	missing             int       // chunks that are not here
	idle                int       // of these, chunks that were not requested
	partly              offers    // trusted peers that have an idle chunk of it, but not the whole blob
	claimed             int       // idle chunks that mates are getting over the uplink, since heed
	before              int       // mates of the crew that are before this node in getting it over the uplink
	bare                time.Time // since when no trusted peer offers or sends anything of it; zero: one does
	forsaken            bool      // it is left to mirrors
	duty                *peer     // one of the mates before, if there is one
	kept                bool      // scratch: the mate on duty will ask for it soon
	turns               offers    // its turn: in the order of the site, and in that of this node
	near, far           int       // in which of the sets it is
	mine                int64     // bytes of it that are counted as this node's to ask other sites for
}

type chunk struct {
	have   bool
	from   *peer // whom it was requested from; nil if nobody
	late   *peer // whom it was requested from before, who may still send it
	locals int   // local peers that said they have it
}

// peer is a node that may have some of the blob.
type peer struct {
	id     ident.NodeID
	seed   uint64 // of its ranks
	rank   uint64 // among those of the site
	site   string
	local  bool
	spared bool // another of its site tells what it would, and is asked
	silent bool // it is to tell nothing of what it has
	mirror bool // it is no node
	wants  bool // it is fetching the blob
	wanted bool // it was so before
	told   bool // it has said what it has to say at first
	share  Share
	claims []Run
	vow    *vow    // of a local peer
	turn   int     // scratch: its place in the crew
	next   []int64 // scratch: bytes that each of the crew asks it for next, before this node may help
	ahead  int     // scratch: of these, how many have enough
	all    bool    // it has every chunk
	has    bitset
	count  int
	idle   []int16 // of each piece, the chunks that it has and nobody was asked for; not kept once it has all
	gives  turns   // where that is not 0
	dealt  Share   // for which owed is
	owed   *turns  // the pieces that it gives to this site first, if it is a seed; nil: it has not said
	banned bool

	uplink   *uplink  // of its site
	covered  bool     // a seed of its site is asked in its stead: see cover.go
	asks     []*piece // the pieces that were requested, the earliest of which it may have sent
	hedged   int      // chunks that were requested of it, and then of another
	waste    int      // chunks that it will send and that came from another
	flight   int      // chunks requested and not delivered
	bytes    int64
	active   time.Time     // when it last delivered, or was first asked after being idle
	alive    time.Time     // likewise, or when it was last known to be sending
	asked    time.Time     // when it was first asked after being idle; zero once it was seen to send after that
	delay    time.Duration // of its answers, about the longest of late; 0 while unknown
	look     time.Time     // not to be looked before whether another peer can take over
	gathered int64         // bytes that it delivered since the rate was last measured
	trickle  trickle       // what it gave of late
	left     bool          // it gives next to nothing
	progress time.Time     // when it was last seen to bring something new to the site
	joined   time.Time     // since when it is of the crew, or was passed over there; zero: it is not
	rest     time.Time     // not to be asked before
	rests    int           // on end
	rate     float64       // bytes a second, smoothed; 0 while unknown
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
	// Trickles names those of Cancel that gave less than TrickleRate.
	Trickles []ident.NodeID
	// Listen names peers of other sites that are to tell what they have from now on, as all are at first, and Ignore those that
	// need not: nothing is asked of these meanwhile.
	Listen, Ignore []ident.NodeID
	// Taking says that mates are to be told what Planner.Taking returns, before they ask for the same.
	Taking bool
	// Wake is when to ask again if no event comes before; the zero time if only an event helps.
	Wake time.Time
}

// New returns a planner for a blob of which some chunks may be here.
func New(cfg Config) *Planner {
	p := &Planner{
		cfg: cfg, chunks: make([]chunk, len(cfg.Sizes)), of: make([]int, len(cfg.Sizes)),
		peers: map[ident.NodeID]*peer{}, uplinks: map[string]*uplink{}, vows: map[ident.NodeID]*vow{},
	}
	p.self = seed("duty", cfg.Self[:], cfg.Blob[:])
	p.rank = crewRank(p.self)
	p.cut()
	p.sets = newSets(len(p.pieces))
	p.reorder(1, p.lie)
	p.deal()
	for at := range p.pieces {
		pc := &p.pieces[at]
		for i := pc.first; i < pc.first+pc.count; i++ {
			p.of[i] = at
			if p.chunks[i].have = cfg.Have(i); !p.chunks[i].have {
				pc.missing++
				pc.idle++
				p.idle++
				p.left++
			}
		}
	}
	p.sets.stale = true
	return p
}

// cut makes the pieces, which are the same at every node, and puts them in order.
func (p *Planner) cut() {
	sizes := p.cfg.Sizes
	var total int64
	for _, s := range sizes {
		total += int64(s)
		p.largest = max(p.largest, int64(s))
	}
	size := min(max(total/pieces, minPiece), maxPiece)
	for i := 0; i < len(sizes); {
		pc := piece{index: len(p.pieces), first: i}
		for i < len(sizes) && pc.count < MaxChunks && (pc.count == 0 || pc.bytes+int64(sizes[i]) <= size) {
			pc.bytes += int64(sizes[i])
			pc.count++
			i++
		}
		p.pieces = append(p.pieces, pc)
	}
	p.lie = make([]int, len(p.pieces))
	for at := range p.lie {
		p.lie[at] = at
	}
	p.own = p.shuffled(seed("order", p.cfg.Self[:], p.cfg.Blob[:]))
}
