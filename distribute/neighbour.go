package distribute

import (
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"selvage/distribute/planner"
	"selvage/internal/ident"
)

// How long news of chunks are gathered before they are told: to another site firstTell at first, since it has nothing to get here
// before, and twice as long each time.
const (
	localTell  = 50 * time.Millisecond
	firstTell  = 100 * time.Millisecond
	uplinkTell = time.Second
)

// fewMates is how many peers of the site are told of news every localTell. More of them are told less often, in proportion, since each is told
// of each chunk: every uplinkTell at least, and of plentyNews chunks as soon as a few are.
const (
	fewMates   = 16
	plentyNews = 64
)

// How soon a have stream that broke is opened again: twice as long each time.
const (
	tellRetry    = time.Second
	maxTellRetry = 16 * time.Second
)

// muchNews is how many new chunks are told to another site at once. A message costs as much as the headers around it.
const muchNews = 8

// maxNews bounds the chunks that wait to be told of one blob; beyond, all is told instead.
const maxNews = 4096

// neighbour is a connected peer: what it wants to know of, and what it is still to be told. What
// is to be told is kept by blob, not as a queue of messages, so that a peer that does not listen
// costs no more than the blobs that it and this node want.
type neighbour struct {
	swarm  *Swarm
	id     ident.NodeID
	site   string
	local  bool // of this node's site
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{} // holds one
	urgent chan struct{} // likewise; what has been told now does not wait for more

	mu    sync.Mutex
	wants map[Digest]bool  // what it asked to be told of
	asks  map[Digest]byte  // what it is to be asked to tell of, or no more: a kind of message
	deaf  map[Digest]*task // who fetches a blob and does not need to be told by it now
	all   map[Digest]bool  // of which it is to be told all that is here
	news  map[Digest][]int // new chunks that it is to be told
	takes map[Digest]bool  // of which it is to be told what is taken over the uplink
	waits map[Digest]bool  // of which it is to be told that what it asked for waits
	deals map[Digest]deal  // what its site gets of the blobs that it wants and this node has
	among map[Digest]among // the sites among which this node deals the blobs that it has, if it is of this site
	spoke time.Time        // when it was told something last
	rests time.Duration    // of another site: how long it is told nothing then
}

// deal is a peer's share of a blob.
type deal struct {
	planner.Share
	told bool
}

func newNeighbour(s *Swarm, id ident.NodeID, site string) *neighbour {
	n := &neighbour{
		swarm: s, id: id, site: site, local: site == s.cfg.Site, wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1),
		wants: map[Digest]bool{}, asks: map[Digest]byte{}, deaf: map[Digest]*task{}, all: map[Digest]bool{}, news: map[Digest][]int{},
		takes: map[Digest]bool{}, waits: map[Digest]bool{}, deals: map[Digest]deal{}, among: map[Digest]among{}, rests: firstTell,
	}
	n.ctx, n.cancel = context.WithCancel(s.ctx)
	return n
}

func (n *neighbour) poke() {
	select {
	case n.wake <- struct{}{}:
	default: // it is awake
	}
}

// hurry pokes, for what is better told at once.
func (n *neighbour) hurry() {
	select {
	case n.urgent <- struct{}{}:
	default: // it hurries
	}
	n.poke()
}

// askNoMore has the peer asked to tell no more of a blob.
func (n *neighbour) askNoMore(d Digest) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.deaf[d] == nil { // else it was
		n.asks[d] = msgUnwant
		n.poke()
	}
	delete(n.deaf, d)
}

// askFor has the peer asked to tell of a task's blob, if that needs it. The caller may hold the task's mu.
func (n *neighbour) askFor(t *task) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if d := t.object.Digest; n.deaf[d] != t {
		delete(n.deaf, d) // another's, which has ended
		n.ask(t)
		n.poke()
	}
}

// ask has the peer asked to tell of a task's blob. One of this site is told at once what is here and what is being got, if only nothing: it
// may wait for that. The caller holds mu.
func (n *neighbour) ask(t *task) {
	d := t.object.Digest
	if n.asks[d] = t.wantOf(n); n.local {
		n.all[d], n.takes[d] = true, true
	}
}

// need notes whether a task needs to be told by a peer of another site, which is asked to, or to tell no more. At first it does.
func (n *neighbour) need(t *task, needs bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if t.ctx.Err() != nil {
		return // another may fetch the blob by now
	}
	d := t.object.Digest
	if needs {
		delete(n.deaf, d)
		n.ask(t)
	} else {
		n.deaf[d], n.asks[d] = t, msgUnwant
	}
	n.poke()
}

// tellGot gathers chunks that are new here, if the peer wants to know.
func (n *neighbour) tellGot(d Digest, chunks []int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.wants[d] || n.all[d] {
		return
	}
	n.news[d] = append(n.news[d], chunks...)
	if len(n.news[d]) > maxNews {
		n.all[d] = true
		delete(n.news, d)
	}
	if k := len(n.news[d]); k >= muchNews && !n.local || k >= plentyNews && n.paced() > localTell && time.Since(n.spoke) >= localTell {
		n.hurry()
	}
	n.poke()
}

// paced is how long news are gathered for it. The caller holds mu.
func (n *neighbour) paced() time.Duration {
	if !n.local {
		return n.rests
	}
	return min(uplinkTell, max(localTell, localTell*time.Duration(n.swarm.mates.Load())/fewMates))
}

// pace is how long it is told nothing after some messages, unless something is urgent.
func (n *neighbour) pace(told []message) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	news := slices.ContainsFunc(told, func(m message) bool { return m.kind == msgGot || m.kind == msgTaking })
	if n.local && !news {
		return localTell // it may be about to ask
	}
	if news {
		n.rests = min(2*n.rests, uplinkTell)
	}
	return n.paced()
}

// tellAll has the peer told all that is here of a blob, if it wants to know.
func (n *neighbour) tellAll(d Digest) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.wants[d] {
		n.all[d] = true
		delete(n.news, d)
		n.hurry()
	}
}

// want notes that the peer wants to be told of a blob, or no more. What is here is told at once.
func (n *neighbour) want(d Digest, wants bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.news, d)
	if wants {
		n.wants[d], n.all[d], n.takes[d] = true, true, n.local
		if s, ok := n.deals[d]; ok { // it may have begun anew, and know nothing of it
			n.deals[d] = deal{Share: s.Share}
		}
		n.rests = firstTell
		n.poke()
	} else {
		delete(n.wants, d)
		delete(n.all, d)
		delete(n.takes, d)
		delete(n.waits, d)
		delete(n.deals, d)
	}
}

// tellTaking has the peer told what is taken of a blob over the uplink, if it is of this site, and wants to know or has to give way.
func (n *neighbour) tellTaking(d Digest, presses bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.local && (presses || n.wants[d]) {
		n.takes[d] = true
		n.poke()
	}
}

// tellWaits has the peer told that what it asked for of a blob waits for what is of a higher class.
func (n *neighbour) tellWaits(d Digest) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waits[d] = true
	n.hurry()
}

// deal has the peer told its share of a blob, if that is another than before.
func (n *neighbour) deal(d Digest, s planner.Share) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.wants[d] && n.deals[d].Share != s {
		n.deals[d] = deal{Share: s}
		n.hurry()
	}
}

// dealsAmong has the peer told among which sites this node deals a blob, if those are others than before.
func (n *neighbour) dealsAmong(d Digest, askers []asker) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Equal(n.among[d].askers, askers) {
		n.among[d] = among{askers: askers}
		n.hurry()
	}
}

// wantNothing forgets what the peer asked for, with the stream on which it did.
func (n *neighbour) wantNothing() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.wants)
	clear(n.all)
	clear(n.news)
	clear(n.takes)
	clear(n.waits)
	clear(n.deals)
}

func (n *neighbour) wanting(d Digest) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.wants[d]
}

// take returns what is to be sent now, by digest within each kind.
func (n *neighbour) take() []message {
	taking := n.taking() // before the news: what is in neither was not asked for
	n.mu.Lock()
	n.spoke = time.Now()
	var out []message
	for _, d := range sortedDigests(n.asks) {
		out = append(out, message{kind: n.asks[d], digest: d})
	}
	for _, d := range sortedDigests(n.waits) {
		out = append(out, message{kind: msgWaits, digest: d})
	}
	all := sortedDigests(n.all)
	for _, d := range sortedDigests(n.news) {
		for runs := range slices.Chunk(runsOf(n.news[d]), maxGotRuns) {
			out = append(out, message{kind: msgGot, digest: d, runs: runs})
		}
	}
	shares := n.shares() // make sense only after what is here
	clear(n.asks)
	clear(n.waits)
	clear(n.all)
	clear(n.news)
	n.mu.Unlock() // the store may be slow
	for _, d := range all {
		if m, ok := n.swarm.holding(d); ok {
			out = append(out, m)
		}
	}
	return append(append(out, shares...), taking...)
}

// shares returns what it is to be told of how blobs are dealt out. The caller holds mu.
func (n *neighbour) shares() (out []message) {
	for _, d := range sortedDigests(n.deals) {
		if s := n.deals[d]; !s.told {
			out = append(out, message{kind: msgShare, digest: d, share: s.Share})
			n.deals[d] = deal{s.Share, true}
		}
	}
	for _, d := range sortedDigests(n.among) {
		a := n.among[d]
		if !a.told {
			out = append(out, message{kind: msgDeals, digest: d, askers: a.askers})
		}
		if n.among[d] = (among{a.askers, true}); a.askers == nil {
			delete(n.among, d)
		}
	}
	return out
}

// taking returns what it is to be told of what is taken over the uplink.
func (n *neighbour) taking() (out []message) {
	n.mu.Lock()
	of := sortedDigests(n.takes)
	clear(n.takes)
	n.mu.Unlock()
	for _, d := range of {
		if t := n.swarm.task(d); t != nil {
			out = append(out, message{kind: msgTaking, digest: d, runs: t.flying()})
		}
	}
	return out
}

// holding returns the message that says all that is here of a blob, if there is anything to say.
func (s *Swarm) holding(d Digest) (message, bool) {
	o, ok := s.cfg.Store.Object(d)
	if !ok {
		return message{}, false
	}
	if o.Complete() {
		return message{kind: msgWhole, digest: d}, true
	}
	have := o.Have()
	return message{kind: msgBitmap, digest: d, bitmap: have}, have != nil
}

func sortedDigests[V any](m map[Digest]V) []Digest {
	out := make([]Digest, 0, len(m))
	for d := range m {
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b Digest) int { return slices.Compare(a[:], b[:]) })
	return out
}

// runsOf sums chunks up.
func runsOf(chunks []int) []planner.Run {
	slices.Sort(chunks)
	var runs []planner.Run
	for _, i := range slices.Compact(chunks) {
		if k := len(runs) - 1; k >= 0 && runs[k].First+runs[k].Count == i {
			runs[k].Count++
		} else {
			runs = append(runs, planner.Run{First: i, Count: 1})
		}
	}
	return runs
}

// mouth is an open have stream to a peer.
type mouth struct {
	net.Conn
	opened time.Time
	broken atomic.Bool
}

// send carries messages to the peer for as long as it is connected. A stream that breaks is
// opened again, and begins with all that there is to say: what was on the old one may be lost.
func (n *neighbour) send() {
	var out *mouth
	retry := tellRetry
	for {
		select {
		case <-n.ctx.Done():
			out.close()
			return
		case <-n.wake:
		}
		if out != nil && out.broken.Load() {
			out.close()
			if time.Since(out.opened) > maxTellRetry {
				retry = tellRetry
			}
			out = nil
			sleep(n.ctx, retry) // a peer that ends every stream is not to be pestered
			retry = min(2*retry, maxTellRetry)
		}
		if out == nil {
			n.recall()
		}
		batch := n.take()
		if len(batch) == 0 {
			continue
		}
		if out = n.deliver(out, batch); out == nil {
			sleep(n.ctx, retry)
			retry = min(2*retry, maxTellRetry)
			n.poke()
			continue
		}
		n.pause(n.pace(batch))
	}
}

// pause returns early when there is something urgent to say.
func (n *neighbour) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-n.ctx.Done():
	case <-n.urgent:
	case <-t.C:
	}
}

func (m *mouth) close() {
	if m != nil {
		_ = m.Close()
	}
}

// deliver sends a batch, on a new stream if there is none; nil means that it failed.
func (n *neighbour) deliver(out *mouth, batch []message) *mouth {
	if out == nil {
		if out = n.open(); out == nil {
			return nil
		}
	}
	var b []byte
	for _, m := range batch {
		b = m.append(b)
	}
	stop := context.AfterFunc(n.ctx, func() { reset(out.Conn) }) // ends a write that hangs
	defer stop()
	if err := write(out, b); err != nil {
		reset(out.Conn)
		return nil
	}
	for _, m := range batch {
		n.swarm.said(n.id, m)
	}
	return out
}

// open opens a have stream, and has it watched: the peer never writes on it, so that whatever ends
// a read is its end.
func (n *neighbour) open() *mouth {
	ctx, cancel := context.WithTimeout(n.ctx, askTimeout)
	defer cancel()
	conn, err := n.swarm.cfg.Network.Open(ctx, n.id, haveProtocol)
	if err != nil {
		return nil
	}
	out := &mouth{Conn: conn, opened: time.Now()}
	n.swarm.wg.Go(func() {
		_, _ = conn.Read(make([]byte, 1))
		out.broken.Store(true)
		n.poke()
	})
	return out
}

// recall notes all that the peer has to know.
func (n *neighbour) recall() {
	n.swarm.mu.Lock()
	defer n.swarm.mu.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.asks)
	clear(n.news)
	for d, t := range n.swarm.tasks {
		n.ask(t)
		if n.deaf[d] == t {
			n.asks[d] = msgUnwant
		}
	}
	for d := range n.wants {
		n.all[d], n.takes[d] = true, n.local
	}
	for d, s := range n.deals {
		n.deals[d] = deal{Share: s.Share}
	}
	for d, a := range n.among {
		n.among[d] = among{askers: a.askers}
	}
}

// sleep returns early when ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
