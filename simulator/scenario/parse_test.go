package scenario

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// known are invariants such as the engine has.
var known = Invariants{"nothing_unsigned_runs": None, "no_corrupt_blob": OptionalPlace, "ledgers_equal": None,
	"all_run": Release, "somebody_resumed": None, "one_leader_per_site": OptionalPlace, "epochs_grow": None}

// alike compares scenarios but for their lines.
var alike = cmp.Options{cmpopts.EquateEmpty(),
	cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Line" }, cmp.Ignore())}

func load(t testing.TB, file string) Scenario {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse(file, data, known)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParse(t *testing.T) {
	s := load(t, "all.yaml")
	held := true
	for name, c := range map[string]struct{ got, want any }{
		"name":     {s.Name, "a cut between two sites"},
		"duration": {s.Duration, 15 * time.Minute},
		"site": {s.Sites[1], Site{Line: 6, Name: "s2", Nodes: 3, Labels: map[string]string{"tier": "pos"}, LAN: Link{Latency: 200 * time.Microsecond},
			Uplink: Uplink{Up: 1e6, Down: 8e6, NAT: "symmetric",
				Link: Link{Latency: 40 * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.01, Burst: Burst{0.01, 0.2, 0.8},
					Queue: 64 << 10, CoDel: true, MTU: 1400, Reorder: 0.001, Duplicate: 0.001},
				Duty: Duty{Up: 10 * time.Minute, Every: 2 * time.Hour}, Allowance: Allowance{10e6, day}}}},
		"partition": {s.Faults[0], Fault{Line: 8, At: 30 * time.Second, For: 10 * time.Minute, Kind: Partition, Groups: [][]string{{"s1"}, {"s2"}}}},
		"clock":     {s.Faults[5], Fault{Line: 13, At: 3 * time.Minute, For: time.Minute, Kind: Clock, On: "s1/n0", Jump: -10 * time.Hour, Drift: 2e-4}},
		"random": {s.Random[0], Random{Line: 21, Every: 30 * time.Second, After: time.Minute, Before: 10 * time.Minute, On: []string{"s1"},
			Kinds: []FaultKind{Crash, Cut, Isolate, PowerCut, DiskFull, Clock}, MinFor: 5 * time.Second, MaxFor: time.Minute}},
		"seed":    {s.Work[0].Seed, &Seed{From: "s1/n0", Name: "app", Version: "v1", Size: 20e6, Change: 1, Places: 3}},
		"deploy":  {s.Work[1].Deploy, &Deploy{From: "s1/n0", Name: "app", Release: "app@v1", Selector: map[string]string{"tier": "pos"}}},
		"uplink":  {s.Work[3].Uplink, &UplinkWork{On: "s2", Held: &held}},
		"forge":   {s.Faults[10], Fault{Line: 18, At: 4 * time.Minute, For: 5 * time.Minute, Kind: Forge, On: "s2/n1"}},
		"charter": {s.Work[5].Charter, &Charter{From: "s1/n0"}},
		"lock":    {s.Work[6].Lock, &Lock{Name: "till", On: "s2", Hold: 5 * time.Second, Rest: time.Second}},
		"revoke":  {s.Work[7].Revoke, &Revoke{From: "s1/n0", Node: "s2/n1", Reason: "stolen"}},
		"eventually": {s.Eventually, []Eventually{{Line: 33, Within: 2 * time.Minute, Of: OfHeal,
			Checks: []Check{{33, "ledgers_equal", ""}, {33, "all_run", "app@v1"}}}}},
		"budget": {s.Budget, Budget{34, 1.10, 1.02, 30e6, time.Minute}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestClockIsSet(t *testing.T) {
	f := load(t, "all.yaml").Faults[6]
	if shows := Epoch.Add(f.At + f.Jump); !shows.Equal(time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("the clock shows %v", shows)
	}
}

func TestDegradedUplinkKeepsTheRest(t *testing.T) {
	s := load(t, "all.yaml")
	want := s.Sites[1].Uplink
	want.Down, want.Loss = 64_000, 0.2
	if diff := cmp.Diff(want, s.Faults[8].Link); diff != "" {
		t.Error(diff)
	}
}

func TestDefaults(t *testing.T) {
	s := load(t, "ferry.yaml")
	first, second := s.Work[0].Seed, s.Work[2].Seed
	if first.From != "port/n0" || first.Change != 1 || second.Change != 0.03 {
		t.Errorf("seeds: %+v, %+v", first, second)
	}
	if d := s.Work[3].Deploy; d.From != "port/n0" || d.Name != "tills/front" {
		t.Errorf("deploy: %+v", d)
	}
	// The last fault may be over at 10m15s, and 3m are for the ledgers; half as long again is 19m52.5s.
	if d := load(t, "storm.yaml").Duration; d != 20*time.Minute {
		t.Errorf("the storm takes %v", d)
	}
	if e := load(t, "storm.yaml").Eventually[0]; e.Of != OfHeal {
		t.Errorf("eventually: %+v", e)
	}
}

func TestSorted(t *testing.T) {
	s, err := Parse("f", []byte(`
sites: [{name: a, nodes: 2}]
faults: [{at: 3s, for: 1s, crash: a/n0}, {at: 1s, for: 1s, crash: a/n0}, {at: 3s, diskfull: a}]
`), known)
	if err != nil {
		t.Fatal(err)
	}
	if s.Faults[0].At != time.Second || s.Faults[1].Kind != Crash || s.Faults[2].Kind != DiskFull {
		t.Errorf("%+v", s.Faults)
	}
}

// roundTrip writes a scenario and reads it again.
func roundTrip(t interface{ Fatalf(string, ...any) }, s Scenario, known Invariants) {
	data := s.Marshal()
	back, err := Parse("back", data, known)
	if err != nil {
		t.Fatalf("%v in\n%s", err, data)
	}
	if diff := cmp.Diff(s, back, alike); diff != "" {
		t.Fatalf("%s in\n%s", diff, data)
	}
}

func TestMarshalRoundTrip(t *testing.T) {
	for _, file := range []string{"all.yaml", "design.yaml", "ferry.yaml", "storm.yaml"} {
		roundTrip(t, load(t, file), known)
	}
	rapid.Check(t, func(t *rapid.T) { roundTrip(t, valid().Draw(t, "story"), known) })
}

// TestMarshalQuotesArguments: where any invariant will do, an argument is any text.
func TestMarshalQuotesArguments(t *testing.T) {
	s := load(t, "all.yaml")
	for _, text := range []string{"x: 1", "true", "[a]", "it's #1"} {
		s.Always = []Check{{Name: "log_has", Arg: text}}
		roundTrip(t, s, nil)
	}
}

func TestDurationText(t *testing.T) {
	for text, want := range map[string]time.Duration{"2d": 2 * day, "1h30m": 90 * time.Minute, "10m": 10 * time.Minute, "1d": day,
		"-2d1h": -49 * time.Hour, "0s": 0, "1.5s": 1500 * time.Millisecond, "200us": 200 * time.Microsecond, "1d12h": 36 * time.Hour} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "d", "1", "1.5d", "1d-1h", "1d+1h", "1d24h", "1h1d", "999999d", "1d1d"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.yaml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("sites: &a [*a, *a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse("f", data, nil)
		if err != nil {
			_ = err.Error()
			return
		}
		roundTrip(t, s, nil)
		if e := s.Expand(); len(e.Marshal()) <= MaxFile {
			roundTrip(t, e, nil)
		}
	})
}

func TestCount(t *testing.T) {
	counted, err := Parse("counted.yaml", []byte("sites:\n  - {name: hq, nodes: 1}\n  - {name: s, count: 3, nodes: 2, uplink: {up: 1mbit}}\n"), known)
	if err != nil {
		t.Fatal(err)
	}
	written, err := Parse("written.yaml", []byte("sites:\n  - {name: hq, nodes: 1}\n  - {name: s0, nodes: 2, uplink: {up: 1mbit}}\n"+
		"  - {name: s1, nodes: 2, uplink: {up: 1mbit}}\n  - {name: s2, nodes: 2, uplink: {up: 1mbit}}\n"), known)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(written, counted, alike); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(string(written.Marshal()), string(counted.Marshal())); diff != "" {
		t.Error(diff)
	}
}
