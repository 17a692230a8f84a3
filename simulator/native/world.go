package native

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"sync"
	"testing/synctest"
	"time"

	"selvage/internal/disk/memdisk"
	"selvage/ledger"
	"selvage/ledger/memlog"
	"selvage/ledger/trust"
	"selvage/node/home"
	"selvage/simulator"
	"selvage/simulator/network"
	"selvage/simulator/scenario"
)

// world is everything that a story takes place in. Its story's goroutine alone changes it; nodes
// call changed and the trace from theirs.
type world struct {
	scenario scenario.Scenario
	rand     *mrand.Rand // of what a power cut leaves; drawn from by the story's goroutine only
	keys     io.Reader   // likewise
	firsts   io.Reader   // likewise, of the tickets of first nodes: nodes draw their keys from keys alone
	net      *network.Net
	trace    *simulator.Trace
	wake     chan struct{} // holds one: something has changed
	settled  uint64        // how often all goroutines were waited for; changed and read by the story's goroutine only
	wg       sync.WaitGroup
	verified verified
	shelf    ledger.Shelf
	leaders  leaders

	singletons exclusive
	locks      exclusive
	mirrors    *mirrors
	degraded   simulator.Degraded
	ending     context.Context // ends when the story does
	end        context.CancelFunc

	lockers int // how many programs take locks: none has another's claims

	operator ed25519.PrivateKey
	chain    *trust.Chain
	machines []*machine // in the order of the scenario
	byName   map[string]*machine
}

var (
	_ simulator.Stage   = (*world)(nil)
	_ simulator.Counter = (*world)(nil)
)

// tick is how often packets are handed over: in a large fleet less often, so that more of its nodes work at one
// moment of virtual time, of which there are fewer. 200 nodes that joined and took a release needed 116 s of
// processor time at 50 µs, 91 s at 2 ms and 81 s at 10 ms; a fleet of 1,000 has its packets up to 9 ms later.
func tick(s scenario.Scenario) time.Duration {
	const few, each = 100, 10 * time.Microsecond
	nodes := 0
	for _, site := range s.Sites {
		nodes += site.Nodes
	}
	return network.DefaultTick + time.Duration(max(0, nodes-few))*each
}

// newWorld lays the network; nobody is there yet.
func newWorld(s scenario.Scenario) (*world, error) {
	w := &world{scenario: s, rand: simulator.Rand(s.Seed, "disks"), keys: simulator.ChaCha(s.Seed, "keys"),
		firsts: simulator.ChaCha(s.Seed, "firsts"), trace: simulator.NewTrace(),
		wake: make(chan struct{}, 1), byName: map[string]*machine{}, singletons: exclusive{again: true}}
	w.ending, w.end = context.WithCancel(context.Background())
	var err error
	if w.net, err = network.New(network.Config{Rand: simulator.ChaCha(s.Seed, "network"), Tick: tick(s)}); err != nil {
		return nil, err
	}
	w.operator = w.newKey()
	for _, site := range s.Sites {
		if err := w.addSite(site); err != nil {
			_ = w.net.Close() // the first error says what is wrong
			return nil, err
		}
	}
	w.mirrors = newMirrors(s)
	return w, nil
}

// addSite adds a site with the machines that it has from the start.
func (w *world) addSite(site scenario.Site) error {
	if _, err := w.net.AddSite(site.Name, simulator.SiteConfig(site)); err != nil {
		return fmt.Errorf("site %s: %w", site.Name, err)
	}
	for i := range site.Nodes {
		if _, err := w.addMachine(site.Name, fmt.Sprint("n", i)); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) newKey() ed25519.PrivateKey {
	var seed [ed25519.SeedSize]byte
	_, _ = io.ReadFull(w.keys, seed[:]) // a generator never ends
	return ed25519.NewKeyFromSeed(seed[:])
}

func (w *world) addMachine(site, name string) (*machine, error) {
	host, err := w.net.Site(site).AddHost(name)
	if err != nil {
		return nil, fmt.Errorf("node %s/%s: %w", site, name, err)
	}
	m := &machine{world: w, site: site, name: name, host: host, fs: memdisk.New(0), log: new(memlog.Log)}
	m.clock.made = time.Now()
	m.clock.since = m.clock.made
	w.machines = append(w.machines, m)
	w.byName[m.String()] = m
	return m, nil
}

// Machines implements simulator.Stage.
func (w *world) Machines() []simulator.Machine {
	out := make([]simulator.Machine, len(w.machines))
	for i, m := range w.machines {
		out[i] = m
	}
	return out
}

// Traffic implements simulator.Stage.
func (w *world) Traffic(site string) (down, up int64) {
	c := w.net.Site(site).Counters()
	return c.Down.Bytes, c.Up.Bytes
}

// Crossed implements simulator.Counter.
func (w *world) Crossed(site string) [6]int64 {
	c := w.net.Site(site).Counters()
	return [...]int64{c.Down.Packets, c.Down.Bytes, c.Up.Packets, c.Up.Bytes, c.LAN.Packets, c.LAN.Bytes}
}

// Settle implements simulator.Stage: it waits until all goroutines wait.
func (w *world) Settle() {
	synctest.Wait()
	w.settled++
}

// Changed implements simulator.Stage.
func (w *world) Changed() <-chan struct{} { return w.wake }

// changed has the story look at the world again. It never blocks.
func (w *world) changed() {
	select {
	case w.wake <- struct{}{}:
	default: // it is about to look
	}
}

// Found implements simulator.Stage.
func (w *world) Found() error {
	first := w.machines[0]
	key := w.newKey()
	chain, cred, err := trust.Found("sim", first.site, first.NodeName(), w.operator, key.Public().(ed25519.PublicKey), time.Now(), w.keys)
	if err != nil {
		return err
	}
	w.chain = chain
	if err := first.create(key, home.Card{Site: first.site, Fleet: chain.Fleet(), Credential: cred.Marshal(), Charters: chain.Envelopes()}); err != nil {
		return err
	}
	if err := first.start(); err != nil {
		return err
	}
	firsts, tickets := map[string]trust.Ticket{}, map[string]trust.Ticket{}
	for i, site := range w.scenario.Sites {
		if i > 0 { // the founder is the first of its own
			if firsts[site.Name], err = w.ticket(site.Name, site.Labels, 1, w.firsts); err != nil {
				return err
			}
		}
		if tickets[site.Name], err = w.ticket(site.Name, site.Labels, max(1, site.Nodes), nil); err != nil {
			return err
		}
	}
	for _, m := range w.machines[1:] {
		ticket, first := firsts[m.site]
		if !first {
			ticket = tickets[m.site]
		}
		delete(firsts, m.site)
		if err := m.enrol(ticket); err != nil {
			return fmt.Errorf("enrol %s: %w", m, err)
		}
		if err := m.start(); err != nil {
			return err
		}
	}
	return nil
}

// maxBootstrap is how many addresses a ticket carries.
const maxBootstrap = 4

// ticket invites machines to a site, as 'selvage invite' does. It names the founder and the
// first machines of the site. With first, from which it is drawn then, who joins with it is the site's first node.
func (w *world) ticket(site string, labels map[string]string, uses int, first io.Reader) (trust.Ticket, error) {
	var addrs []string
	for i, m := range w.machines {
		if n := m.awake(); n != nil && (i == 0 || m.site == site) && len(addrs) < maxBootstrap {
			addrs = append(addrs, n.Status().Addresses...)
		}
	}
	from := w.keys
	if first != nil {
		from = first
	}
	now := time.Now().UTC()
	return trust.NewTicket(trust.Invite{Fleet: w.chain.Fleet(), Site: site, Labels: labels, Uses: uses, First: first != nil, Issued: now, Expires: now.Add(24 * time.Hour),
		Bootstrap: addrs[:min(len(addrs), maxBootstrap)]}, from, w.operator)
}

// Close implements simulator.Stage.
func (w *world) Close() error {
	w.end()
	var g sync.WaitGroup
	errs := make([]error, len(w.machines))
	for i, m := range w.machines {
		m.stillness.wake()
		g.Go(func() { errs[i] = m.stop() })
	}
	g.Wait()
	w.mirrors.close()
	w.wg.Wait()
	return errors.Join(append(errs, w.net.Close())...)
}
