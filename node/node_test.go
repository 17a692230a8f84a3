package node

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"selvage/gossip"
	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
	"selvage/ledger"
	"selvage/ledger/memlog"
	"selvage/node/api"
	"selvage/node/home"
)

func TestReleaseReachesEveryNode(t *testing.T) {
	t.Parallel()
	f := found(t)
	all := []*machine{f.founder, f.join("a", "a2"), f.join("b", "b1"), f.join("b", "b2")}
	b2 := all[3]
	eventually(t, "b2 knows four nodes", func() bool { return len(b2.Nodes()) == 4 })
	added, err := f.seed(b2, "app@v1", content(1, 300<<10))
	if err != nil {
		t.Fatal(err)
	}
	f.deploy(b2, "app@v1")
	for _, m := range all {
		eventually(t, m.home.Name+" runs app@v1", func() bool { return m.runs("app@v1") })
		data, err := disk.ReadFile(m.fs, "run/app/current/f", 1<<20)
		if err != nil || !bytes.Equal(data, content(1, 300<<10)) {
			t.Errorf("%s has %d bytes in place, %v", m.home.Name, len(data), err)
		}
	}
	eventually(t, "the founder sees all of it", func() bool {
		r, err := f.founder.Rollout("app")
		return err == nil && r.Done && r.Ready == 4
	})
	holders, err := f.founder.Holders(t.Context(), "app@v1", "")
	if err != nil || len(holders) != 4 {
		t.Errorf("holders: %+v, %v", holders, err)
	}
	for _, b := range f.founder.Blobs() {
		if b.Digest != added.Digest || !b.Complete || b.CompletedAt == nil || !slices.Equal(b.Releases, []string{"app@v1"}) {
			t.Errorf("blob %+v", b)
		}
	}
}

// TestSameReleaseDeclaredAnew: 'rollout status' does not take the old declaration's ready for the new one's.
func TestSameReleaseDeclaredAnew(t *testing.T) {
	t.Parallel()
	f := found(t)
	if _, err := f.seed(f.founder, "app@v1", content(1, 1000)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		f.deploy(f.founder, "app@v1")
		if r, err := f.founder.Rollout("app"); err != nil || r.Done {
			t.Errorf("done at once: %+v, %v", r, err)
		}
		eventually(t, "it runs", func() bool { r, err := f.founder.Rollout("app"); return err == nil && r.Done })
	}
}

func TestTickets(t *testing.T) {
	t.Parallel()
	f := found(t)
	now := time.Now()
	for _, c := range []struct {
		what  string
		m     *machine
		words []string
	}{
		{"a ticket signed by a stranger", f.enrol(f.ticket("b", 1, time.Hour, newKey(t)), "s1", now), []string{"not signed by a key that holds the role admit"}},
		// Its clock says 1970, so Bind let it through; the fleet's does not.
		{"an expired ticket, used by the clock of 1970", f.enrol(f.ticket("b", 1, -time.Minute), "s2", time.Unix(0, 0)), []string{"ticket has expired on"}},
	} {
		c.m.start()
		eventually(t, c.what+" is refused, with the reason", func() bool { return c.m.alerted(c.words...) })
		if len(f.founder.Nodes()) != 1 {
			t.Errorf("%s let a node in", c.what)
		}
		if c.m.Status().Admitted && c.what == "a ticket signed by a stranger" {
			t.Errorf("%s: it believes that it is admitted", c.what)
		}
		if _, err := f.seed(c.m, "app@v1", content(1, 1000)); err == nil && c.what == "a ticket signed by a stranger" {
			t.Errorf("%s: a release could be published at it", c.what)
		}
	}
}

func TestReusedTicket(t *testing.T) {
	t.Parallel()
	f := found(t)
	ticket := f.ticket("b", 1, time.Hour)
	b1 := f.enrol(ticket, "b1", time.Now())
	b1.start()
	eventually(t, "b1 is in", func() bool { return len(f.founder.Nodes()) == 2 })
	b2 := f.enrol(ticket, "b2", time.Now())
	b2.start()
	eventually(t, "b2 is told why not", func() bool { return b2.alerted("does not let this node in", "used up", "b1") })
	eventually(t, "the founder names it", func() bool { return f.founder.alerted("was not let in", "used up") })
	if n := len(f.founder.Nodes()); n != 2 {
		t.Errorf("%d nodes are in", n)
	}
}

// TestClockOf1970: a machine without a clock joins, and takes the time from what operators signed.
func TestClockOf1970(t *testing.T) {
	t.Parallel()
	f := found(t)
	if _, err := f.seed(f.founder, "app@v1", content(1, 1000)); err != nil {
		t.Fatal(err)
	}
	f.deploy(f.founder, "app@v1")
	start := time.Now()
	epoch := func() time.Time { return time.Unix(0, 0).Add(time.Since(start)) }
	m := f.enrol(f.ticket("b", 1, time.Hour), "b1", epoch())
	m.now = epoch
	m.start()
	eventually(t, "it runs app@v1", func() bool { return m.runs("app@v1") })
	if got := m.Status().Time; got.Before(start.Add(-time.Minute)) {
		t.Errorf("it believes that it is %s", got)
	}
	eventually(t, "and the founder sees it", func() bool { r, err := f.founder.Rollout("app"); return err == nil && r.Ready == 2 })
}

func TestStatementsOfStrangers(t *testing.T) {
	t.Parallel()
	f := found(t)
	var refusal *api.Error
	if _, err := f.seed(f.founder, "app@v1", content(1, 1000), newKey(t)); !errors.As(err, &refusal) || refusal.Hint == "" || !strings.Contains(err.Error(), "role release") {
		t.Errorf("a release signed by a stranger: %v", err)
	}
	added, err := f.seed(f.founder, "app@v2", content(2, 1000))
	if err != nil {
		t.Fatal(err)
	}
	env, err := ledger.SignRelease(ledger.Release{Name: "app", Version: "v3", Type: "bundle", Created: time.Now().UTC(),
		Artifacts: []ledger.Artifact{{Platform: "any", Digest: added.Digest, Size: added.Size, Root: added.Root}}}, f.operator)
	if err != nil {
		t.Fatal(err)
	}
	good := marshalJSON(t, env)
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 1
		if digest, err := f.founder.Publish(api.KindRelease, bad); err == nil && !strings.Contains(string(bad), env.Payload) {
			t.Fatalf("altered at byte %d it counts, as %s", i, digest)
		}
	}
	if _, err := f.founder.Publish("poem", good); err == nil {
		t.Error("a statement of no kind counts")
	}
	if _, err := f.seed(f.founder, "app@v2", content(9, 1000)); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("other bytes under the same version: %v", err)
	}
}

// liar is a disk on which every blob reads wrong.
type liar struct{ disk.FS }

type lyingFile struct{ disk.File }

func (l liar) OpenFile(name string, flag int, perm os.FileMode) (disk.File, error) {
	file, err := l.FS.OpenFile(name, flag, perm)
	if err == nil && strings.Contains(name, "/blobs/sha256/") {
		return lyingFile{file}, nil
	}
	return file, err
}

func (l lyingFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := l.File.ReadAt(p, off)
	for i := range p[:n] {
		p[i] ^= 0xff
	}
	return n, err
}

// TestCorruptPeer: a blob still completes from others, and the peer that sent corrupt chunks is
// dropped and named.
func TestCorruptPeer(t *testing.T) {
	t.Parallel()
	f := found(t)
	bad, m := f.join("b", "bad"), f.join("b", "b2")
	want := f.seedWant(f.founder, "app@v1", content(3, 2<<20))
	if err := bad.swarm.Fetch(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	bad.stop()
	bad.fs, bad.lies = liar{bad.fs}, true
	bad.start()
	eventually(t, "all know each other", func() bool {
		return len(m.Status().Peers) == 2 && len(bad.Status().Peers) == 2 && len(f.founder.Status().Peers) == 2
	})
	// While its uplink is held, b2 hears of the release from its mate, and has nobody else to ask.
	if _, err := m.SetUplink(t.Context(), api.UplinkChange{Held: ptr(true)}); err != nil {
		t.Fatal(err)
	}
	f.deploy(f.founder, "app@v1")
	eventually(t, "the corrupt peer is named", func() bool { return m.alerted("bad", "was dropped", "do not match their digest") })
	if m.runs("app@v1") {
		t.Error("what came from it runs")
	}
	if _, err := m.SetUplink(t.Context(), api.UplinkChange{Held: ptr(false)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "b2 runs app@v1", func() bool { return m.runs("app@v1") })
	for _, p := range m.Status().Peers {
		if p.Name == "bad" {
			t.Error("it is still connected")
		}
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	f := found(t)
	m := f.enrol(f.ticket("a", 1, time.Hour), "a2", time.Now())
	var full atomic.Bool
	m.fs.(*memdisk.FS).OnOp = func(op, name string) error {
		if full.Load() && op == "write" {
			return disk.ErrFull
		}
		return nil
	}
	m.start()
	eventually(t, "a2 is in", func() bool { return m.Status().Admitted })
	full.Store(true)
	var refusal *api.Error
	if _, err := m.AddBlob(t.Context(), bytes.NewReader(content(1, 1000))); !errors.As(err, &refusal) || refusal.Code != http.StatusInsufficientStorage || refusal.Hint == "" {
		t.Errorf("a blob on a full disk: %v", err)
	}
	if _, err := f.seed(f.founder, "app@v1", content(1, 100<<10)); err != nil {
		t.Fatal(err)
	}
	f.deploy(f.founder, "app@v1")
	eventually(t, "it says that the disk is full, and so everybody can see", func() bool {
		r, err := f.founder.Rollout("app")
		return err == nil && len(r.Behind) == 1 && strings.Contains(r.Behind[0].Why, "disk full")
	})
	full.Store(false)
	eventually(t, "there is room, and it goes on", func() bool { return m.runs("app@v1") })
}

// TestLogFails: a ledger that cannot be stored refuses, and loses nothing.
func TestLogFails(t *testing.T) {
	t.Parallel()
	f := found(t)
	var full atomic.Bool
	f.founder.stop()
	f.founder.log.Fail = func(ledger.Batch) error {
		if full.Load() {
			return disk.ErrFull
		}
		return nil
	}
	f.founder.start()
	full.Store(true)
	var refusal *api.Error
	if _, err := f.seed(f.founder, "app@v1", content(1, 1000)); !errors.As(err, &refusal) || refusal.Code != http.StatusInsufficientStorage {
		t.Errorf("got %v", err)
	}
	if len(f.founder.Releases()) != 0 {
		t.Error("a release that was not stored is told of")
	}
	full.Store(false)
	if _, err := f.seed(f.founder, "app@v1", content(1, 1000)); err != nil {
		t.Error(err)
	}
}

// TestRestoredBackup: a node that goes on from an old copy of itself, and is written to at once, waits until it has heard what it
// wrote, and goes on after that.
func TestRestoredBackup(t *testing.T) {
	t.Parallel()
	f := found(t)
	m := f.join("b", "b1")
	eventually(t, "b1 is in", func() bool { return len(f.founder.Nodes()) == 2 && len(m.Status().Peers) == 1 })
	backup := m.log.Clone()
	if _, err := f.seed(m, "app@v1", content(1, 1000)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the founder has the release", func() bool { return len(f.founder.Releases()) == 1 })
	m.stop()
	m.log = backup
	m.start()
	if _, err := f.seed(m, "app@v2", content(2, 1000)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both have both releases", func() bool { return len(f.founder.Releases()) == 2 && len(m.Releases()) == 2 })
	if n, _ := f.founder.ledger.Node(m.home.Node); n.Quarantined != "" {
		t.Errorf("b1 %s", n.Quarantined)
	}
}

// TestHeldNodeStops: a node that nobody tells what it wrote can be stopped, and says so to who waits for it.
func TestHeldNodeStops(t *testing.T) {
	t.Parallel()
	f := found(t)
	m := f.join("b", "b1")
	eventually(t, "b1 is in", func() bool { return len(f.founder.Nodes()) == 2 && len(m.Nodes()) == 2 })
	cutOff(t, m)
	m.stop()
	m.start()
	feeds, done := m.feeds, make(chan error, 1)
	go func() {
		_, err := feeds.publish(ledger.KindReport, "", "report", nil)
		done <- err
	}()
	if !m.hold.held() {
		t.Error("a node that is cut off does not wait")
	}
	m.stop()
	if err := <-done; !errors.Is(err, errDown) {
		t.Errorf("got %v", err)
	}
}

// TestCopiedNode: a node of which there is a copy forks its feed, is found out, and cannot take back what operators signed through it.
func TestCopiedNode(t *testing.T) {
	t.Parallel()
	f := found(t)
	m := f.join("b", "b1")
	eventually(t, "b1 is in", func() bool { return len(f.founder.Nodes()) == 2 && len(m.Status().Peers) == 1 })
	twin := m.log.Clone()
	if _, err := f.seed(m, "app@v1", content(1, 1000)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the founder has the release", func() bool { return len(f.founder.Releases()) == 1 })
	other, err := ledger.Open(ledger.Config{Log: twin, Key: m.home.Key, Fleet: m.home.Fleet})
	if err != nil {
		t.Fatal(err)
	}
	var said ledger.Record
	other.OnStored(func(r ledger.Record) { said = r })
	if _, err := other.Publish(ledger.KindCommand, "", "", []byte("the copy's")); err != nil {
		t.Fatal(err)
	}
	f.founder.feeds.Offer(m.home.Node, []gossip.Record{gossip.Record(said)})
	eventually(t, "the founder names it", func() bool { return f.founder.alerted("b1", "forked") })
	if n, _ := f.founder.ledger.Node(m.home.Node); n.Quarantined == "" {
		t.Error("b1 is not quarantined")
	}
	eventually(t, "b1 is dropped, and told why", func() bool {
		return len(f.founder.Status().Peers) == 0 && m.alerted("does not let this node in", "quarantined")
	})
	if len(f.founder.Releases()) < 1 {
		t.Error("the release went with it")
	}
}

// TestLostLedger: a node that has written into a ledger that is gone does not come up.
func TestLostLedger(t *testing.T) {
	t.Parallel()
	f := found(t)
	f.founder.stop()
	kept := f.founder.log
	f.founder.log = new(memlog.Log)
	if err := f.founder.tryStart(); !errors.Is(err, home.ErrForgotten) {
		t.Fatalf("got %v", err)
	}
	f.founder.log = kept
	f.founder.start()
}

func TestUplinkHeld(t *testing.T) {
	t.Parallel()
	f := found(t)
	a2, b1 := f.join("a", "a2"), f.join("b", "b1")
	eventually(t, "all know each other", func() bool {
		return len(f.founder.Nodes()) == 3 && len(b1.Nodes()) == 3 && len(b1.Status().Peers) >= 1 && len(a2.Status().Peers) == 2
	})
	if _, err := b1.SetUplink(t.Context(), api.UplinkChange{Held: ptr(true), UpLimit: ptr(int64(1 << 20))}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a2 knows that b1 is not to be waited for", func() bool {
		n := a2.Nodes()
		return n[2].Name == "b1" && n[2].UplinkHeld && !n[2].Reachable
	})
	eventually(t, "b1 has no peers", func() bool { return len(b1.Status().Peers) == 0 })
	if _, err := f.seed(f.founder, "app@v1", content(1, 1000)); err != nil {
		t.Fatal(err)
	}
	f.deploy(f.founder, "app@v1")
	eventually(t, "site a goes on alone", func() bool {
		r, err := f.founder.Rollout("app")
		return err == nil && r.Done && r.Ready == 2 && len(r.Unreachable) == 1
	})
	b1.stop()
	b1.start()
	if u := b1.Status().Uplink; !u.Held || u.UpLimit != 1<<20 {
		t.Errorf("after a restart: %+v", u)
	}
	if _, err := b1.SetUplink(t.Context(), api.UplinkChange{Held: ptr(false)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "b1 catches up", func() bool { return b1.runs("app@v1") })
	if _, err := b1.SetUplink(t.Context(), api.UplinkChange{DownLimit: ptr(int64(-1))}); err == nil {
		t.Error("a limit below 0 is taken")
	}
}

func ptr[T any](v T) *T { return &v }

// TestUnadmittedPeer: who has no credential gets nothing but the handshake.
func TestUnadmittedPeer(t *testing.T) {
	t.Parallel()
	f := found(t)
	key := newKey(t)
	m := f.machine()
	card := home.Card{Node: nodeID(key), Name: "x", Site: "a", Fleet: f.chain.Fleet(), Credential: nil, Bootstrap: f.founder.Status().Addresses, Charters: f.chain.Envelopes()}
	if err := home.Create(m.fs, card, key); err != nil {
		t.Fatal(err)
	}
	m.start()
	eventually(t, "it is told so", func() bool { return m.alerted("does not let this node in", "credential is malformed") })
	if len(m.Nodes()) != 0 || len(m.Status().Peers) != 0 {
		t.Errorf("it learnt of %d nodes", len(m.Nodes()))
	}
}

func nodeID(key ed25519.PrivateKey) (id [32]byte) { return [32]byte(key.Public().(ed25519.PublicKey)) }

// TestCharterTwice: two peers may show a node that has just joined the same charter at one time.
func TestCharterTwice(t *testing.T) {
	t.Parallel()
	f := found(t)
	m := f.join("b", "b1")
	eventually(t, "b1 is in", func() bool { return len(f.founder.Nodes()) == 2 })
	g := &gate{m.Node}
	if err := g.Learn((&gate{f.founder.Node}).Charters(0)); err != nil {
		t.Errorf("a charter that is known already: %v", err)
	}
	if err := g.Learn([][]byte{[]byte("{}")}); err == nil {
		t.Error("something that is no charter is taken")
	}
}
