package node

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"selvage/distribute"
	"selvage/distribute/store"
	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
	"selvage/internal/ident"
	"selvage/ledger"
	"selvage/ledger/manifest"
	"selvage/ledger/memlog"
	"selvage/ledger/trust"
	"selvage/node/api"
	"selvage/node/home"
	"selvage/node/runtime"
	"selvage/node/runtime/bundle"
)

// fleet is a fleet for tests: real nodes with real sockets on loopback, disks and logs in memory.
type fleet struct {
	t        testing.TB
	newDisk  func() disk.FS
	operator ed25519.PrivateKey
	chain    *trust.Chain
	founder  *machine
	machines []*machine // all of them; stopped together when the test ends
}

// machine is a node and what stays of it when it is down.
type machine struct {
	*Node
	t   testing.TB
	fs  disk.FS
	log *memlog.Log
	now func() time.Time
	// lies has it hand out what its disk gives it, without a look.
	lies    bool
	mirrors []distribute.Mirror
}

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// found makes a fleet whose first node, a1 at site a, is up.
func found(t testing.TB) *fleet {
	return foundOn(t, func() disk.FS { return memdisk.New(0) })
}

// foundOn is found, with disks of another kind.
func foundOn(t testing.TB, newDisk func() disk.FS) *fleet {
	t.Helper()
	f := &fleet{t: t, operator: newKey(t), newDisk: newDisk}
	t.Cleanup(func() {
		var wg sync.WaitGroup
		for _, m := range f.machines {
			wg.Go(m.stop)
		}
		wg.Wait()
	})
	key := newKey(t)
	chain, cred, err := trust.Found("test", "a", "a1", f.operator, key.Public().(ed25519.PublicKey), time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f.chain = chain
	f.founder = f.machine()
	card := home.Card{Node: ident.FromPrivateKey(key), Name: "a1", Site: "a", Fleet: chain.Fleet(), Credential: cred.Marshal(), Charters: chain.Envelopes()}
	if err := home.Create(f.founder.fs, card, key); err != nil {
		t.Fatal(err)
	}
	f.founder.start()
	return f
}

func (f *fleet) machine() *machine {
	m := &machine{t: f.t, fs: f.newDisk(), log: new(memlog.Log)}
	f.machines = append(f.machines, m)
	return m
}

// ticket invites machines to a site, by way of the founder.
func (f *fleet) ticket(site string, uses int, expires time.Duration, signers ...ed25519.PrivateKey) trust.Ticket {
	f.t.Helper()
	if len(signers) == 0 {
		signers = []ed25519.PrivateKey{f.operator}
	}
	// Issued a little earlier, so that one may have expired since.
	now := time.Now().UTC().Truncate(time.Second).Add(-time.Hour)
	ticket, err := trust.NewTicket(trust.Invite{Fleet: f.chain.Fleet(), Site: site, Uses: uses, Issued: now, Expires: now.Add(time.Hour + expires),
		Bootstrap: f.founder.Status().Addresses}, rand.Reader, signers...)
	if err != nil {
		f.t.Fatal(err)
	}
	return ticket
}

// enrol makes a machine a node, which is not up yet.
func (f *fleet) enrol(ticket trust.Ticket, name string, now time.Time) *machine {
	f.t.Helper()
	m, key := f.machine(), newKey(f.t)
	cred, err := ticket.Bind(key.Public().(ed25519.PublicKey), name, now)
	if err != nil {
		f.t.Fatal(err)
	}
	inv, err := ticket.Peek()
	if err != nil {
		f.t.Fatal(err)
	}
	card := home.Card{Node: ident.FromPrivateKey(key), Name: name, Site: inv.Site, Fleet: inv.Fleet, Credential: cred.Marshal(), Bootstrap: inv.Bootstrap}
	if err := home.Create(m.fs, card, key); err != nil {
		f.t.Fatal(err)
	}
	return m
}

// join enrols a machine at a site and starts it.
func (f *fleet) join(site, name string) *machine {
	f.t.Helper()
	m := f.enrol(f.ticket(site, 1, time.Hour), name, time.Now())
	m.start()
	return m
}

func (m *machine) start() {
	m.t.Helper()
	if err := m.tryStart(); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) tryStart() error {
	n, err := Start(Config{FS: m.fs, Log: m.log, Listen: []string{"127.0.0.1:0"}, Now: m.now, Logger: logTo(m.t), Lies: func() bool { return m.lies },
		Mirrors: func(DialFunc) []distribute.Mirror { return m.mirrors },
		Drivers: map[string]runtime.Driver{runtime.TypeBundle: bundle.New(bundle.Config{FS: m.fs})}})
	if err != nil {
		return err
	}
	m.Node = n
	return nil
}

// stop takes the node down; stopping it again does nothing.
func (m *machine) stop() {
	m.t.Helper()
	if m.Node == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := m.Node.Close(ctx); err != nil {
		m.t.Errorf("close: %v", err)
	}
	m.Node = nil
}

// logTo shows what nodes log when a test fails.
func logTo(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// patience bounds how long a test waits for what has to come about.
const patience = 30 * time.Second

// eventually waits for what has to come about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited %s in vain: %s", patience, what)
}

// seedWant is seed, and says how the blob is asked for.
func (f *fleet) seedWant(at *machine, ref string, content []byte) store.Want {
	f.t.Helper()
	added, err := f.seed(at, ref, content)
	if err != nil {
		f.t.Fatal(err)
	}
	d, err := store.ParseDigest(added.Digest)
	if err != nil {
		f.t.Fatal(err)
	}
	o, _ := at.store.Object(d)
	return o.Want
}

// seed adds content at a node and publishes a release of it.
func (f *fleet) seed(at *machine, ref string, content []byte, signers ...ed25519.PrivateKey) (api.Added, error) {
	f.t.Helper()
	added, err := at.AddBlob(f.t.Context(), bytes.NewReader(content))
	if err != nil {
		return added, err
	}
	return added, f.release(at, ref, added, nil, signers...)
}

// release publishes a release of what was added at a node, with patches.
func (f *fleet) release(at *machine, ref string, added api.Added, patches []ledger.Patch, signers ...ed25519.PrivateKey) error {
	f.t.Helper()
	name, version, _ := strings.Cut(ref, "@")
	if len(signers) == 0 {
		signers = []ed25519.PrivateKey{f.operator}
	}
	env, err := ledger.SignRelease(ledger.Release{Name: name, Version: version, Type: runtime.TypeBundle, Created: at.Status().Time.UTC(),
		Artifacts: []ledger.Artifact{{Platform: ledger.AnyPlatform, Digest: added.Digest, Size: added.Size, Root: added.Root, File: "f", Patches: patches}}}, signers...)
	if err != nil {
		f.t.Fatal(err)
	}
	_, err = at.Publish(api.KindRelease, marshalJSON(f.t, env))
	return err
}

// deploy declares at a node that a release run everywhere.
func (f *fleet) deploy(at *machine, ref string) {
	f.t.Helper()
	name, _, _ := strings.Cut(ref, "@")
	f.declare(at, name, manifest.Spec{Release: ref})
}

// declare declares at a node what is wanted of a deployment.
func (f *fleet) declare(at *machine, name string, spec manifest.Spec) {
	f.t.Helper()
	d := ledger.Deployment{Name: name, Generation: 1, Declared: at.Status().Time.UTC(), Spec: marshalJSON(f.t, spec)}
	for _, old := range at.Deployments() {
		if old.Name == name {
			d.Generation, d.Supersedes = old.Generation+1, old.Heads
		}
	}
	env, err := ledger.SignDeployment(d, f.operator)
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := at.Publish(api.KindDeployment, marshalJSON(f.t, env)); err != nil {
		f.t.Fatal(err)
	}
}

func marshalJSON(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// runs reports whether the node itself runs the release and is ready.
func (m *machine) runs(ref string) bool {
	for _, d := range m.Status().Deployments {
		if d.Release == ref && d.Ready {
			return true
		}
	}
	return false
}

// alerted reports whether the node tells people something that has all the words.
func (m *machine) alerted(words ...string) bool {
	for _, a := range m.Status().Alerts {
		all := true
		for _, w := range words {
			all = all && strings.Contains(a, w)
		}
		if all {
			return true
		}
	}
	return false
}

// content is bytes that do not repeat themselves.
func content(seed byte, n int) []byte {
	out := make([]byte, 0, n)
	for i := 0; len(out) < n; i++ {
		h := ledger.Hash(fmt.Appendf(nil, "%d %d", seed, i))
		out = append(out, h[:]...)
	}
	return out[:n]
}
