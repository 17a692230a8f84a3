package mesh

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"selvage/internal/ident"
)

// Bounds of what a host remembers.
const (
	maxKnown = 4096 // nodes; at the bound the least trusted make room for those that are trusted more
	maxHeard = 8    // addresses of a node by hearsay; at the bound the oldest goes
	// A node's back-off is given up at most this often, whatever is heard of it.
	spurGap = 5 * time.Second
	// A connection that ends sooner counts as a failed dial.
	shortLife = 5 * time.Second
	// Of the book: nodes of the own site, and others.
	maxBookMates, maxBookFar = 64, 32
	bookPeriod               = 5 * time.Second
)

var errShort = errors.New("the connection did not last")

// trust is what a host has that a node is one of its fleet.
type trust int

const (
	heard   trust = iota // somebody said so
	vouched              // the ledger, or the book of an earlier run
	met                  // it was admitted
)

// known is what a host knows of a node that it may dial.
type known struct {
	id      ident.NodeID
	text    string // of the ID
	rank    uint64
	site    string // "" while only an address is known
	trust   trust
	since   time.Time // when it was first heard of
	reached string    // where the last dial came through
	own     []string  // where it says that it is
	heard   []string  // where others say that it is, the newest first
	fails   int       // dials on end that failed
	last    error     // of the last one
	next    time.Time // no dial by the host's own choice before
	tried   time.Time // the last dial's start
	spurred time.Time
	attempt *attempt // the dial that is under way
}

// addrs returns all places to dial, at most 1 + maxAddrs + maxHeard multiaddrs without the node's ID.
func (k *known) addrs() []string {
	var out []string
	for _, a := range slices.Concat([]string{k.reached}, k.own, k.heard) {
		if a != "" && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// has reports whether an address is one of addrs.
func (k *known) has(a string) bool {
	return a == k.reached || slices.Contains(k.own, a) || slices.Contains(k.heard, a)
}

// failed counts a dial that failed.
func (k *known) failed(err error, most time.Duration) {
	k.fails++
	k.last = err
	k.next = time.Now().Add(backoff(k.fails, most, rand.Float64()))
}

// spur gives up the back-off, since there is reason to think that the node can be reached.
func (k *known) spur() {
	if now := time.Now(); now.Sub(k.spurred) >= spurGap {
		k.spurred, k.next, k.fails, k.tried = now, time.Time{}, 0, time.Time{}
	}
}

// most returns the bound of a node's back-off.
func (h *Host) most(k *known) time.Duration {
	if k.site == h.cfg.Site {
		return backoffMate
	}
	return backoffFar
}

// SplitAddr takes a multiaddr with a node's ID at its end apart.
func SplitAddr(s string) (ident.NodeID, string, error) {
	addr, tail, ok := strings.Cut(s, "/p2p/")
	if !ok {
		return ident.NodeID{}, "", fmt.Errorf("address %q does not end in /p2p/NODE", s)
	}
	id, err := ident.Parse(tail)
	if err != nil {
		return ident.NodeID{}, "", err
	}
	if err := checkDialable(addr); err != nil {
		return ident.NodeID{}, "", err
	}
	return id, addr, nil
}

// checkDialable reports what is wrong with a multiaddr that somebody said can be dialled: it must
// be an IP address or a name of DNS, a port of UDP, and QUIC, and nothing else.
func checkDialable(addr string) error {
	bad := fmt.Errorf("address %.64q is not one of QUIC over UDP", addr)
	if len(addr) > maxAddr {
		return bad
	}
	m, err := ma.NewMultiaddr(addr)
	if err != nil {
		return fmt.Errorf("address %.64q: %w", addr, err)
	}
	if len(m) != 3 || m[1].Code() != ma.P_UDP || m[2].Code() != ma.P_QUIC_V1 {
		return bad
	}
	switch m[0].Code() {
	case ma.P_DNS, ma.P_DNS4, ma.P_DNS6:
	case ma.P_IP4, ma.P_IP6:
		if ip, err := manet.ToIP(m); err != nil || ip.IsUnspecified() || ip.IsMulticast() {
			return fmt.Errorf("address %.64q is nobody's own", addr)
		}
	default:
		return bad
	}
	if port, err := strconv.Atoi(m[1].Value()); err != nil || port == 0 {
		return fmt.Errorf("address %.64q has no port", addr)
	}
	return nil
}

// ofPeers picks the addresses that are taken from a peer: those that can be dialled without asking
// DNS, which would be at the peer's bidding. Their form is kept short, as it is stored.
func ofPeers(addrs []string) (out []string) {
	for _, a := range addrs {
		if len(out) < maxAddrs && checkDialable(a) == nil && !strings.HasPrefix(a, "/dns") && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// entry returns what is known of a node, making it known if there is room. The caller holds mu.
func (h *Host) entry(id ident.NodeID, t trust, site string) *known {
	if id == h.self || id.IsZero() {
		return nil
	}
	h.learned++
	k := h.known[id]
	if k == nil {
		if len(h.known) >= maxKnown && !h.forget(h.worth(t, site)) {
			return nil
		}
		k = &known{id: id, text: id.String(), rank: affinity(h.self, id), since: time.Now()}
		h.known[id] = k
		at, _ := slices.BinarySearchFunc(h.ranked, k, compareRank)
		h.ranked = slices.Insert(h.ranked, at, k)
	}
	k.trust = max(k.trust, t)
	return k
}

// worth orders nodes by how much the host wants to keep them: by trust, then those of its own site
// first. Hearsay can claim any site.
func (h *Host) worth(t trust, site string) int {
	if t != heard && site == h.cfg.Site {
		return 2*int(t) + 1
	}
	return 2 * int(t)
}

// forget makes room for a node: it drops the one that is worth least, of these the one that failed
// most, of these the one that is known longest. Nobody is dropped for another of equal worth, but
// hearsay for hearsay, so that junk cannot sit on all places. It reports whether it could. The
// caller holds mu.
func (h *Host) forget(worth int) bool {
	var worst *known
	for id, k := range h.known {
		w := h.worth(k.trust, k.site)
		if w > worth || w == worth && k.trust != heard || k.attempt != nil || h.members[id] != nil {
			continue
		}
		if worst == nil || cmp.Or(cmp.Compare(w, h.worth(worst.trust, worst.site)), cmp.Compare(worst.fails, k.fails),
			k.since.Compare(worst.since), k.id.Compare(worst.id)) < 0 {
			worst = k
		}
	}
	if worst == nil {
		return false
	}
	delete(h.known, worst.id)
	if at, ok := slices.BinarySearchFunc(h.ranked, worst, compareRank); ok {
		h.ranked = slices.Delete(h.ranked, at, at+1)
	}
	return true
}

// compareRank orders nodes as the host prefers them.
func compareRank(a, b *known) int { return cmp.Or(cmp.Compare(a.rank, b.rank), a.id.Compare(b.id)) }

// hear adds an address of a node by hearsay. The caller holds mu.
func (k *known) hear(addr string) (isNew bool) {
	if k.has(addr) {
		return false
	}
	k.heard = append([]string{addr}, k.heard[:min(len(k.heard), maxHeard-1)]...)
	return true
}

// Learn tells the host of nodes by multiaddrs that end in /p2p/NODE; what is none is passed over.
// Nodes that could not be reached are tried again at once, if that was not done just now.
func (h *Host) Learn(addrs ...string) { h.learn(heard, addrs) }

func (h *Host) learn(t trust, addrs []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range addrs {
		h.locate(t, a)
	}
	h.wake()
}

// learnNear is Learn for a node that was heard on the LAN: it is likely to be of the own site, and tried as such.
func (h *Host) learnNear(addr string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if k := h.locate(heard, addr); k != nil && k.trust == heard && k.site == "" {
		k.site = h.cfg.Site
	}
	h.wake()
}

// locate takes in a multiaddr that ends in /p2p/NODE; nil if it is none, or there is no room. The caller holds mu.
func (h *Host) locate(t trust, addr string) *known {
	id, addr, err := SplitAddr(addr)
	if err != nil {
		return nil
	}
	k := h.entry(id, t, "")
	if k != nil {
		k.hear(addr)
		k.spur()
	}
	return k
}

// LearnNode tells the host where a node of a known site says that it is. The caller knows that the
// node is one of the fleet.
func (h *Host) LearnNode(id ident.NodeID, site string, addrs []string) {
	addrs = ofPeers(addrs)
	h.mu.Lock()
	defer h.mu.Unlock()
	k := h.entry(id, vouched, site)
	if k == nil {
		return
	}
	k.site = cmp.Or(site, k.site)
	h.moved(k, addrs)
	h.wake()
}

// moved takes in where a node says that it is. The caller holds mu.
func (h *Host) moved(k *known, addrs []string) {
	if len(addrs) == 0 {
		return
	}
	news := slices.ContainsFunc(addrs, func(a string) bool { return !k.has(a) })
	k.own = addrs
	if news {
		k.spur()
	}
}

// overheard takes in what a peer says of another node. The caller holds mu.
func (h *Host) overheard(l listed) {
	k := h.entry(ident.NodeID(l.Node), heard, "")
	if k == nil {
		return
	}
	if k.trust == heard && l.Site != "" {
		k.site = l.Site // no more than a hint of whom to try first
	}
	news := false
	for _, a := range ofPeers(l.Addrs) {
		news = k.hear(a) || news
	}
	if news {
		k.spur()
	}
}

// met takes in a node that was admitted, and what is likely because of it. The caller holds mu.
func (h *Host) met(l *link, addrs []string) {
	k := h.entry(l.remote, met, l.peer.Site)
	if k == nil {
		return
	}
	k.site, k.fails, k.last, k.next = l.peer.Site, 0, nil, time.Time{}
	if addrs := ofPeers(addrs); len(addrs) > 0 {
		k.own = addrs
	}
	if !l.inbound {
		k.reached = l.conn.RemoteMultiaddr().String()
	}
	for id, o := range h.known { // where one can be reached again, its neighbours may be
		if o.site == k.site && o.fails > 0 && h.members[id] == nil {
			o.spur()
		}
	}
	h.wake()
}

// learnSite keeps where a node is that was not let in now.
func (h *Host) learnSite(id ident.NodeID, site string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if k := h.known[id]; k != nil && site != "" {
		h.learned++
		k.site = site
	}
}

// loadBook tries out where nodes were in an earlier run.
func (h *Host) loadBook() {
	if h.cfg.Book == nil {
		return
	}
	addrs := h.cfg.Book.LoadAddresses()
	h.learn(vouched, addrs[:min(len(addrs), (maxBookMates+maxBookFar)*(1+maxAddrs+maxHeard))])
}

// keepBook writes down where nodes are, when that has changed, and at the end.
func (h *Host) keepBook() {
	if h.cfg.Book == nil {
		return
	}
	tick := time.NewTicker(bookPeriod)
	defer tick.Stop()
	var saved []string
	seen := uint64(0)
	for over := false; !over; {
		select {
		case <-tick.C:
		case <-h.ctx.Done():
			over = true
		}
		h.mu.Lock()
		learned := h.learned
		h.mu.Unlock()
		if learned == seen {
			continue
		}
		page := h.page()
		if len(page) == 0 || slices.Equal(page, saved) {
			seen = learned
			continue
		}
		if err := h.cfg.Book.SaveAddresses(page); err != nil {
			h.log.Warn("mesh: cannot keep addresses", "err", err)
			continue
		}
		saved, seen = page, learned
	}
}

// page returns what the book is to hold: where trusted nodes are, whether they answer now or not.
func (h *Host) page() (out []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	mates, far := maxBookMates, maxBookFar
	for _, k := range h.ranked {
		room := &far
		if k.site == h.cfg.Site {
			room = &mates
		}
		if k.trust == heard || *room == 0 {
			continue
		}
		addrs := k.addrs()
		if len(addrs) == 0 {
			continue
		}
		*room--
		for _, a := range addrs {
			out = append(out, a+"/p2p/"+k.text)
		}
	}
	return out
}

func values[K comparable, V any](m map[K]V) []V { return slices.Collect(maps.Values(m)) }
