package mesh

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"selvage/internal/ident"
)

// quietHost is a host that does nothing by itself.
func quietHost(name, site string) *Host {
	return &Host{cfg: Config{Site: site}, log: slog.New(slog.DiscardHandler), self: idOf(name), poke: make(chan struct{}, 1),
		known: map[ident.NodeID]*known{}, members: map[ident.NodeID]*member{}, banned: map[ident.NodeID]time.Time{}}
}

func quicAddr(i int) string {
	return fmt.Sprintf("/ip4/10.%d.%d.%d/udp/4001/quic-v1", i>>16, i>>8&255, i&255)
}

func TestSplitAddr(t *testing.T) {
	id := idOf("a").String()
	for _, s := range []string{"/ip4/10.0.0.1/udp/4001/quic-v1", "/ip6/fd00::1/udp/1/quic-v1", "/dns/node.example/udp/4001/quic-v1", "/dns4/x/udp/1/quic-v1"} {
		if got, addr, err := SplitAddr(s + "/p2p/" + id); err != nil || got != idOf("a") || addr != s {
			t.Errorf("%s: %v %q %v", s, got, addr, err)
		}
	}
	for _, s := range []string{
		"", "/p2p/" + id, "/ip4/10.0.0.1/udp/4001/quic-v1", "/ip4/10.0.0.1/udp/4001/quic-v1/p2p/", "/ip4/10.0.0.1/udp/4001/quic-v1/p2p/nobody",
		"/ip4/10.0.0.1/tcp/4001/p2p/" + id, "/ip4/10.0.0.1/udp/4001/p2p/" + id, "/ip4/10.0.0.1/udp/4001/quic/p2p/" + id,
		"/ip4/10.0.0.1/udp/4001/quic-v1/webtransport/p2p/" + id, "/ip4/10.0.0.1/udp/4001/quic-v1/p2p-circuit/p2p/" + id,
		"/ip4/0.0.0.0/udp/4001/quic-v1/p2p/" + id, "/ip4/224.0.0.251/udp/4001/quic-v1/p2p/" + id, "/ip6/::/udp/4001/quic-v1/p2p/" + id,
		"/ip4/10.0.0.1/udp/0/quic-v1/p2p/" + id, "/ip4/10.0.0.1/udp/70000/quic-v1/p2p/" + id, "/unix/tmp/quic-v1/p2p/" + id,
		"/ip4/10.0.0.1/udp/4001/quic-v1/p2p/" + id + "/p2p/" + id, "/dns/" + strings.Repeat("x", maxAddr) + "/udp/1/quic-v1/p2p/" + id,
	} {
		if _, _, err := SplitAddr(s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
}

func TestJunkMakesRoomForTrueNodes(t *testing.T) {
	h := quietHost("a", "s1")
	tell := func(i int) {
		id := idOf(fmt.Sprint("junk", i))
		h.mu.Lock()
		defer h.mu.Unlock()
		h.overheard(listed{id[:], "s1", []string{quicAddr(i)}})
	}
	h.LearnNode(idOf("mate"), "s1", []string{quicAddr(1)})
	for i := range maxKnown + 100 {
		tell(i)
	}
	if len(h.known) != maxKnown {
		t.Fatalf("%d nodes are known, want the bound of %d", len(h.known), maxKnown)
	}
	for i := range 100 {
		h.LearnNode(idOf(fmt.Sprint("true", i)), "s2", []string{quicAddr(i)})
	}
	for i := range 100 {
		tell(-i)
	}
	h.LearnNode(idOf("late"), "s1", []string{quicAddr(2)})
	for _, name := range []string{"mate", "late", "true0", "true99"} {
		if h.known[idOf(name)] == nil {
			t.Errorf("%s was forgotten for junk", name)
		}
	}
	if len(h.known) != maxKnown {
		t.Errorf("%d nodes are known", len(h.known))
	}
}

func TestMatesMakeRoomAmongTheVouchedFor(t *testing.T) {
	h := quietHost("a", "s1")
	for i := range maxKnown {
		h.LearnNode(idOf(fmt.Sprint("far", i)), "s2", []string{quicAddr(i)})
	}
	h.LearnNode(idOf("far"), "s2", []string{quicAddr(1)})
	h.LearnNode(idOf("mate"), "s1", []string{quicAddr(1)})
	h.Learn(quicAddr(3) + "/p2p/" + idOf("heard").String())
	if h.known[idOf("far")] != nil || h.known[idOf("heard")] != nil || h.known[idOf("mate")] == nil || len(h.known) != maxKnown {
		t.Error("at its bound the host keeps the wrong ones")
	}
}

func TestAddressesOfANodeAreBounded(t *testing.T) {
	h := quietHost("a", "s1")
	id := idOf("b")
	h.LearnNode(id, "s1", []string{quicAddr(1), quicAddr(1), "/dns/evil.example/udp/1/quic-v1", "junk", quicAddr(2)})
	k := h.known[id]
	if !slices.Equal(k.own, []string{quicAddr(1), quicAddr(2)}) {
		t.Errorf("own addresses are %v", k.own)
	}
	for i := range 100 {
		h.mu.Lock()
		h.overheard(listed{id[:], "s9", []string{quicAddr(1000 + i)}})
		h.mu.Unlock()
	}
	if !slices.Equal(k.own, []string{quicAddr(1), quicAddr(2)}) || k.site != "s1" {
		t.Errorf("hearsay replaced what the node says itself: %v at %s", k.own, k.site)
	}
	if len(k.heard) != maxHeard || k.heard[0] != quicAddr(1099) {
		t.Errorf("heard addresses are %v", k.heard)
	}
	var many []string
	for i := range 50 {
		many = append(many, quicAddr(i+1))
	}
	h.LearnNode(id, "", many)
	if len(k.own) != maxAddrs || k.site != "s1" || len(k.addrs()) > 1+maxAddrs+maxHeard {
		t.Errorf("%d own addresses, %d in all, at %q", len(k.own), len(k.addrs()), k.site)
	}
}

func TestSelfIsNotKnown(t *testing.T) {
	h := quietHost("a", "s1")
	h.LearnNode(h.self, "s1", []string{quicAddr(1)})
	h.LearnNode(ident.NodeID{}, "s1", []string{quicAddr(1)})
	h.Learn("junk", quicAddr(1)+"/p2p/"+h.self.String())
	if len(h.known) != 0 {
		t.Errorf("%d nodes are known", len(h.known))
	}
}

func TestHearsayCannotKeepTheBackoffAway(t *testing.T) {
	h := quietHost("a", "s1")
	h.LearnNode(idOf("b"), "s1", []string{quicAddr(1)})
	k, resets := h.known[idOf("b")], 0
	for i := range 100 {
		k.failed(ErrUnknown, backoffFar)
		id := idOf("b")
		h.overheard(listed{id[:], "", []string{quicAddr(100 + i)}})
		if k.fails == 0 {
			resets++
		}
	}
	if resets > 1 {
		t.Errorf("the back-off was given up %d times at once", resets)
	}
}

func TestListFitsItsFrame(t *testing.T) {
	h := quietHost("a", "s1")
	var err error
	if h.codec, err = newCodec(); err != nil {
		t.Fatal(err)
	}
	to := idOf("b")
	h.members[to] = &member{peer: Peer{ID: to, Site: "s1"}}
	long := "/dns/" + strings.Repeat("x", 200) + "/udp/4001/quic-v1"
	for i := range 1000 {
		k := h.entry(idOf(fmt.Sprint(i)), met, "")
		k.site = fmt.Sprint("s", i%2)
		for j := range maxAddrs {
			k.own = append(k.own, fmt.Sprint(long, j))
		}
	}
	all := h.list(to)
	if len(all) < 50 || len(all) > maxListed {
		t.Errorf("%d nodes are told of", len(all))
	}
	if slices.ContainsFunc(all, func(l listed) bool { return l.Site != "s1" }) {
		t.Error("nodes of other sites took the place of mates")
	}
	var b bytes.Buffer
	if err := h.codec.write(&b, maxPeers, all); err != nil {
		t.Error(err)
	}
	if back, err := h.codec.readList(&b); err != nil || len(back) != len(all) {
		t.Errorf("read back %d: %v", len(back), err)
	}
	for id, k := range h.known {
		if k.site == "s1" {
			delete(h.known, id)
		}
	}
	if n := len(h.list(to)); n != maxForeign {
		t.Errorf("%d nodes of other sites are told of", n)
	}
	if n := len(h.list(idOf("nobody"))); n != 0 {
		t.Errorf("a stranger is told of %d nodes", n)
	}
}

// memBook is a Book in memory.
type memBook struct {
	mu    sync.Mutex
	page  []string
	saves int
}

func (b *memBook) LoadAddresses() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.page)
}

func (b *memBook) SaveAddresses(page []string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.page, b.saves = page, b.saves+1
	if b.saves == 1 {
		return fmt.Errorf("disk full") // it is tried again
	}
	return nil
}

func (b *memBook) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.saves
}

func TestBookIsKeptOverRestarts(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		book := &memBook{page: []string{"", "junk", "/p2p/", quicAddr(1) + "/p2p/x", strings.Repeat("/p2p/", 10000)}}
		cfg := nw.config("a", "s1", "10.0.0.1")
		cfg.Book = book
		a, b, c := start(t, cfg), start(t, nw.config("b", "s1", "10.0.0.2")), start(t, nw.config("c", "s2", "10.0.0.3"))
		meet(t, a, b)
		meet(t, a, c)
		time.Sleep(time.Minute)
		if n := book.count(); n > 5 {
			t.Errorf("the book was written %d times in an idle minute", n)
		}
		nw.setCut(func(from, _ net.IP) bool { return from.Equal(mustIP("10.0.0.3")) }) // c cannot be reached
		a.stop()
		a = start(t, cfg)
		soon(t, "a finds its mate again", 2*time.Second, func() bool { return a.knows(b) })
		time.Sleep(10 * time.Minute)
		a.stop() // c is still in the book, though this run never met it
		nw.setCut(nil)
		a = start(t, cfg)
		soon(t, "a finds both again", 2*time.Second, func() bool { return a.knows(b) && a.knows(c) })
		closeAll(a, b, c)
	})
}

func TestBookIsBounded(t *testing.T) {
	h := quietHost("a", "s1")
	for i := range 1000 {
		h.LearnNode(idOf(fmt.Sprint(i)), fmt.Sprint("s", i%4), []string{quicAddr(i)})
		h.Learn(quicAddr(5000+i) + "/p2p/" + idOf(fmt.Sprint("heard", i)).String())
	}
	page := h.page()
	if len(page) != maxBookMates+maxBookFar || !slices.Equal(page, h.page()) {
		t.Errorf("%d addresses in the book", len(page))
	}
	if data, err := json.Marshal(page); err != nil || len(data) > 64<<10 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if _, _, err := SplitAddr(page[0]); err != nil {
		t.Error(err)
	}
}
