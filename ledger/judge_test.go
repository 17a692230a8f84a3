package ledger_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"selvage/internal/ident"
	"selvage/ledger"
	"selvage/ledger/memlog"
	"selvage/ledger/trust"
)

// TestWhoMaySign: a release counts when enough distinct keys of the role signed it, whoever wrote
// the entry, in one envelope or several.
func TestWhoMaySign(t *testing.T) {
	one := operators(1, "op").with(trust.RoleRelease, 1, "r1", "r2")
	two := operators(1, "op").with(trust.RoleRelease, 2, "r1", "r2")
	scoped := operators(1, "op").with(trust.RoleRelease, 1, "r1", "r2")
	scoped.scope[trust.RoleRelease] = []string{"app/*", "db"}
	for name, c := range map[string]struct {
		roles   roles
		release string
		entries [][]string // who signed the release in each entry
		want    []string   // whose signatures make it count; none: it does not
	}{
		"one of one":                 {one, "app", [][]string{{"r1"}}, []string{"r1"}},
		"nobody":                     {one, "app", [][]string{{"stranger"}}, nil},
		"another role":               {one, "app", [][]string{{"op"}}, nil},
		"all who may":                {one, "app", [][]string{{"r1", "r2", "stranger"}}, []string{"r1", "r2"}},
		"one of two":                 {two, "app", [][]string{{"r1"}}, nil},
		"one twice":                  {two, "app", [][]string{{"r1", "r1"}}, nil},
		"one in two entries":         {two, "app", [][]string{{"r1"}, {"r1"}}, nil},
		"two in one entry":           {two, "app", [][]string{{"r1", "r2"}}, []string{"r1", "r2"}},
		"two in two entries":         {two, "app", [][]string{{"r2"}, {"stranger"}, {"r1"}}, []string{"r1", "r2"}},
		"one of two and a root":      {two, "app", [][]string{{"r1", "op"}}, nil},
		"within the scope":           {scoped, "app/api", [][]string{{"r1"}}, []string{"r1"}},
		"a name in the scope":        {scoped, "db", [][]string{{"r1"}}, []string{"r1"}},
		"out of the scope":           {scoped, "web", [][]string{{"r1"}}, nil},
		"deeper than the scope goes": {scoped, "app/api/v2", [][]string{{"r1"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, c.roles)
			a, admission := f.admitted("a", "s1")
			l := f.watcher()
			offer(t, l, ledger.Stored, admission)
			for _, signers := range c.entries {
				offer(t, l, ledger.Stored, a.write(ledger.KindRelease, "", "", f.release(c.release, "1", "x", 0, signers...)))
			}
			var want []string
			for _, name := range c.want {
				want = append(want, keyID(name))
			}
			slices.Sort(want)
			r, _ := l.Release(c.release + "@1")
			if diff := cmp.Diff(want, r.Signers); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAlteredRelease: an envelope with one bit changed says the same, or nothing.
func TestAlteredRelease(t *testing.T) {
	f := newFleet(t, oneOperator())
	l := f.watcher()
	body := f.release("app", "1", "x", 0, "op")
	good, err := l.Judge(ledger.KindRelease, body)
	must(t, err)
	for i := range body {
		for bit := range 8 {
			data := bytes.Clone(body)
			data[i] ^= 1 << bit
			if digest, err := l.Judge(ledger.KindRelease, data); err == nil && digest != good {
				t.Fatalf("byte %d: it counts as %s", i, digest)
			}
		}
	}
}

func TestJudge(t *testing.T) {
	f := newFleet(t, operators(1, "op").with(trust.RoleRelease, 2, "r1", "r2"))
	deployment, digest := f.deploy(ledger.Deployment{Name: "app", Generation: 1, Declared: epoch}, "op")
	bare := f.openBare("watcher", new(memlog.Log))
	if _, err := bare.Judge(ledger.KindDeployment, deployment); err == nil {
		t.Error("judged without a charter")
	}
	l := f.watcher()
	if got, err := l.Judge(ledger.KindDeployment, deployment); err != nil || got != digest {
		t.Errorf("got %s, %v", got, err)
	}
	for name, c := range map[string]struct {
		kind ledger.Kind
		body []byte
		want error // nil: any
	}{
		"too few":       {ledger.KindRelease, f.release("app", "1", "x", 0, "r1"), trust.ErrThreshold},
		"another role":  {ledger.KindRelease, f.release("app", "1", "x", 0, "op"), trust.ErrRole},
		"junk":          {ledger.KindRelease, []byte("junk"), nil},
		"two values":    {ledger.KindRelease, append(slices.Clone(f.release("app", "1", "x", 0, "r1", "r2")), "{}"...), nil},
		"another kind":  {ledger.KindRelease, deployment, nil},
		"no statement":  {ledger.KindReport, deployment, nil},
		"another field": {ledger.KindDeployment, bytes.Replace(deployment, []byte(`{`), []byte(`{"x":1,`), 1), nil},
	} {
		if _, err := l.Judge(c.kind, c.body); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestDeploymentHeads: what nothing supersedes is a head; of several all nodes follow the same.
func TestDeploymentHeads(t *testing.T) {
	f := newFleet(t, oneOperator())
	type say struct {
		generation uint64
		hour       int
		supersedes []int // numbers of those before
		signer     string
	}
	for name, c := range map[string]struct {
		says  []say
		heads []int // the one that is followed first
	}{
		"one":                            {[]say{{1, 0, nil, "op"}}, []int{0}},
		"one after another":              {[]say{{1, 0, nil, "op"}, {2, 1, []int{0}, "op"}, {3, 2, []int{1}, "op"}}, []int{2}},
		"two at once, the later":         {[]say{{1, 0, nil, "op"}, {1, 1, nil, "op"}}, []int{1, 0}},
		"the generation before time":     {[]say{{2, 0, nil, "op"}, {1, 1, nil, "op"}}, []int{0, 1}},
		"a conflict resolved":            {[]say{{1, 0, nil, "op"}, {1, 1, nil, "op"}, {2, 2, []int{0, 1}, "op"}}, []int{2}},
		"superseded by an older one":     {[]say{{5, 5, nil, "op"}, {1, 0, []int{0}, "op"}}, []int{1}},
		"what does not count has no say": {[]say{{1, 0, nil, "op"}, {2, 1, []int{0}, "stranger"}}, []int{0}},
	} {
		t.Run(name, func(t *testing.T) {
			a, admission := f.admitted("a", "s1")
			records := []ledger.Record{admission}
			var digests []string
			for _, s := range c.says {
				d := ledger.Deployment{Name: "app", Generation: s.generation, Declared: epoch.Add(time.Duration(s.hour) * time.Hour)}
				for _, i := range s.supersedes {
					d.Supersedes = append(d.Supersedes, digests[i])
				}
				body, digest := f.deploy(d, s.signer)
				digests = append(digests, digest)
				records = append(records, a.write(ledger.KindDeployment, "", "", body))
			}
			l := f.watcher()
			offer(t, l, ledger.Stored, records...)
			var want []string
			for _, i := range c.heads {
				want = append(want, digests[i])
			}
			got := l.Deployments()
			if len(got) != 1 || got[0].Digest != want[0] || !cmp.Equal(got[0].Heads, want) {
				t.Errorf("got %+v, want heads %v", got, want)
			}
		})
	}
}

// TestDeploymentsOfOtherNames: who may deploy one name has no say over another.
func TestDeploymentsOfOtherNames(t *testing.T) {
	r := oneOperator()
	r.scope[trust.RoleDeploy] = []string{"db"}
	f := newFleet(t, r)
	a, admission := f.admitted("a", "s1")
	l := f.watcher()
	one, digest := f.deploy(ledger.Deployment{Name: "db", Generation: 1, Declared: epoch}, "op")
	two, _ := f.deploy(ledger.Deployment{Name: "web", Generation: 1, Declared: epoch, Supersedes: []string{digest}}, "op")
	offer(t, l, ledger.Stored, admission, a.write(ledger.KindDeployment, "", "", one), a.write(ledger.KindDeployment, "", "", two))
	if got := l.Deployments(); len(got) != 1 || got[0].Name != "db" {
		t.Errorf("got %+v", got)
	}
}

// TestRivalReleases: of two releases with one name and version the one created first stands.
func TestRivalReleases(t *testing.T) {
	f := newFleet(t, oneOperator())
	a, admission := f.admitted("a", "s1")
	l := f.watcher()
	offer(t, l, ledger.Stored, admission,
		a.write(ledger.KindRelease, "", "", f.release("app", "1", "late", time.Hour, "op")),
		a.write(ledger.KindRelease, "", "", f.release("app", "1", "early", 0, "op")),
		a.write(ledger.KindRelease, "", "", f.release("app", "1", "false", 0, "stranger")))
	r, ok := l.Release("app@1")
	if !ok || !r.Created.Equal(epoch) || len(r.Rivals) != 1 {
		t.Errorf("got %+v", r)
	}
	if got, ok := r.For("linux/amd64"); !ok || !reflect.DeepEqual(got, r.Artifacts[0]) {
		t.Errorf("got %+v, %v", got, ok)
	}
	if _, ok := r.For("linux/arm64"); ok {
		t.Error("it runs where it has nothing to run")
	}
	if _, ok := l.Release("app@2"); ok {
		t.Error("a release that nobody made")
	}
}

// TestRotation: with a new charter the words of a key that it retires count no more, and those of
// a key that it lets in count, also if they came before it.
func TestRotation(t *testing.T) {
	f := newFleet(t, operators(1, "old"))
	a := f.author("a")
	admission := a.write(ledger.KindAdmission, "", "", a.credential(f.ticket("s1", 1, "old"), 0))
	l := f.watcher()
	offer(t, l, ledger.Stored, admission,
		a.write(ledger.KindRelease, "", "", f.release("app", "1", "x", 0, "old")),
		a.write(ledger.KindRelease, "", "", f.release("app", "2", "x", 0, "new")))
	want := func(refs ...string) {
		t.Helper()
		var got []string
		for _, r := range l.Releases() {
			got = append(got, r.Ref())
		}
		if !slices.Equal(got, refs) {
			t.Errorf("releases %v, want %v", got, refs)
		}
	}
	want("app@1")
	unsigned := signCharter(t, operators(1, "new").charter(2), "new")
	offer(t, l, ledger.Stored, a.write(ledger.KindCharter, "", "", marshal(t, unsigned)))
	want("app@1")
	next := signCharter(t, operators(1, "new").charter(2), "old", "new")
	offer(t, l, ledger.Stored, a.write(ledger.KindCharter, "", "", marshal(t, next)))
	want("app@2")
	if n, _ := l.Node(a.id); !strings.Contains(n.Quarantined, "newest charter") {
		t.Errorf("a node that the retired key invited: %q", n.Quarantined)
	}
	offer(t, l, ledger.Stored, a.write(ledger.KindRelease, "", "", f.release("app", "3", "x", 0, "new")))
	want("app@2", "app@3")
}

// TestCharterGap: a charter waits for the one before it, and one that lacks signatures does not
// stand in the way of the same with all of them.
func TestCharterGap(t *testing.T) {
	f := newFleet(t, operators(2, "o1", "o2"))
	a := f.author("a")
	admission := a.write(ledger.KindAdmission, "", "", a.credential(f.ticket("s1", 1, "o1", "o2"), 0))
	second := signCharter(t, operators(1, "o1", "o2").charter(2), "o1", "o2")
	third := signCharter(t, operators(1, "o3").charter(3), "o1", "o3")
	short := third
	short.Signatures = short.Signatures[1:]
	log := new(memlog.Log)
	l := f.open("watcher", log)
	offer(t, l, ledger.Stored, admission, a.write(ledger.KindCharter, "", "", marshal(t, short)), a.write(ledger.KindCharter, "", "", marshal(t, third)))
	if v := l.Chain().Latest().Version; v != 1 {
		t.Fatalf("version %d", v)
	}
	offer(t, l, ledger.Stored, a.write(ledger.KindCharter, "", "", marshal(t, second)))
	for _, x := range []*ledger.Ledger{l, f.openBare("watcher", log)} {
		if v := x.Chain().Latest().Version; v != 3 {
			t.Errorf("version %d, want 3", v)
		}
	}
}

// TestRivalCharters: of two charters of one version the one that came first stands, also after a
// restart, and people are told.
func TestRivalCharters(t *testing.T) {
	f := newFleet(t, operators(1, "o1", "o2"))
	a := f.author("a")
	admission := a.write(ledger.KindAdmission, "", "", a.credential(f.ticket("s1", 1, "o1"), 0))
	first := signCharter(t, operators(1, "o1").charter(2), "o1")
	rival := signCharter(t, operators(1, "o2").charter(2), "o2")
	log := new(memlog.Log)
	l := f.open("watcher", log)
	must(t, l.Learn(append(slices.Clone(f.chain), first)))
	offer(t, l, ledger.Stored, admission, a.write(ledger.KindCharter, "", "", marshal(t, rival)), a.write(ledger.KindCharter, "", "", marshal(t, first)))
	for _, x := range []*ledger.Ledger{l, f.openBare("watcher", log)} {
		if _, ok := x.Chain().Latest().Keys[keyID("o1")]; !ok || len(x.Forks()) != 1 || !strings.Contains(x.Forks()[0], "version 2") {
			t.Errorf("the rival stands, or nobody is told: %v", x.Forks())
		}
	}
}

// patchesOf are n patches to the blob x, from others.
func patchesOf(n int) (all []ledger.Patch) {
	for i := range n {
		from, to := releaseOf("app", "1", fmt.Sprint("from ", i), 0).Artifacts[0], releaseOf("app", "1", fmt.Sprint("patch ", i), 0).Artifacts[0]
		all = append(all, ledger.Patch{From: from.Digest, Digest: to.Digest, Size: 5, Root: to.Root, Print: "0123456789abcdef"})
	}
	return all
}

// patched gives a release one patch, changed.
func patched(change func(*ledger.Patch)) func(*ledger.Release) {
	return func(r *ledger.Release) {
		r.Artifacts[0].Patches = patchesOf(1)
		change(&r.Artifacts[0].Patches[0])
	}
}

// TestPatchesAreListed: what a release lists is read back; one without patches has no field of them, so
// that programs from before there were any read it.
func TestPatchesAreListed(t *testing.T) {
	for _, n := range []int{0, 1, 8} {
		r := releaseOf("app", "2", "x", 0)
		r.Artifacts[0].Patches = patchesOf(n)
		env, err := ledger.SignRelease(r, keyOf("op"))
		must(t, err)
		data := payload(t, marshal(t, env))
		got, err := ledger.DecodeRelease(data)
		must(t, err)
		if diff := cmp.Diff(r, got); diff != "" {
			t.Error(diff)
		}
		if bytes.Contains(data, []byte("patches")) != (n > 0) {
			t.Errorf("%d patches: %s", n, data)
		}
	}
}

// TestStatements: what is out of form is not signed, and not read.
func TestStatements(t *testing.T) {
	key := keyOf("op")
	for name, change := range map[string]func(*ledger.Release){
		"a bad name":          func(r *ledger.Release) { r.Name = "../app" },
		"a bad version":       func(r *ledger.Release) { r.Version = "1 2" },
		"a bad type":          func(r *ledger.Release) { r.Type = "virus" },
		"no artifact":         func(r *ledger.Release) { r.Artifacts = nil },
		"no time":             func(r *ledger.Release) { r.Created = time.Time{} },
		"a platform twice":    func(r *ledger.Release) { r.Artifacts = append(r.Artifacts, r.Artifacts[0]) },
		"a bad platform":      func(r *ledger.Release) { r.Artifacts[0].Platform = "linux" },
		"a bad digest":        func(r *ledger.Release) { r.Artifacts[0].Digest = "ff" },
		"a negative size":     func(r *ledger.Release) { r.Artifacts[0].Size = -1 },
		"a bad root":          func(r *ledger.Release) { r.Artifacts[0].Root = "/" },
		"a path for a file":   func(r *ledger.Release) { r.Artifacts[0].File = "../../etc/passwd" },
		"a parent directory":  func(r *ledger.Release) { r.Artifacts[0].File = ".." },
		"nine patches":        func(r *ledger.Release) { r.Artifacts[0].Patches = patchesOf(9) },
		"a patch twice":       func(r *ledger.Release) { r.Artifacts[0].Patches = append(patchesOf(1), patchesOf(1)...) },
		"a patch from itself": patched(func(p *ledger.Patch) { p.From = releaseOf("app", "1", "x", 0).Artifacts[0].Digest }),
		"a patch that is it":  patched(func(p *ledger.Patch) { p.Digest = releaseOf("app", "1", "x", 0).Artifacts[0].Digest }),
		"a patch of nothing":  patched(func(p *ledger.Patch) { p.Size = 0 }),
		"a patch's start":     patched(func(p *ledger.Patch) { p.From = "AA" }),
		"a patch's digest":    patched(func(p *ledger.Patch) { p.Digest = "" }),
		"a patch's root":      patched(func(p *ledger.Patch) { p.Root = "" }),
		"a patch's print":     patched(func(p *ledger.Patch) { p.Print = "0123456789ABCDEF" }),
	} {
		r := releaseOf("app", "1", "x", 0)
		change(&r)
		if _, err := ledger.SignRelease(r, key); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	for name, change := range map[string]func(*ledger.Deployment){
		"a bad name":    func(d *ledger.Deployment) { d.Name = "" },
		"generation 0":  func(d *ledger.Deployment) { d.Generation = 0 },
		"no time":       func(d *ledger.Deployment) { d.Declared = time.Time{} },
		"no digest":     func(d *ledger.Deployment) { d.Supersedes = []string{"x"} },
		"too many":      func(d *ledger.Deployment) { d.Supersedes = make([]string, 65) },
		"a bad spec":    func(d *ledger.Deployment) { d.Spec = json.RawMessage(`{"release":"app"}`) },
		"another field": func(d *ledger.Deployment) { d.Spec = json.RawMessage(`{"release":"app@1","x":1}`) },
	} {
		d := ledger.Deployment{Name: "app", Generation: 1, Declared: epoch, Spec: json.RawMessage(`{"release":"app@1"}`)}
		change(&d)
		if _, err := ledger.SignDeployment(d, key); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

// TestCarriers: of a release it is known who took it in, and who added a signature.
func TestCarriers(t *testing.T) {
	f := newFleet(t, operators(2, "o1", "o2"))
	l := f.watcher()
	var want []ident.NodeID
	for i, name := range []string{"a", "b", "c"} {
		a := f.author(name)
		admission := a.write(ledger.KindAdmission, "", "", a.credential(f.ticket("s1", 1, "o1", "o2"), 0))
		offer(t, l, ledger.Stored, admission)
		if i < 2 {
			offer(t, l, ledger.Stored, a.write(ledger.KindRelease, "", "", f.release("app", "1", "x", 0, []string{"o1", "o2"}[i])))
			want = append(want, a.id)
		}
	}
	slices.SortFunc(want, ident.NodeID.Compare)
	if r, ok := l.Release("app@1"); !ok || !slices.Equal(r.Carriers, want) {
		t.Errorf("%v carry it, want %v", r.Carriers, want)
	}
}
