package rollout

import (
	"testing"

	"pgregory.net/rapid"
)

func TestDecide(t *testing.T) {
	on := State{Selected: true, Target: "v2", Fetched: true}
	with := func(change func(*State)) State { s := on; change(&s); return s }
	for name, c := range map[string]struct {
		s    State
		want Action
	}{
		"not selected":        {State{Running: "v1"}, Action{Phase: Absent, Stop: true}},
		"no more, runs":       {State{Running: "v1", Verified: "v1", Left: true}, Action{Phase: Absent, Stop: true, Remove: true}},
		"no more, rebooted":   {State{Verified: "v1", Left: true}, Action{Phase: Absent, Remove: true}},
		"unknown release":     {State{Selected: true, Problem: "p", Running: "v1"}, Action{Phase: Waiting, Why: "p"}},
		"reboot, unknown":     {State{Selected: true, Problem: "p", Verified: "v1"}, Action{Phase: Waiting, Why: "p", Start: "v1"}},
		"fetch, keep v1":      {with(func(s *State) { s.Fetched, s.Running, s.Verified = false, "v1", "v1" }), Action{Phase: Fetching, Fetch: true}},
		"reboot in fetch":     {with(func(s *State) { s.Fetched, s.Verified = false, "v1" }), Action{Phase: Fetching, Fetch: true, Start: "v1"}},
		"start":               {with(func(s *State) { s.Running = "v1" }), Action{Phase: Starting, Start: "v2"}},
		"pending":             {with(func(s *State) { s.Running = "v2" }), Action{Phase: Starting}},
		"proves itself":       {with(func(s *State) { s.Running, s.Health = "v2", Healthy }), Action{Phase: Ready, Verify: "v2"}},
		"stays ready":         {with(func(s *State) { s.Running, s.Health, s.Verified = "v2", Healthy, "v2" }), Action{Phase: Ready}},
		"fails, first":        {with(func(s *State) { s.Running, s.Health, s.Detail = "v2", Unhealthy, "503" }), Action{Phase: Failed, Why: "503", Fail: "v2", Stop: true}},
		"fails, falls back":   {with(func(s *State) { s.Running, s.Health, s.Verified = "v2", Unhealthy, "v1" }), Action{Phase: Failed, Fail: "v2", Start: "v1"}},
		"stays failed":        {with(func(s *State) { s.Running, s.Broken, s.Reason, s.Verified = "v1", "v2", "503", "v1" }), Action{Phase: Failed, Why: "503"}},
		"degrades":            {with(func(s *State) { s.Running, s.Health, s.Verified = "v2", Unhealthy, "v2" }), Action{Phase: Degraded}},
		"never proved":        {with(func(s *State) { s.Attempts, s.Verified = MaxAttempts, "v1" }), Action{Phase: Failed, Fail: "v2", Start: "v1", Why: "was started several times and never proved itself"}},
		"verified, rebooted":  {with(func(s *State) { s.Attempts, s.Verified = MaxAttempts, "v2" }), Action{Phase: Starting, Start: "v2"}},
		"waits its turn":      {with(func(s *State) { s.Turn, s.Running, s.Verified = "n2 changes", "v1", "v1" }), Action{Phase: Queued, Why: "n2 changes"}},
		"waits, rebooted":     {with(func(s *State) { s.Turn, s.Verified = "n2 changes", "v1" }), Action{Phase: Queued, Why: "n2 changes", Start: "v1"}},
		"nothing to lose":     {with(func(s *State) { s.Turn = "n2 changes" }), Action{Phase: Starting, Start: "v2"}},
		"proven, no turn":     {with(func(s *State) { s.Turn, s.Running, s.Verified = "n2 changes", "v1", "v2" }), Action{Phase: Starting, Start: "v2"}},
		"changing":            {with(func(s *State) { s.Turn, s.Running, s.Verified = "n2 changes", "v2", "v1" }), Action{Phase: Starting}},
		"fetches ahead":       {with(func(s *State) { s.Shut, s.Fetched, s.Running, s.Verified = "at ten", false, "v1", "v1" }), Action{Phase: Fetching, Why: "at ten", Fetch: true, Ahead: true}},
		"waits for its time":  {with(func(s *State) { s.Shut, s.Running, s.Verified = "at ten", "v1", "v1" }), Action{Phase: Scheduled, Why: "fetched; at ten"}},
		"the first one, too":  {with(func(s *State) { s.Shut = "at ten" }), Action{Phase: Scheduled, Why: "fetched; at ten"}},
		"time, rebooted":      {with(func(s *State) { s.Shut, s.Verified = "at ten", "v1" }), Action{Phase: Scheduled, Why: "fetched; at ten", Start: "v1"}},
		"time before turn":    {with(func(s *State) { s.Shut, s.Turn, s.Running, s.Verified = "at ten", "n2 changes", "v1", "v1" }), Action{Phase: Scheduled, Why: "fetched; at ten"}},
		"time is over, runs":  {with(func(s *State) { s.Shut, s.Running, s.Health, s.Verified = "at ten", "v2", Healthy, "v1" }), Action{Phase: Ready, Verify: "v2"}},
		"over, rebooted":      {with(func(s *State) { s.Shut, s.Begun, s.Verified = "at ten", true, "v1" }), Action{Phase: Starting, Start: "v2"}},
		"over, proven":        {with(func(s *State) { s.Shut, s.Verified = "at ten", "v2" }), Action{Phase: Starting, Start: "v2"}},
		"over, fails":         {with(func(s *State) { s.Shut, s.Running, s.Health, s.Verified = "at ten", "v2", Unhealthy, "v1" }), Action{Phase: Failed, Fail: "v2", Start: "v1"}},
		"v1 proves itself":    {with(func(s *State) { s.Shut, s.Running, s.Health, s.Verified = "at ten", "v1", Healthy, "v0" }), Action{Phase: Scheduled, Why: "fetched; at ten", Verify: "v1"}},
		"v1 fails meanwhile":  {with(func(s *State) { s.Shut, s.Running, s.Health, s.Verified = "at ten", "v1", Unhealthy, "v0" }), Action{Phase: Scheduled, Why: "fetched; at ten", Start: "v0"}},
		"v1 is all there is":  {with(func(s *State) { s.Shut, s.Running, s.Health = "at ten", "v1", Unhealthy }), Action{Phase: Scheduled, Why: "fetched; at ten"}},
		"v1 fails in fetch":   {with(func(s *State) { s.Fetched, s.Running, s.Health, s.Verified = false, "v1", Unhealthy, "v0" }), Action{Phase: Fetching, Fetch: true, Start: "v0"}},
		"v1 proves in fetch":  {with(func(s *State) { s.Fetched, s.Running, s.Health, s.Verified = false, "v1", Healthy, "v0" }), Action{Phase: Fetching, Fetch: true, Verify: "v1"}},
		"v1 fails in queue":   {with(func(s *State) { s.Turn, s.Running, s.Health, s.Verified = "n2 changes", "v1", Unhealthy, "v0" }), Action{Phase: Queued, Why: "n2 changes", Start: "v0"}},
		"v1 proves in queue":  {with(func(s *State) { s.Turn, s.Running, s.Health, s.Verified = "n2 changes", "v1", Healthy, "v0" }), Action{Phase: Queued, Why: "n2 changes", Verify: "v1"}},
		"unknown, v1 fails":   {State{Selected: true, Problem: "p", Running: "v1", Health: Unhealthy, Verified: "v0"}, Action{Phase: Waiting, Why: "p", Start: "v0"}},
		"unknown, v1 is good": {State{Selected: true, Problem: "p", Running: "v1", Health: Healthy, Verified: "v0"}, Action{Phase: Waiting, Why: "p"}},
		"no standby yet":      {with(func(s *State) { s.Shut, s.Bar, s.Singleton.Target, s.Running = "at ten", "b", true, "v1" }), Action{Phase: Scheduled, Why: "fetched; at ten"}},
		"takes over late":     {with(func(s *State) { s.Shut, s.Begun, s.Singleton.Target = "at ten", true, true }), Action{Phase: Starting, Start: "v2"}},
		"stands by":           {with(func(s *State) { s.Bar, s.Singleton.Target = "n2 leads", true }), Action{Phase: Standby, Why: "n2 leads", Begin: "v2"}},
		"stands by still":     {with(func(s *State) { s.Bar, s.Singleton.Target, s.Begun = "n2 leads", true, true }), Action{Phase: Standby, Why: "n2 leads"}},
		"takes over":          {with(func(s *State) { s.Singleton.Target = true }), Action{Phase: Starting, Start: "v2"}},
		"steps back":          {with(func(s *State) { s.Bar, s.Singleton.Target, s.Running, s.Singleton.Running = "b", true, "v2", true }), Action{Phase: Standby, Why: "b", Stop: true, Begin: "v2"}},
		"fetches, bars v1":    {with(func(s *State) { s.Fetched, s.Bar, s.Running, s.Singleton.Running = false, "b", "v1", true }), Action{Phase: Fetching, Fetch: true, Stop: true}},
		"no more everywhere":  {with(func(s *State) { s.Bar, s.Running, s.Singleton.Running = "b", "v1", true }), Action{Phase: Starting, Start: "v2", Stop: true}},
		"way back is torn":    {with(func(s *State) { s.Broken, s.Reason, s.Verified, s.Torn = "v2", "503", "v1", true }), Action{Phase: Failed, Why: "503", Start: "v1", Mend: true}},
		"torn, unknown":       {State{Selected: true, Problem: "p", Running: "v1", Verified: "v1", Torn: true}, Action{Phase: Waiting, Why: "p", Mend: true}},
		"torn, and barred": {with(func(s *State) {
			s.Bar, s.Singleton = "b", Singletons{true, false, true}
			s.Begun, s.Verified, s.Torn = true, "v1", true
		}), Action{Phase: Standby, Why: "b", Mend: true}},
		"target is torn": {with(func(s *State) { s.Fetched, s.Running, s.Verified, s.Torn = false, "v2", "v2", true }), Action{Phase: Fetching, Fetch: true}},
		"torn, proves":   {with(func(s *State) { s.Fetched, s.Running, s.Health, s.Verified = false, "v2", Healthy, "v1" }), Action{Phase: Fetching, Verify: "v2", Fetch: true}},
		"torn, fails": {with(func(s *State) {
			s.Fetched, s.Running, s.Health, s.Verified, s.Detail = false, "v2", Unhealthy, "v1", "503"
		}), Action{Phase: Failed, Why: "503", Fail: "v2", Start: "v1"}},
		"torn, waits for it": {with(func(s *State) { s.Fetched, s.Running, s.Verified = false, "v2", "v1" }), Action{Phase: Fetching, Fetch: true}},
		"torn, not selected": {State{Verified: "v1", Torn: true}, Action{Phase: Absent}},
		"put off":            {with(func(s *State) { s.Stuck, s.Running, s.Verified = "disk full", "v1", "v1" }), Action{Phase: Waiting, Why: "disk full"}},
		"put off, stopped":   {with(func(s *State) { s.Stuck, s.Verified = "not empty", "v1" }), Action{Phase: Waiting, Why: "not empty", Start: "v1"}},
		"put off, the first": {with(func(s *State) { s.Stuck = "disk full" }), Action{Phase: Waiting, Why: "disk full"}},
		"put off, v1 proves": {with(func(s *State) { s.Stuck, s.Running, s.Health = "disk full", "v1", Healthy }), Action{Phase: Waiting, Why: "disk full", Verify: "v1"}},
		"no way back": {with(func(s *State) {
			s.Bar, s.Broken, s.Reason, s.Verified, s.Singleton.Verified = "b", "v2", "503", "v1", true
		}), Action{Phase: Failed, Why: "503"}},
		"lapsed, holds on": {with(func(s *State) {
			s.Singleton.Target, s.Running, s.Singleton.Running, s.Lapsed, s.Health, s.Verified = true, "v2", true, true, Unhealthy, "v2"
		}), Action{Phase: Starting, Stop: true, Start: "v2"}},
		"lapsed at the last try": {with(func(s *State) {
			s.Singleton.Target, s.Running, s.Singleton.Running, s.Lapsed, s.Attempts, s.Verified = true, "v2", true, true, MaxAttempts, "v1"
		}), Action{Phase: Starting, Stop: true, Start: "v2"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Decide(c.s); got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

// world is a node that does what it is told, with versions whose health is decided beforehand.
type world struct {
	State
	good    map[ID]bool
	single  map[ID]bool
	fetched map[ID]bool
	tries   map[ID]int
	begun   ID
	cut     bool // nothing that is fetched comes
}

func (w *world) follow(t *rapid.T, a Action) {
	if a.Fail != "" {
		w.Broken, w.Reason = a.Fail, a.Why
	}
	if a.Verify != "" {
		if w.Running != a.Verify || w.Health != Healthy {
			t.Fatalf("verified %s, which was not seen healthy", a.Verify)
		}
		w.Verified = a.Verify
	}
	if a.Fetch && !w.cut {
		w.fetched[w.Target] = true
	}
	if a.Mend && !w.cut {
		w.fetched[w.Verified] = true
	}
	if a.Stop {
		if w.single[w.Running] && w.Running != w.Verified && w.Running != w.Broken {
			w.tries[w.Running]-- // it is forgiven
		}
		w.Running, w.Lapsed = "", false
	}
	if a.Begin != "" {
		if w.Shut != "" {
			t.Fatalf("began with %s, though it %s", a.Begin, w.Shut)
		}
		w.begun = a.Begin
	}
	if a.Start != "" {
		w.start(t, a.Start)
	}
	w.observe()
}

func (w *world) start(t *rapid.T, id ID) {
	if w.single[id] && w.Bar != "" {
		t.Fatalf("started the singleton %s, though %s", id, w.Bar)
	}
	if w.Shut != "" && id != w.begun && id != w.Verified {
		t.Fatalf("started %s, though it %s", id, w.Shut)
	}
	if id == w.Broken {
		t.Fatalf("started %s, which had failed", id)
	}
	if id != w.Verified {
		if !w.fetched[id] {
			t.Fatalf("started %s, which is not here", id)
		}
		if w.tries[id]++; w.tries[id] > MaxAttempts {
			t.Fatalf("started %s %d times, and it never proved itself", id, w.tries[id])
		}
	}
	if w.Running = id; id != w.Verified {
		w.begun = id
	}
}

func (w *world) observe() {
	w.Singleton = Singletons{w.single[w.Target], w.single[w.Running], w.single[w.Verified]}
	w.Begun = w.begun != "" && w.begun == w.Target
	w.Fetched, w.Attempts = w.fetched[w.Target], w.tries[w.Target]
	w.Torn = w.Verified != "" && !w.fetched[w.Verified]
	w.Health = Unhealthy
	if w.good[w.Running] {
		w.Health = Healthy
	}
}

// However deployments change and the node restarts, it comes to rest, on the target if that is
// good, and on the last version that proved itself if not.
func TestComesToRest(t *testing.T) {
	ids := []ID{"v1", "v2", "v3", "v4"}
	rapid.Check(t, func(t *rapid.T) {
		w := &world{good: map[ID]bool{}, single: map[ID]bool{}, fetched: map[ID]bool{}, tries: map[ID]int{}}
		for _, id := range ids {
			w.good[id] = rapid.Bool().Draw(t, "good "+string(id))
			w.single[id] = rapid.Bool().Draw(t, "singleton "+string(id))
		}
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			w.Selected = true
			w.Target = rapid.SampledFrom(ids).Draw(t, "target")
			w.Shut = rapid.SampledFrom([]string{"", "waits for its time"}).Draw(t, "shut")
			w.Bar = rapid.SampledFrom([]string{"", "another leads"}).Draw(t, "bar")
			w.Stuck = rapid.SampledFrom([]string{"", "what was there cannot be cleared away"}).Draw(t, "stuck")
			w.Turn = rapid.SampledFrom([]string{"", "another changes"}).Draw(t, "turn")
			w.cut = rapid.Bool().Draw(t, "cut")
			w.observe()
			for range rapid.IntRange(0, 3).Draw(t, "steps before the power goes") {
				w.Lapsed = w.single[w.Running] && rapid.Bool().Draw(t, "lapsed")
				w.follow(t, Decide(w.State))
			}
			if rapid.Bool().Draw(t, "and it does not") {
				continue
			}
			w.Running = ""
			if rapid.Bool().Draw(t, "the disk of what proved itself goes bad") {
				w.fetched[w.Verified] = false
			}
			w.observe()
		}
		var last Action
		for range 20 {
			last = Decide(w.State)
			w.follow(t, last)
		}
		if again := Decide(w.State); again != last || again.Start != "" || again.Stop {
			t.Fatalf("does not come to rest: %+v, then %+v in %+v", last, again, w.State)
		}
		if w.Torn && w.Verified != w.Broken && !w.cut {
			t.Fatalf("came to rest while the blob of %s is not whole: %+v", w.Verified, w.State)
		}
		if w.single[w.Running] && w.Bar != "" {
			t.Fatalf("came to rest on the singleton %s, though %s", w.Running, w.Bar)
		}
		early := w.Shut != "" && w.begun != w.Target && w.Target != w.Verified
		if early && w.Running == w.Target {
			t.Fatalf("runs %s, though it %s", w.Running, w.Shut)
		}
		barred := w.single[w.Target] && w.Bar != ""
		if barred && w.Running == w.Target || barred && last.Phase == Ready {
			t.Fatalf("is %s with %s, though %s", last.Phase, w.Running, w.Bar)
		}
		if w.Running == "" && w.mayGoBack() && !barred {
			t.Fatalf("runs nothing, and %s proved itself: %+v", w.Verified, w.State)
		}
		stuck := (w.Stuck != "" || w.Turn != "" || w.cut) && w.Target != w.Verified
		if w.good[w.Target] && w.Target != w.Broken && w.Running != w.Target && !barred && !early && !stuck {
			t.Fatalf("%s is good and does not run: %+v", w.Target, w.State)
		}
		if w.Running != "" && !w.good[w.Running] && (!early && !stuck || w.mayGoBack()) {
			t.Fatalf("came to rest on %s, which is bad", w.Running)
		}
	})
}
