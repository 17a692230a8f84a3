package lead

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
	"selvage/internal/ident"
	"selvage/ledger/lease"
)

// site is some nodes in a bubble, with a network between them that loses nothing but what is cut.
type site struct {
	t     *testing.T
	begun time.Time
	nodes []*member
	wg    sync.WaitGroup

	mu  sync.Mutex
	cut map[int]bool // nodes that reach nobody, nor are reached
}

// member is one node; what of it outlives a Lead is here.
type member struct {
	site *site
	i    int
	id   ident.NodeID
	fs   *memdisk.FS

	mu     sync.Mutex
	live   *Lead      // nil while it is down
	votes  *Witnesses // of one that is of another site; nil while it is down
	broken bool       // its disk
	serve  func(from ident.NodeID, conn net.Conn)
	known  []Known
	alerts []string
	syncs  int
	sent   int // messages that it opened a stream for
	begun  []Begun
}

const hop = 2 * time.Millisecond

func id(i int) ident.NodeID { return ident.NodeID{0: 1, 31: byte(i)} }

// play has n nodes up, of which the first is the site's founder, and takes them down after do.
func play(t *testing.T, n int, do func(t *testing.T, s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &site{t: t, begun: time.Now(), cut: map[int]bool{}}
		for i := range n {
			s.nodes = append(s.nodes, &member{site: s, i: i, id: id(i), fs: memdisk.New(0)})
		}
		for _, m := range s.nodes {
			m.start()
		}
		do(t, s)
		for _, m := range s.nodes {
			m.crash()
		}
		s.wg.Wait()
	})
}

func (m *member) start() {
	s := m.site
	m.set(Start(Config{
		Self: m.id, Site: "store", Settings: lease.Defaults(), FS: countingFS{m.fs, m}, Network: m, Clock: func() time.Duration { return time.Since(s.begun) },
		InSite: func(n ident.NodeID) bool {
			return slices.ContainsFunc(s.nodes, func(o *member) bool { return o.id == n && !o.isWitness() })
		},
		Founder: m.i == 0, Known: m.told, Mates: s.mates, Publish: m.publish, Record: m.record, Logger: slog.New(slog.DiscardHandler),
		Alert: func(text string) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.alerts = append(m.alerts, text)
		},
		Held: func(lease.Token) { s.alone(m) },
	}))
}

// isWitness reports whether a node is of another site.
func (m *member) isWitness() bool { return m.i >= witnesses }

// witnesses is the number from which on nodes are of another site.
const witnesses = 100

// addWitness has a node of another site that may vote, once it is named.
func (s *site) addWitness() *member {
	i := witnesses + len(s.nodes)
	m := &member{site: s, i: i, id: id(i), fs: memdisk.New(0)}
	s.nodes = append(s.nodes, m)
	m.witness()
	return m
}

// witness brings a witness up.
func (m *member) witness() {
	s := m.site
	w := NewWitnesses(WitnessConfig{Self: m.id, Settings: lease.Defaults(), FS: m.fs, Network: m, Clock: func() time.Duration { return time.Since(s.begun) },
		IsOf: func(n ident.NodeID, site string) bool { return site == "store" && n[31] < witnesses }, Alert: func(string) {}, Logger: slog.New(slog.DiscardHandler)})
	w.Serve([]string{"store", "elsewhere"})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.votes = w
}

func (m *member) isUp() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.live != nil || m.votes != nil
}

func (m *member) set(l *Lead) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.live = l
}

func (m *member) lead() *Lead {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.live
}

func (m *member) said() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.alerts, "\n")
}

// alone fails the test if another node leads while m does.
func (s *site) alone(m *member) {
	for _, o := range s.nodes {
		l := o.lead()
		if o == m || l == nil {
			continue
		}
		if token, leads := l.Active(); leads {
			s.t.Errorf("at %v node %d leads, and node %d does with %v", time.Since(s.begun), m.i, o.i, token)
		}
	}
}

// crash ends a node without a word to the others.
func (m *member) crash() {
	m.mu.Lock()
	votes := m.votes
	m.votes = nil
	m.mu.Unlock()
	if votes != nil {
		votes.Close()
	}
	l := m.lead()
	if l == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = l.Close(ctx) // it is in a hurry
	m.set(nil)
}

func (s *site) mates() []Mate {
	var out []Mate
	for _, m := range s.nodes {
		out = append(out, Mate{Node: m.id, Up: m.isUp() && !s.isCut(m.i), Witness: m.isWitness()})
	}
	return out
}

func (s *site) isCut(i int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cut[i]
}

func (s *site) setCut(i int, cut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut[i] = cut
}

// leader is the node that leads; nil if none does.
func (s *site) leader() *member {
	for _, m := range s.nodes {
		if l := m.lead(); l != nil {
			if _, ok := l.Active(); ok {
				return m
			}
		}
	}
	return nil
}

// await waits until ok, or fails the test.
func (s *site) await(what string, most time.Duration, ok func() bool) time.Duration {
	s.t.Helper()
	begin := time.Now()
	for !ok() {
		if time.Since(begin) > most {
			s.t.Fatalf("not within %v: %s", most, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(begin)
}

// settle waits until the first node leads and so many vote.
func (s *site) settle(voters int) {
	s.t.Helper()
	s.await(fmt.Sprintf("%d voters", voters), time.Minute, func() bool {
		l := s.leader()
		return l == s.nodes[0] && len(l.lead().View().Config.Voters) == voters
	})
}

func (m *member) told() []Known {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.known
}

func (m *member) publish(h lease.Held) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known = append(m.known, Known{m.id, h})
	return nil
}

func (m *member) record(b Begun) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.begun = append(m.begun, b)
	return nil
}

// terms are all that were recorded, by token.
func (s *site) terms() []Begun {
	var out []Begun
	for _, m := range s.nodes {
		m.mu.Lock()
		out = append(out, m.begun...)
		m.mu.Unlock()
	}
	slices.SortFunc(out, func(a, b Begun) int { return a.Token.Compare(b.Token) })
	return out
}

func (m *member) Handle(_ string, serve func(ident.NodeID, net.Conn)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.serve = serve
}

func (m *member) handler() func(ident.NodeID, net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.serve
}

var errCut = errors.New("cut")

func (m *member) Open(_ context.Context, to ident.NodeID, _ string) (net.Conn, error) {
	s := m.site
	m.mu.Lock()
	m.sent++
	m.mu.Unlock()
	time.Sleep(hop)
	for _, o := range s.nodes {
		if o.id == to && o.isUp() && !s.isCut(o.i) && !s.isCut(m.i) {
			a, b := net.Pipe()
			s.wg.Go(func() { o.handler()(m.id, b) })
			return a, nil
		}
	}
	return nil, errCut
}

// countingFS counts what is made durable, and can break.
type countingFS struct {
	disk.FS
	m *member
}

func (f countingFS) OpenFile(name string, flag int, perm os.FileMode) (disk.File, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.m.broken && flag&os.O_CREATE != 0 {
		return nil, disk.ErrFull
	}
	return f.FS.OpenFile(name, flag, perm)
}

func (f countingFS) SyncDir(name string) error {
	f.m.mu.Lock()
	f.m.syncs++
	f.m.mu.Unlock()
	return f.FS.SyncDir(name)
}

func (m *member) setBroken(b bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = b
}

// count reads a counter of all nodes.
func (s *site) count(of func(*member) int) (n int) {
	for _, m := range s.nodes {
		m.mu.Lock()
		n += of(m)
		m.mu.Unlock()
	}
	return n
}
