package mesh

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	ma "github.com/multiformats/go-multiaddr"

	"selvage/internal/ident"
)

// maxKnown bounds how many nodes a host remembers; at the bound, new ones are passed over.
const maxKnown = 4096

// known is what a host knows of a node that it may dial.
type known struct {
	id       ident.NodeID
	site     string   // "" while it was only heard of
	addrs    []string // multiaddrs without the node's ID, the last that worked first
	fails    int      // dials on end that failed
	next     time.Time
	dialling bool
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
	return id, addr, checkDialable(addr)
}

// checkDialable reports what is wrong with a multiaddr that somebody said can be dialled.
func checkDialable(addr string) error {
	m, err := ma.NewMultiaddr(addr)
	if err != nil {
		return fmt.Errorf("address %q: %w", addr, err)
	}
	if _, err := m.ValueForProtocol(ma.P_QUIC_V1); err != nil || len(addr) > maxAddr {
		return fmt.Errorf("address %q is not one of QUIC over UDP", addr)
	}
	return nil
}

// note adds what was heard of a node; addresses that are new go behind those that are known.
func (h *Host) note(id ident.NodeID, site string, addrs ...string) {
	if id == h.self || id.IsZero() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	k := h.known[id]
	if k == nil {
		if len(h.known) >= maxKnown {
			return
		}
		k = &known{id: id}
		h.known[id] = k
	}
	if site != "" {
		k.site = site
	}
	for _, a := range addrs {
		if !slices.Contains(k.addrs, a) && checkDialable(a) == nil && len(k.addrs) < maxAddrs {
			k.addrs = append(k.addrs, a)
			k.next, k.fails = time.Time{}, 0
		}
	}
	h.wake()
}

// worked puts the address that a connection was made to first.
func (h *Host) worked(id ident.NodeID, site, addr string) {
	h.note(id, site, addr)
	h.mu.Lock()
	defer h.mu.Unlock()
	if k := h.known[id]; k != nil {
		k.fails = 0
		if i := slices.Index(k.addrs, addr); i > 0 {
			k.addrs = slices.Insert(slices.Delete(k.addrs, i, i+1), 0, addr)
		} else if i < 0 && checkDialable(addr) == nil {
			k.addrs = append([]string{addr}, k.addrs[:min(len(k.addrs), maxAddrs-1)]...)
		}
	}
}

// Learn tells the host of nodes by multiaddrs that end in /p2p/NODE; what is none is passed over.
// Nodes that could not be reached are tried again at once.
func (h *Host) Learn(addrs ...string) {
	for _, a := range addrs {
		if id, addr, err := SplitAddr(a); err == nil {
			h.note(id, "", addr)
		}
	}
}

// LearnNode tells the host where a node of a known site says that it is.
func (h *Host) LearnNode(id ident.NodeID, site string, addrs []string) {
	if checkAddrs(addrs) == nil {
		h.note(id, site, addrs...)
	}
}

// saveBook writes where nodes were met.
func (h *Host) saveBook() {
	if h.cfg.Book == nil {
		return
	}
	h.mu.Lock()
	var all []string
	for _, id := range slices.SortedFunc(maps.Keys(h.known), ident.NodeID.Compare) {
		k := h.known[id]
		if k.site == "" || k.fails > 0 {
			continue // never met
		}
		for _, a := range k.addrs {
			all = append(all, a+"/p2p/"+id.String())
		}
	}
	h.mu.Unlock()
	if slices.Equal(all, h.saved) || len(all) == 0 {
		return
	}
	if err := h.cfg.Book.SaveAddresses(all); err != nil {
		h.log.Warn("mesh: cannot keep addresses", "err", err)
		return
	}
	h.saved = all
}
