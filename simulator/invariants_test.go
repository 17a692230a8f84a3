package simulator

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
	"selvage/internal/ident"
	"selvage/node/api"
	"selvage/node/runtime"
	"selvage/simulator/scenario"
)

// agent is a node that says what a test wants.
type agent struct {
	status api.Status
	blobs  []api.Blob
	asked  func() // when its status is
	nodes  []api.Node
}

func (a *agent) Status() api.Status {
	if a.asked != nil {
		a.asked()
	}
	return a.status
}
func (a *agent) Holdings() []api.Blob                { return a.blobs }
func (a *agent) Nodes() []api.Node                   { return a.nodes }
func (a *agent) Rollout(string) (api.Rollout, error) { return api.Rollout{}, nil }

// machine is one of site s, if it has no other.
type machine struct {
	site  string
	name  string
	agent *agent
	disk  disk.FS
	busy  bool
}

func (m *machine) Site() string     { return cmp.Or(m.site, "s") }
func (m *machine) Name() string     { return m.name }
func (m *machine) NodeName() string { return "s-" + m.name }
func (m *machine) ID() ident.NodeID { return ident.NodeID{m.name[1]} }
func (m *machine) Disk() disk.FS    { return m.disk }
func (m *machine) Busy() bool       { return m.busy }
func (m *machine) Agent() Agent {
	if m.agent == nil || m.busy {
		return nil
	}
	return m.agent
}

// stage has machines; nothing else of it is used.
type stage struct {
	Stage
	machines []*machine
}

func (s *stage) Machines() []Machine {
	var out []Machine
	for _, m := range s.machines {
		out = append(out, m)
	}
	return out
}

// pair is a story of two machines, s/n0 and s/n1.
func pair() (t *story, n0, n1 *machine) {
	n0, n1 = &machine{name: "n0", agent: &agent{}}, &machine{name: "n1", agent: &agent{}}
	return &story{Stage: &stage{machines: []*machine{n0, n1}}, charter: 1, shown: map[string]uint64{}, right: map[string]rightFiles{}, revoked: map[ident.NodeID]revocation{}, knew: map[string]time.Duration{}, trace: NewTrace(), told: newTold()}, n0, n1
}

// holds wants a check to be as said: "" is right, and else what is wrong begins so.
func holds(t *testing.T, s *story, c scenario.Check, want string) {
	t.Helper()
	if got := s.check(c); !strings.HasPrefix(got, want) || want == "" && got != "" {
		t.Errorf("%s: %q, want %q", checkName(c), got, want)
	}
}

func TestCharterInvariants(t *testing.T) {
	s, n0, n1 := pair()
	back, all := scenario.Check{Name: "charters_never_go_back"}, scenario.Check{Name: "all_have_charter"}
	n0.agent.status.Charter, n1.agent.status.Charter = 1, 1
	holds(t, s, back, "")
	holds(t, s, all, "")
	s.charter, n0.agent.status.Charter = 3, 3
	holds(t, s, back, "")
	holds(t, s, all, "s/n1: goes by charter 1, the newest is 3")
	n0.agent.status.Charter = 2
	holds(t, s, back, "s/n0: goes by charter 2 after it went by 3")
	s.forgive(scenario.Fault{Kind: scenario.Crash, On: "s/n0"})
	holds(t, s, back, "s/n0")
	s.forgive(scenario.Fault{Kind: scenario.Restore, On: "s/n0"})
	holds(t, s, back, "")
	n1.agent = nil
	holds(t, s, back, "")
}

func TestRevokedInvariants(t *testing.T) {
	s, n0, n1 := pair()
	shut, nothing, know, all := scenario.Check{Name: "revoked_shut_out"}, scenario.Check{Name: "revoked_get_nothing"}, scenario.Check{Name: "revoked_know_it"},
		scenario.Check{Name: "all_know_revoked"}
	n0.agent.nodes = []api.Node{{Node: n1.ID(), Name: "s-n1"}}
	n0.agent.status.Peers = []api.Peer{{Node: n1.ID()}}
	s.revoked[n1.ID()] = revocation{time.Minute, n1}
	holds(t, s, shut, "") // it does not know yet
	holds(t, s, all, "s/n0: does not know that s/n1 is revoked")
	holds(t, s, know, "s/n1 is down, or does not know that it was revoked")
	n0.agent.nodes[0].Revoked, n1.agent.status.Revoked = true, "was revoked: stolen"
	holds(t, s, shut, "") // it has just learned of it
	holds(t, s, all, "")
	holds(t, s, know, "")
	s.knew["s/n0 "+n1.ID().String()] = -time.Minute
	holds(t, s, shut, "s/n0: is connected to s-n1, which it knows to be revoked")
	n0.agent.status.Peers = nil
	holds(t, s, shut, "")

	s.deploys = []*deploy{{name: "app", release: "app@1", at: time.Second}, {name: "app", release: "app@2", at: 2 * time.Minute}}
	n1.agent.status.Deployments = []api.Running{{Name: "app", Release: "app@1"}}
	holds(t, s, nothing, "")
	n1.agent.status.Deployments[0].Release = "app@2"
	holds(t, s, nothing, "s/n1 runs app@2, declared after it was revoked")

	n0.agent.status.Ledger, n1.agent.status.Ledger = "a", "b"
	holds(t, s, scenario.Check{Name: "ledgers_equal"}, "")
	delete(s.revoked, n1.ID())
	holds(t, s, scenario.Check{Name: "ledgers_equal"}, "s/n0 and s/n1 hold different ledgers")
}

// TestKnowsAll: to know as many nodes as there are is not to know them.
func TestKnowsAll(t *testing.T) {
	s, n0, n1 := pair()
	all := scenario.Check{Name: "all_know_all"}
	n0.agent.nodes = []api.Node{{Node: n0.ID()}}
	n1.agent.nodes = []api.Node{{Node: n0.ID()}, {Node: n1.ID()}}
	holds(t, s, all, "s/n0: knows 1 of 2 nodes")
	n0.agent.nodes = append(n0.agent.nodes, api.Node{Node: ident.NodeID{'x'}})
	holds(t, s, all, "s/n0: does not know s/n1")
	n0.agent.nodes = append(n0.agent.nodes, api.Node{Node: n1.ID()})
	holds(t, s, all, "")
}

// TestMirroredOnceInTwoLives: what a node had from a mirror before it died counts.
func TestMirroredOnceInTwoLives(t *testing.T) {
	s, n0, _ := pair()
	s.scenario.Sites = []scenario.Site{{Name: "s"}}
	s.releases = map[string]release{"app@1": {content: make([]byte, 1000), digest: "d"}}
	once := scenario.Check{Name: "mirrored_once", Arg: "app@1"}
	n0.agent.blobs = []api.Blob{{Digest: "d", FromMirrorBytes: 600}}
	holds(t, s, once, "")
	s.hear(scenario.Fault{Kind: scenario.Crash, On: "s/n0"})
	was := n0.agent
	n0.agent = nil
	holds(t, s, once, "")
	n0.agent = was
	holds(t, s, once, "s had 1200 bytes of app@1 from mirrors, which has 1000")
}

// TestDroppedOfALikeName: a node's name may end as another's does.
func TestDroppedOfALikeName(t *testing.T) {
	s, n0, _ := pair()
	n0.agent.status.Alerts = []string{"west-s-n1 (abc) was dropped: it lied"}
	holds(t, s, scenario.Check{Name: "only_dropped", Arg: "s/n1"}, "s/n0: west-s-n1 (abc) was dropped")
	holds(t, s, scenario.Check{Name: "somebody_dropped", Arg: "s/n1"}, "nobody has dropped a peer")
}

// TestUplinkChange: the slowest limit is one, too.
func TestUplinkChange(t *testing.T) {
	for bits, want := range map[int64]int64{0: 0, 1: 1, 7: 1, 8: 1, 17: 2, 64000: 8000} {
		if got := UplinkChange(scenario.UplinkWork{Up: &bits}); *got.UpLimit != want {
			t.Errorf("%d bit/s are %d bytes a second, want %d", bits, *got.UpLimit, want)
		}
	}
}

func TestOnlyDropped(t *testing.T) {
	s, n0, n1 := pair()
	only := scenario.Check{Name: "only_dropped", Arg: "s/n1"}
	n1.agent.status.Alerts = []string{"s-n0 (abc) was not let in: the uplink is held"}
	holds(t, s, only, "")
	n0.agent.status.Alerts = []string{"s-n1 (abc) was dropped: it lied"}
	holds(t, s, only, "")
	holds(t, s, scenario.Check{Name: "somebody_dropped", Arg: "s/n1"}, "")
	holds(t, s, scenario.Check{Name: "somebody_dropped", Arg: "s/n0"}, "nobody has dropped a peer")
	n1.agent.status.Alerts = append(n1.agent.status.Alerts, "s-n0 (abc) was dropped: it lied too")
	holds(t, s, only, "s/n1: s-n0 (abc) was dropped")
}

// TestFetchedBeforeItRuns: a deployment has been fetched when the last node that is meant has the release, and runs when
// the last says so.
func TestFetchedBeforeItRuns(t *testing.T) {
	s, n0, n1 := pair()
	d := &deploy{name: "till", release: "till@v2", at: time.Second}
	s.deploys = []*deploy{d}
	says := func(m *machine, phase, target string, ready bool) {
		r := api.Running{Name: "till", Phase: phase, Target: target, Ready: ready}
		if ready {
			r.Release = target
		}
		m.agent.status.Deployments = []api.Running{r}
	}
	s.measure(2 * time.Second) // neither has heard of it
	says(n0, "ready", "till@v1", true)
	says(n1, "starting", "till@v2", false)
	s.measure(3 * time.Second)
	says(n0, "fetching", "till@v2", false)
	s.measure(4 * time.Second)
	if d.fetched != 0 {
		t.Errorf("fetched after %s, and a node is still at it", d.fetched)
	}
	says(n0, "queued", "till@v2", false)
	s.measure(5 * time.Second)
	says(n0, "ready", "till@v2", true)
	says(n1, "ready", "till@v2", true)
	s.measure(7 * time.Second)
	if d.fetched != 4*time.Second || d.took != 6*time.Second {
		t.Errorf("fetched after %s and ran after %s, want 4 s and 6 s", d.fetched, d.took)
	}
}

// TestFetchedBeforeItIsSeen: nodes that are looked at only now and then tell when they had the release; one may have had it before.
func TestFetchedBeforeItIsSeen(t *testing.T) {
	const digest = "d1"
	d := &deploy{name: "till", release: "till@v2", at: 10 * time.Second}
	for what, c := range map[string]struct {
		had  []time.Duration
		want time.Duration
	}{
		"one after the other":   {[]time.Duration{12 * time.Second, 13 * time.Second}, 3 * time.Second},
		"before it was to run":  {[]time.Duration{time.Second, 2 * time.Second}, 0},
		"by a clock that is on": {[]time.Duration{12 * time.Second, time.Hour}, 20 * time.Second},
	} {
		st := &timedStage{}
		for i, had := range c.had {
			m := &timedMachine{machine: machine{name: "n" + string(rune('0'+i))}, agent: &timedAgent{}}
			at, never := scenario.Epoch.Add(had), scenario.Epoch.Add(2*time.Hour)
			m.agent.blobs = []api.Blob{{Digest: "other", CompletedAt: &never}, {Digest: digest, CompletedAt: &at}, {Digest: digest}}
			st.machines = append(st.machines, m)
		}
		s := &story{Stage: st, trace: NewTrace(), releases: map[string]release{"till@v2": {digest: digest}}}
		if got := s.fetchedAt(d, 30*time.Second) - d.at; got != c.want {
			t.Errorf("%s: fetched after %s, want %s", what, got, c.want)
		}
	}
}

// TestBusyMachinesAreWaitedFor: what has to hold of all in the end does not hold of those alone who happen to answer,
// until the time is up.
func TestBusyMachinesAreWaitedFor(t *testing.T) {
	s, _, n1 := pair()
	s.scenario = scenario.Scenario{Duration: time.Hour, Eventually: []scenario.Eventually{
		{Of: "start", Within: time.Minute, Checks: []scenario.Check{{Name: "ledgers_equal"}}}}}
	s.planChecks()
	n1.busy = true
	if !s.look(time.Second) || s.checks[0].held {
		t.Error("held while a machine was busy")
	}
	if s.look(time.Minute); !s.checks[0].held {
		t.Error("not looked at when the time was up")
	}
}

// TestTwoLivesAreNotOne: an answer of an agent that went down meanwhile says nothing of what is there now.
func TestTwoLivesAreNotOne(t *testing.T) {
	s, n0, _ := pair()
	unsigned := scenario.Check{Name: "nothing_unsigned_runs"}
	first := n0.agent
	first.status.Deployments = []api.Running{{Name: "till", Release: "till@v1"}}
	holds(t, s, unsigned, "s/n0: runs till@v1, which nobody has signed")
	first.asked = func() { n0.agent = &agent{} }
	holds(t, s, unsigned, "")
	first.asked = func() { n0.agent = nil }
	n0.agent = first
	holds(t, s, unsigned, "")
}

// settling is a stage on which something happens while it settles.
type settling struct {
	Stage
	machine *timedMachine
	settle  func()
}

func (s settling) Machines() []Machine { return []Machine{s.machine} }
func (s settling) Settle()             { s.settle() }

// TestWhoGoesOnIsAskedAgain: a node that changed version between what it said and the look at its disk is not wrong; one that says the
// same again is.
func TestWhoGoesOnIsAskedAgain(t *testing.T) {
	for _, again := range []string{"v1", "v2"} {
		s, _, _ := pair()
		says := func(version string) *timedAgent {
			return &timedAgent{agent: agent{status: api.Status{Deployments: []api.Running{{Name: "till", Release: "till@" + version, Ready: true}}}}}
		}
		m := &timedMachine{machine{name: "n0", disk: memdisk.New(0)}, says("v1")}
		s.Stage = settling{machine: m, settle: func() { m.agent = says(again) }}
		s.releases = map[string]release{}
		for _, version := range []string{"v1", "v2"} {
			sum := sha256.Sum256([]byte(version))
			s.releases["till@"+version] = release{digest: hex.EncodeToString(sum[:]), content: []byte(version)}
		}
		file := path.Join(runtime.Dir("till"), "current", BlobFile)
		if err := errors.Join(m.disk.MkdirAll(path.Dir(file), 0o700), disk.WriteFile(m.disk, file, []byte("v2"), 0o600)); err != nil {
			t.Fatal(err)
		}
		want := ""
		if again == "v1" {
			want = "s/n0: runs "
		}
		holds(t, s, scenario.Check{Name: "nothing_unsigned_runs"}, want)
	}
}

// timedAgent says when its status was asked for.
type timedAgent struct {
	agent
	from, to time.Duration
}

func (a *timedAgent) Asked() (from, to time.Duration) { return a.from, a.to }

// When takes the node's clock to show the story's time.
func (a *timedAgent) When(at time.Time) time.Duration { return at.Sub(scenario.Epoch) }

// timedMachine has a timedAgent.
type timedMachine struct {
	machine
	agent *timedAgent
}

func (m *timedMachine) Agent() Agent { return m.agent }

type timedStage struct {
	Stage
	machines []Machine
}

func (s *timedStage) Machines() []Machine { return s.machines }

// TestContested: two that say that they lead do so at one moment only if what they said at two moments cannot follow on each other.
func TestContested(t *testing.T) {
	const ms = time.Millisecond
	type said struct {
		from, to time.Duration
		left     float64 // seconds
	}
	for what, c := range map[string]struct {
		a, b said
		want bool
	}{
		"both in the middle of their time":      {said{0, 10 * ms, 5}, said{5 * ms, 15 * ms, 8}, true},
		"one later, while the other leads on":   {said{0, 10 * ms, 5}, said{2000 * ms, 2010 * ms, 8}, true},
		"one after the other was over":          {said{0, 10 * ms, 1}, said{1200 * ms, 1210 * ms, 10}, false},
		"one may have answered when it was":     {said{0, 10 * ms, 1}, said{500 * ms, 1210 * ms, 10}, false},
		"one took long to answer, and may have": {said{0, 9000 * ms, 5}, said{10 * ms, 20 * ms, 8}, false},
		"one that does not lead":                {said{0, 10 * ms, 0}, said{5 * ms, 15 * ms, 8}, false},
	} {
		st := &timedStage{}
		for i, s := range []said{c.a, c.b} {
			m := &timedMachine{machine: machine{name: "n" + string(rune('0'+i))}}
			m.agent = &timedAgent{from: s.from, to: s.to}
			m.agent.status.Lease = api.Lease{Holder: m.ID(), ExpiresInSeconds: s.left}
			st.machines = append(st.machines, m)
		}
		story := &story{Stage: st, trace: NewTrace()}
		if wrong := story.check(scenario.Check{Name: oneLeader}); (wrong != "") != c.want {
			t.Errorf("%s: %q", what, wrong)
		}
		if leader := story.leader("s"); leader == nil {
			t.Errorf("%s: nobody leads", what)
		}
	}
}

// A singleton runs everywhere when each site has one node that runs it, and the others stand by.
func TestSingletonRunsOnce(t *testing.T) {
	s, n0, n1 := pair()
	s.scenario.Sites = []scenario.Site{{Name: "s"}}
	s.deploys = []*deploy{{name: "app", release: "app@1", singleton: true}}
	all := scenario.Check{Name: "all_run", Arg: "app@1"}
	runs, stands := api.Running{Name: "app", Release: "app@1", Target: "app@1", Phase: "ready", Ready: true}, api.Running{Name: "app", Target: "app@1", Phase: "standby"}
	n0.agent.status.Deployments, n1.agent.status.Deployments = []api.Running{stands}, []api.Running{runs}
	holds(t, s, all, "")
	n1.agent.status.Deployments = []api.Running{stands}
	holds(t, s, all, "0 nodes of s run app@1")
	n1.agent.status.Deployments[0].Target = "app@0"
	holds(t, s, all, `s/n1 runs "", standby`)
	s.deploys[0].singleton = false
	holds(t, s, all, `s/n0 runs "", standby`)
	n0.agent.status.Deployments, n1.agent.status.Deployments = []api.Running{runs}, []api.Running{runs}
	holds(t, s, all, "")
	s.deploys[0].singleton = true
	holds(t, s, all, "2 nodes of s run app@1") // and none stands by
	n1.agent.status.Deployments = []api.Running{stands}
	n0.agent = nil // who is down has nothing to show
	holds(t, s, all, "0 nodes of s run app@1")
}

// A file is what its release says, or its digest says what it is instead.
func TestDigest(t *testing.T) {
	content := bytes.Repeat([]byte("release "), 20_000) // more than is compared at a time
	sum := sha256.Sum256(content)
	want := hex.EncodeToString(sum[:])
	s := &story{releases: map[string]release{"a@1": {content: content, digest: want}}}
	last := bytes.Clone(content)
	last[len(last)-1]++
	for what, c := range map[string]struct {
		file []byte
		ok   bool
	}{
		"the same":          {content, true},
		"another last byte": {last, false},
		"a byte short":      {content[1:], false},
		"a byte more":       {append(bytes.Clone(content), 0), false},
		"nothing":           {nil, false},
	} {
		sum := sha256.Sum256(c.file)
		got, err := s.digest(bytes.NewReader(c.file), int64(len(c.file)), want)
		if err != nil || got != hex.EncodeToString(sum[:]) || (got == want) != c.ok {
			t.Errorf("%s: %s, %v", what, got, err)
		}
	}
}

// TestPowerCutIsLookedAt: what a power cut leaves of a file that was right is read again, though its size and time are the same.
func TestPowerCutIsLookedAt(t *testing.T) {
	content := bytes.Repeat([]byte("release "), 32<<10)
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	fs := memdisk.New(0)
	const dir = "store/blobs/sha256"
	f, err := createDurable(fs, dir, digest, int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(content, 0); err != nil { // and nobody syncs it
		t.Fatal(err)
	}
	s, n0, n1 := pair()
	n0.disk, n0.agent.blobs, n1.agent = fs, []api.Blob{{Digest: digest, Complete: true}}, nil
	whole := scenario.Check{Name: "no_corrupt_blob"}
	holds(t, s, whole, "")
	n0.disk = fs.Crash(rand.New(rand.NewPCG(1, 2)))
	holds(t, s, whole, "s/n0: blob "+digest[:12]+" has the bytes of ")
}

// createDurable creates a file of zeros that outlives a power cut.
func createDurable(fs disk.FS, dir, name string, size int64) (disk.File, error) {
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := fs.OpenFile(path.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return f, errors.Join(f.Truncate(size), f.Sync(), fs.SyncDir(dir))
}

// TestNothingHoldsOfNobody: a check of what nodes do fails where there is none that does anything.
func TestNothingHoldsOfNobody(t *testing.T) {
	s, n0, n1 := pair()
	revoked, know := scenario.Check{Name: "all_know_revoked"}, scenario.Check{Name: "revoked_know_it"}
	holds(t, s, revoked, "s/n0: nobody is revoked")
	holds(t, s, know, "nobody is revoked")
	waits := scenario.Check{Name: "blobs_wait", Arg: "s"}
	n0.agent.status.Uplink.BulkHeld, n1.agent.status.Uplink.BulkHeld = "a window", "a window"
	holds(t, s, waits, "")
	n0.agent, n1.agent = nil, nil
	holds(t, s, waits, "no node of s is up")
	s.deploys = []*deploy{{name: "app", release: "app@1"}}
	for _, name := range []string{"all_run", "all_have", "refused"} {
		holds(t, s, scenario.Check{Name: name, Arg: "app@1"}, "no node is up that is meant for app@1")
	}
}
