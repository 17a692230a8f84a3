package node

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"selvage/distribute/media"
	"selvage/distribute/store"
	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
	"selvage/ledger"
	"selvage/ledger/trust"
	"selvage/node/api"
)

// file exports releases at a node.
func (f *fleet) file(at *machine, refs ...string) []byte {
	f.t.Helper()
	var b bytes.Buffer
	wish := api.ExportWish{Releases: refs}
	if err := at.Export(f.t.Context(), wish, &b); err != nil {
		f.t.Fatal(err)
	}
	if plan, err := at.PlanExport(wish); err != nil || plan.Bytes != int64(b.Len()) {
		f.t.Fatalf("planned %+v, %d bytes came, %v", plan, b.Len(), err)
	}
	return b.Bytes()
}

// cutOff has a node exchange nothing with other sites.
func cutOff(t testing.TB, all ...*machine) {
	t.Helper()
	for _, m := range all {
		if _, err := m.SetUplink(t.Context(), api.UplinkChange{Held: ptr(true)}); err != nil {
			t.Fatal(err)
		}
	}
}

// amend gives the fleet its next charter, in which another key may sign releases too, and returns that key.
func (f *fleet) amend(at *machine) ed25519.PrivateKey {
	f.t.Helper()
	key := newKey(f.t)
	next := *f.chain.Latest()
	next.Version++
	next.Keys, next.Roles = maps.Clone(next.Keys), maps.Clone(next.Roles)
	id := trust.KeyID(key.Public().(ed25519.PublicKey))
	next.Keys[id] = key.Public().(ed25519.PublicKey)
	grant := next.Roles[trust.RoleRelease]
	grant.Keys = append(slices.Clip(grant.Keys), id)
	next.Roles[trust.RoleRelease] = grant
	env, err := trust.SignCharter(next, f.operator)
	if err != nil {
		f.t.Fatal(err)
	}
	if f.chain, err = f.chain.Extend(env); err != nil {
		f.t.Fatal(err)
	}
	if _, err := at.Publish(api.KindCharter, marshalJSON(f.t, env)); err != nil {
		f.t.Fatal(err)
	}
	return key
}

// said counts what operators have said, as far as the machine knows: what is kept of it for good.
func (m *machine) said() (n int) {
	m.t.Helper()
	all, err := m.Entries()
	if err != nil {
		m.t.Fatal(err)
	}
	for _, e := range all {
		if e.Kind == "release" || e.Kind == "charter" || e.Kind == "deployment" || e.Kind == "revocation" {
			n++
		}
	}
	return n
}

// TestCarriedByHand: a site that is cut off gets two versions, a patch, and a charter that it never heard of, by a file that
// is imported at one of its nodes; its mates get it from there, and run it.
func TestCarriedByHand(t *testing.T) {
	t.Parallel()
	f := found(t)
	b1, b2 := f.join("b", "b1"), f.join("b", "b2")
	eventually(t, "the site knows each other", func() bool { return len(b1.Nodes()) == 3 && len(b2.Nodes()) == 3 && len(b2.Status().Peers) == 2 })
	cutOff(t, b1, b2)
	eventually(t, "the founder is alone", func() bool { return len(f.founder.Status().Peers) == 0 })
	second := f.amend(f.founder)
	v1 := content(1, 400<<10)
	if _, err := f.seed(f.founder, "app@v1", v1); err != nil {
		t.Fatal(err)
	}
	v2 := altered(v1, 4<<10)
	added := f.add(f.founder, v2)
	patches := f.patchesFor(f.founder, "app", added, 3)
	if err := f.release(f.founder, "app@v2", added, api.Listing(patches), second); err != nil {
		t.Fatal(err)
	}
	file := f.file(f.founder, "app@v2", "app@v1")
	got, err := b1.Import(t.Context(), bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Releases) != 2 || !got.Releases[0].New || len(got.Blobs) != 3 || got.NewBytes != 2*added.Size+patches[0].Size || got.Bytes != int64(len(file)) {
		t.Errorf("imported %+v", got)
	}
	for _, v := range []string{"app@v1", "app@v2"} {
		f.deploy(b1, v)
		eventually(t, "b2 runs "+v, func() bool { return b2.runs(v) })
	}
	run, err := disk.ReadFile(b2.fs, "run/app/current/f", 1<<21)
	if err != nil || !bytes.Equal(run, v2) {
		t.Errorf("%d bytes in place, %v", len(run), err)
	}
	if b := b2.blobOf(added.Digest); b.By != api.ByPatch || b.FromUplinkBytes != 0 {
		t.Errorf("b2's: %+v", b)
	}
	// The file is the same wherever it is exported, and importing it again changes nothing.
	if again := f.file(b1, "app@v1", "app@v2"); !bytes.Equal(again, file) {
		t.Errorf("b1 exports %d other bytes", len(again))
	}
	before := b1.said()
	again, err := b1.Import(t.Context(), bytes.NewReader(file))
	if err != nil || again.NewBytes != 0 || again.Releases[0].New || b1.said() != before {
		t.Errorf("again: %+v, %v", again, err)
	}
}

// TestBadMedia: what is wrong with a file is said, with what to do, and nothing of the file stays.
func TestBadMedia(t *testing.T) {
	t.Parallel()
	f, g := found(t), found(t)
	m := f.join("b", "b1")
	second := f.amend(f.founder)
	if _, err := f.seed(f.founder, "app@v1", content(1, 300<<10)); err != nil {
		t.Fatal(err)
	}
	if _, err := g.seed(g.founder, "app@v1", content(2, 1000)); err != nil {
		t.Fatal(err)
	}
	good, foreign := f.file(f.founder, "app@v1"), g.file(g.founder, "app@v1")
	eventually(t, "b1 knows the release", func() bool { return len(m.Releases()) == 1 && m.Status().Charter == 2 })
	before := m.said()
	damaged := bytes.Clone(good)
	damaged[len(damaged)-9]++
	for name, c := range map[string]struct {
		file []byte
		says string
		hint string
	}{
		"cut short":     {good[:len(good)/2], "cut short", "copy the file again"},
		"damaged":       {damaged, "the file is damaged: block", "copy the file again"},
		"no file of it": {[]byte(strings.Repeat("no", 300)), "at byte 0: not a file of releases", "only what 'selvage export' writes"},
		"foreign":       {foreign, "another fleet", "of this fleet"},
		"dressed up":    {f.dressUp(g.founder), "charters", "of this fleet"},
		"unsigned":      {f.unsigned(content(3, 4000)), "not signed by a key that holds the role release", "signed"},
		"a rival":       {f.rival(content(4, 4000)), "exists already, with other contents", "choose another"},
		"not revoked":   {f.wronglyRevoked(), "revocations/00001.json in the file: ", "a revocation counts if keys signed it"},
		"revoked by it": {f.revokedByItself(second), "releases/app@v9.json in the file: ", "a release counts if keys signed it"},
		"without blobs": {f.empty(), "no blob of app@v1 is in it", "only what"},
	} {
		_, err := m.Import(t.Context(), bytes.NewReader(c.file))
		var e *api.Error
		if !errors.As(err, &e) || !strings.Contains(e.Text, c.says) || !strings.Contains(e.Hint, c.hint) {
			t.Errorf("%s: %v", name, err)
		}
		if len(m.Blobs()) > 0 || m.said() != before {
			t.Errorf("%s: something of it stayed: %+v", name, m.Blobs())
		}
	}
	if _, err := m.Import(t.Context(), bytes.NewReader(good)); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

// TestImportWhileRoomIsMade: a blob of a file is not given up before the release is known that it is of; after that, what keeps a blob is
// the release.
func TestImportWhileRoomIsMade(t *testing.T) {
	t.Parallel()
	f := found(t)
	var kept atomic.Pointer[func()]
	f.newDisk = func() disk.FS {
		fs := memdisk.New(0)
		fs.OnOp = func(op, name string) error {
			if f := kept.Load(); f != nil && op == "sync" && strings.HasPrefix(name, "store/partial/") {
				(*f)()
			}
			return nil
		}
		return fs
	}
	m := f.join("b", "b1")
	cutOff(t, m)
	eventually(t, "the founder is alone", func() bool { return len(f.founder.Status().Peers) == 0 })
	var digests []string
	for i, ref := range []string{"app@v1", "tool@v1"} {
		added, err := f.seed(f.founder, ref, content(byte(1+i), 100<<10))
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, added.Digest)
	}
	file := f.file(f.founder, "app@v1", "tool@v1")
	short := func() { m.makeRoom(math.MaxInt64) } // when none of the file's blobs is durable, and when one is
	kept.Store(&short)
	_, err := m.Import(t.Context(), bytes.NewReader(file))
	kept.Store(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range digests {
		if b := m.blobOf(d); !b.Complete || slices.Contains(b.Kept, "added lately") {
			t.Errorf("%+v", b)
		}
	}
}

// forged lays out a file as an export does, with some of its documents replaced.
func (f *fleet) forged(of *trust.Chain, release *ledger.Release, signer ed25519.PrivateKey, data []byte, revocations ...trust.Envelope) []byte {
	f.t.Helper()
	s, err := store.Open(f.newDisk(), "store")
	if err != nil {
		f.t.Fatal(err)
	}
	c := media.Contents{About: marshalJSON(f.t, about{mediaFormat, f.chain.Fleet(), "test"})}
	if c.Charters, err = charterDocuments(of); err != nil {
		f.t.Fatal(err)
	}
	var blobs []*store.Object
	if data != nil {
		o, err := s.Add(f.t.Context(), bytes.NewReader(data))
		if err != nil {
			f.t.Fatal(err)
		}
		blobs = append(blobs, o)
		release.Artifacts = []ledger.Artifact{{Platform: ledger.AnyPlatform, Digest: o.Digest.String(), Size: o.Size, Root: o.Root.String(), File: "f"}}
	}
	env, err := ledger.SignRelease(*release, signer)
	if err != nil {
		f.t.Fatal(err)
	}
	for i, env := range revocations {
		c.Revocations = append(c.Revocations, media.Document{Name: numbered(i + 1), Data: marshalJSON(f.t, env)})
	}
	c.Releases = []media.Document{{Name: releaseName(release.Ref()), Data: marshalJSON(f.t, env)}}
	p, err := media.Lay(c, blobs)
	if err != nil {
		f.t.Fatal(err)
	}
	var b bytes.Buffer
	if err := p.Write(context.Background(), &b); err != nil {
		f.t.Fatal(err)
	}
	return b.Bytes()
}

// wronglyRevoked is a file with a revocation that somebody signed to whom no charter gives that role.
func (f *fleet) wronglyRevoked() []byte {
	return f.forged(f.chain, appRelease("v8"), f.operator, content(6, 3000), f.revocation(ledger.SubjectNode, f.founder.Status().Node.String(), "a", newKey(f.t)))
}

// revokedByItself is a file with a release by a key that a revocation of the file puts out.
func (f *fleet) revokedByItself(key ed25519.PrivateKey) []byte {
	return f.forged(f.chain, appRelease("v9"), key, content(7, 3000), f.revocation(ledger.SubjectKey, trust.KeyID(key.Public().(ed25519.PublicKey)), "", f.operator))
}

func (f *fleet) revocation(subject ledger.Subject, id, site string, by ed25519.PrivateKey) trust.Envelope {
	f.t.Helper()
	env, err := ledger.SignRevocation(ledger.Revocation{Fleet: f.chain.Fleet(), Subject: subject, ID: id, Site: site, Keeps: []string{}, Declared: time.Now().UTC()}, by)
	if err != nil {
		f.t.Fatal(err)
	}
	return env
}

// TestRevocationsAreCarried: a site that is cut off learns, with a release, whom and what the others do not trust any more.
func TestRevocationsAreCarried(t *testing.T) {
	t.Parallel()
	f := found(t)
	b1, b2, a2 := f.join("b", "b1"), f.join("b", "b2"), f.join("a", "a2")
	second := f.amend(f.founder)
	eventually(t, "all know all", func() bool {
		return len(b1.Nodes()) == 4 && len(b2.Nodes()) == 4 && b1.Status().Charter == 2 && b2.Status().Charter == 2
	})
	cutOff(t, b1, b2)
	eventually(t, "the site is alone", func() bool { return len(b1.Status().Peers) == 1 && len(b2.Status().Peers) == 1 })
	key := trust.KeyID(second.Public().(ed25519.PublicKey))
	f.revoke(f.founder, "key", key)
	f.revoke(f.founder, "node", "a/a2")
	if _, err := f.seed(f.founder, "app@v1", content(1, 100<<10)); err != nil {
		t.Fatal(err)
	}
	file := f.file(f.founder, "app@v1")
	got, err := b1.Import(t.Context(), bytes.NewReader(file))
	if err != nil || got.Revocations != 2 || got.NewRevocations != 2 {
		t.Fatalf("imported %+v, %v", got, err)
	}
	for _, m := range []*machine{b1, b2} {
		eventually(t, "the site knows", func() bool { return len(m.Revocations()) == 2 && m.knowsRevoked(a2) })
		if err := f.release(m, "app@v2", f.add(m, content(2, 5000)), nil, second); err == nil || !strings.Contains(err.Error(), "not signed by a key that holds the role release") {
			t.Errorf("what the revoked key signs: %v", err)
		}
	}
	before := b1.said()
	if again, err := b1.Import(t.Context(), bytes.NewReader(file)); err != nil || again.NewRevocations != 0 || b1.said() != before {
		t.Errorf("again: %+v, %v", again, err)
	}
	if again := f.file(b1, "app@v1"); !bytes.Equal(again, file) {
		t.Errorf("b1 exports %d other bytes", len(again))
	}
}

// TestRevokedNodeImports: a node that was revoked while it was cut off learns it by a file, and takes no more of it.
func TestRevokedNodeImports(t *testing.T) {
	t.Parallel()
	f := found(t)
	b1 := f.join("b", "b1")
	eventually(t, "b1 is known", func() bool { return len(f.founder.Nodes()) == 2 && b1.Status().Admitted })
	cutOff(t, b1)
	f.revoke(f.founder, "node", "b/b1")
	if _, err := f.seed(f.founder, "app@v1", content(1, 10_000)); err != nil {
		t.Fatal(err)
	}
	if _, err := b1.Import(t.Context(), bytes.NewReader(f.file(f.founder, "app@v1"))); err == nil || !strings.Contains(err.Error(), "was revoked: stolen") {
		t.Errorf("the import: %v", err)
	}
	if s := b1.Status(); s.Revoked == "" || len(b1.Releases()) > 0 || len(b1.Blobs()) > 0 {
		t.Errorf("revoked %q, %d releases, %d blobs", s.Revoked, len(b1.Releases()), len(b1.Blobs()))
	}
}

func (m *machine) knowsRevoked(o *machine) bool {
	return slices.ContainsFunc(m.Nodes(), func(n api.Node) bool { return n.Name == o.Status().Name && n.Revoked })
}

func appRelease(version string) *ledger.Release {
	return &ledger.Release{Name: "app", Version: version, Type: "bundle", Created: time.Now().UTC()}
}

// dressUp is another fleet's release and charters under this fleet's name.
func (f *fleet) dressUp(other *machine) []byte {
	return f.forged(other.ledger.Chain(), appRelease("v7"), newKey(f.t), content(5, 3000))
}

func (f *fleet) unsigned(data []byte) []byte {
	return f.forged(f.chain, appRelease("v8"), newKey(f.t), data)
}

// rival is a signed release of a version that stands for other bytes.
func (f *fleet) rival(data []byte) []byte {
	return f.forged(f.chain, appRelease("v1"), f.operator, data)
}

// empty is a file with a release and nothing of it.
func (f *fleet) empty() []byte {
	r, _ := f.founder.ledger.Release("app@v1")
	return f.forged(f.chain, &r.Release, f.operator, nil)
}

// TestExportRefuses: what is not here cannot be exported, and what to do is said.
func TestExportRefuses(t *testing.T) {
	t.Parallel()
	f := found(t)
	m := f.join("b", "b1")
	if _, err := f.seed(f.founder, "app@v1", content(1, 1000)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "b1 knows the release", func() bool { return len(m.Releases()) == 1 })
	for _, c := range []struct {
		wish api.ExportWish
		says string
	}{
		{api.ExportWish{}, "which release"},
		{api.ExportWish{Releases: []string{"app@v9"}}, "no release is called app@v9"},
		{api.ExportWish{Releases: []string{"app@v1"}}, "is not whole here"},
	} {
		var b bytes.Buffer
		if err := m.Export(t.Context(), c.wish, &b); err == nil || !strings.Contains(err.Error(), c.says) || b.Len() > 0 {
			t.Errorf("%+v: %v, %d bytes", c.wish, err, b.Len())
		}
	}
	if plan, err := f.founder.PlanExport(api.ExportWish{Releases: []string{"app@v1"}, Platform: "plan9/mips"}); err != nil || len(plan.Blobs) != 1 {
		t.Errorf("for any platform: %+v, %v", plan, err)
	}
}
