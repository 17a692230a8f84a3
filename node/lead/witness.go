package lead

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"slices"
	"time"

	"selvage/internal/disk"
	"selvage/internal/frame"
	"selvage/internal/ident"
	"selvage/internal/lock"
	"selvage/ledger/lease"
)

// WitnessConfig is what Witnesses work with. All fields must be set.
type WitnessConfig struct {
	Self     ident.NodeID
	Settings lease.Settings
	FS       disk.FS // where the records are kept
	Network  Network
	// IsOf reports whether a node is an admitted one of a site. It must not wait for the disk.
	IsOf   func(id ident.NodeID, site string) bool
	Clock  func() time.Duration // as in Config
	Alert  func(string)
	Logger *slog.Logger
}

// Witnesses are the votes of one node on who leads other sites: it grants leases there, and never has one. It is safe for
// concurrent use.
type Witnesses struct {
	cfg WitnessConfig

	mu     lock.Mutex
	votes  map[string]*Lead // by site
	closed bool
}

// NewWitnesses serves who asks for a vote. There is none until Serve says for which sites.
func NewWitnesses(cfg WitnessConfig) *Witnesses {
	w := &Witnesses{cfg: cfg, votes: map[string]*Lead{}}
	cfg.Network.Handle(witnessProtocol, w.serve)
	return w
}

// Serve has the node vote for these sites, and for no others. It waits for what it ends. A site that comes again finds what was
// promised it.
func (w *Witnesses) Serve(sites []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	for _, site := range slices.Sorted(maps.Keys(w.votes)) {
		if !slices.Contains(sites, site) {
			w.end(site)
		}
	}
	for _, site := range sites {
		if w.votes[site] == nil {
			w.votes[site] = w.start(site)
		}
	}
}

// Close ends all votes, and waits for what they have begun.
func (w *Witnesses) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, site := range slices.Sorted(maps.Keys(w.votes)) {
		w.end(site)
	}
}

func (w *Witnesses) start(site string) *Lead {
	w.cfg.Logger.Info("lead: votes for another site", "at", site)
	return Start(Config{
		Self: w.cfg.Self, Site: site, witness: true, Settings: w.cfg.Settings, FS: w.cfg.FS, Network: w.cfg.Network, Clock: w.cfg.Clock,
		InSite: func(id ident.NodeID) bool { return w.cfg.IsOf(id, site) },
		Known:  func() []Known { return nil }, Mates: func() []Mate { return nil }, Publish: func(lease.Held) error { return nil }, Record: func(Begun) error { return nil },
		Alert: func(text string) { w.cfg.Alert("as a witness for site " + site + ": " + text) }, Logger: w.cfg.Logger,
	})
}

// end ends the vote for a site. The caller holds mu.
func (w *Witnesses) end(site string) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = w.votes[site].Close(ctx) // it holds no lease that it could give up
	delete(w.votes, site)
	w.cfg.Logger.Info("lead: votes no more for another site", "at", site)
}

// serve finds out whose lease a stream is about.
func (w *Witnesses) serve(from ident.NodeID, conn net.Conn) {
	if conn.SetDeadline(time.Now().Add(wireTimeout)) != nil {
		conn.Close()
		return
	}
	site, err := frame.Read(conn, maxSite)
	if err != nil {
		conn.Close()
		return
	}
	w.mu.Lock()
	l := w.votes[string(site)]
	w.mu.Unlock()
	if l == nil {
		conn.Close()
		return
	}
	l.serve(from, conn)
}
