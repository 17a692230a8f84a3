// Package rollout decides what a node does next about one deployment.
//
// Decide is a pure function from what the node knows (State) to what it does (Action). The node
// observes, asks, acts, writes down what the action says must be remembered, and asks again;
// so a crash at any point resumes.
//
// A version is one deployment statement with the release that it named. Of the versions that a
// node has run, two are remembered apart: the one that is being proven (provisional) and the
// last one that proved itself (verified). Only a verified version is ever gone back to, so an
// interrupted deploy cannot become the way back. A version that failed is remembered too, and
// is not tried again until the operator changes the deployment. One whose place the next is to take goes on
// being proven until that can be done; if it fails before, the verified version runs meanwhile.
//
//	target fetched? ── no ──► fetch, keep running what runs
//	      │ yes
//	      ▼
//	   start it (provisional) ── healthy for long enough ──► verified
//	      │ deadline, bad artifact, or too many attempts
//	      ▼
//	   failed: start the verified version again
//
// A version can be declared for a later time. It is fetched ahead, and waits, while what runs goes on; what has begun when its
// time is over is brought to its end.
//
// A version can be a singleton, which runs on the one node that leads its site. The others fetch it, and stand by. Whoever
// loses the lead stops it, whatever it was about to prove.
package rollout

import "selvage/internal/mutant"

// MaxAttempts is how often a version that never proved itself is started, counting over
// restarts of the node: a version that takes the whole machine down is given up too.
const MaxAttempts = 3

// ID names a version: the digest of its deployment statement. "" names none.
type ID string

// Phase is where a deployment stands on a node.
type Phase string

// The phases.
const (
	Absent   Phase = "absent"   // not meant for this node
	Waiting  Phase = "waiting"  // what should run is not known here, cannot run here, or cannot be changed to yet
	Fetching Phase = "fetching" // the blob is on its way
	Starting Phase = "starting" // running, not proven yet
	Ready    Phase = "ready"    // running and proven
	Degraded Phase = "degraded" // proven earlier, and not healthy now
	Failed   Phase = "failed"   // the target failed here; what was verified before runs, if anything
	Queued   Phase = "queued"   // the target is here, and waits for its turn in the site
	// Scheduled: the target is here, and waits for the time at which it may be changed to.
	Scheduled Phase = "scheduled"
	Standby   Phase = "standby" // the target is here, and runs on the node that leads the site
)

// Health is the judgement on what runs.
type Health int

// The judgements.
const (
	Pending Health = iota
	Healthy
	Unhealthy // past its deadline, or broken for good
)

// State is what the node knows about one deployment.
type State struct {
	Selected bool   // the deployment is meant for this node
	Left     bool   // something is remembered of it here, so that files of it may be on disk
	Target   ID     // the version that should run; "" if it cannot be told or cannot run here
	Problem  string // why Target is ""
	Fetched  bool   // the target's blob is here, whole

	Running ID     // the version that was started last and not stopped
	Health  Health // of Running
	Detail  string // what the last look at Running said

	Verified ID     // the last version that proved itself
	Torn     bool   // Verified's blob is not here, or not whole any more
	Attempts int    // starts of Target, ever, while it was not verified
	Broken   ID     // the version that failed
	Reason   string // why Broken failed

	// Shut is why this node may not begin to change to Target at this time, though it should one day; "" if it may. Begun: it
	// has begun, in this life or an earlier one, so that time is no matter any more.
	Shut  string
	Begun bool

	Turn string // why this node may not change to Target yet, though it could; "" if it may

	// Stuck is why Target could not be changed to when that was tried last, before it came to a start, while it is not yet time to
	// try again; "" otherwise.
	Stuck string

	Singleton Singletons // which of the versions are
	Bar       string     // why no singleton may run here; "" if this node leads its site
	Lapsed    bool       // Running is a singleton that has ended because its lease did: no fault of its own
}

// Singletons says which versions of a State are singletons.
type Singletons struct{ Target, Running, Verified bool }

// Action is what to do. The zero ID in a field means not to. The fields are carried out in the
// order in which they stand here, and what Verify says is durable before anything after them; what Fail says should be.
type Action struct {
	Fail   ID   // remember that this version failed, for the Why below
	Verify ID   // remember that this version proved itself
	Fetch  bool // fetch the target's blob; goes on beside the rest
	Ahead  bool // it is fetched ahead of its time, and may wait for what is wanted now
	Mend   bool // fetch the verified version's blob, which is the way back and not whole; goes on beside the rest
	Stop   bool // stop what runs
	Begin  ID   // remember that this node has begun to change to this version, though it does not start it yet
	Remove bool // remove what is on disk of the deployment, and last what is remembered of it; nothing runs
	Start  ID   // start this version, after counting an attempt if it is not verified; it replaces what runs

	Phase Phase
	Why   string // for people; "" where the phase says all
}

// Decide says what to do next. It is total, and asks for nothing more once the world has
// followed it: Phase is then Ready, Failed, Waiting, Scheduled, Queued, Standby, Degraded or Absent.
func Decide(s State) Action {
	a := decide(s)
	a.Mend = s.Selected && s.Torn && s.Verified != "" && s.Verified != s.Target && s.Verified != s.Broken
	return a
}

func decide(s State) Action {
	switch {
	case !s.Selected:
		return Action{Phase: Absent, Stop: s.Running != "", Remove: s.Left}
	case s.Running != "" && (s.Lapsed || s.barred(s.Singleton.Running)):
		return yield(s)
	case s.Target == "":
		return hold(s, Action{Phase: Waiting, Why: s.Problem})
	case s.Target == s.Broken:
		return fallBack(s)
	case !s.Fetched && s.Running == s.Target:
		return regain(s)
	case !s.Fetched:
		return fetch(s)
	case s.early() != "":
		return prove(s, Action{Phase: Scheduled, Why: "fetched; " + s.Shut})
	case s.barred(s.Singleton.Target):
		return stand(s)
	case s.Running == s.Target:
		return judge(s)
	case s.Target != s.Verified && s.Attempts >= MaxAttempts:
		return fail(s, "was started several times and never proved itself")
	case s.Stuck != "" && s.Target != s.Verified:
		return prove(s, Action{Phase: Waiting, Why: s.Stuck})
	case s.Turn != "" && s.Target != s.Verified && (s.Running != "" || s.mayGoBack()):
		return prove(s, Action{Phase: Queued, Why: s.Turn})
	}
	return Action{Phase: Starting, Start: s.Target}
}

// barred reports whether a version may not run here for want of the lead.
func (s State) barred(singleton bool) bool { return singleton && s.Bar != "" }

// early says why it is not the time to change to the target; "" if it is, or this node has begun to.
func (s State) early() string {
	if s.Begun || s.Running == s.Target || s.Target == s.Verified || mutant.On(mutant.ActivateEarly) {
		return ""
	}
	return s.Shut
}

// stand keeps a singleton ready for when this node leads its site. With that its time counts as come: who takes it over later
// does so at any time.
func stand(s State) Action {
	a := Action{Phase: Standby, Why: s.Bar, Stop: s.Running != ""}
	if !s.Begun && s.Target != s.Verified {
		a.Begin = s.Target
	}
	return a
}

// yield stops what runs before anything else is done: what it came to is not held against it, nor is the attempt.
func yield(s State) Action {
	if s.Running == s.Target {
		s.Attempts--
	}
	s.Running, s.Singleton.Running, s.Lapsed = "", false, false
	a := decide(s)
	a.Stop = true
	return a
}

// keep leaves what runs alone; if nothing does, it starts what last proved itself.
func keep(s State, a Action) Action {
	if s.Running == "" && s.mayGoBack() {
		a.Start = s.Verified
	}
	return a
}

func fetch(s State) Action {
	if why := s.early(); why != "" {
		return prove(s, Action{Phase: Fetching, Why: why, Fetch: true, Ahead: true})
	}
	return prove(s, Action{Phase: Fetching, Fetch: true})
}

// regain fetches the blob of a target again that was started before it went bad. What the target comes to counts meanwhile: nobody may
// have the blob.
func regain(s State) Action {
	a := judge(s)
	if a.Fail == "" {
		a.Fetch, a.Phase, a.Why = true, Fetching, ""
	}
	return a
}

// hold is keep for what runs and is no target any more: if it fails, what last proved itself takes its place.
func hold(s State, a Action) Action {
	if s.Running != "" && s.Running != s.Verified && s.Health == Unhealthy && s.mayGoBack() {
		a.Start = s.Verified
		return a
	}
	return keep(s, a)
}

// prove is hold for as long as it may take for a blob, a turn or a time to come: what runs may prove itself meanwhile, too.
func prove(s State, a Action) Action {
	if s.Running != "" && s.Running != s.Verified && s.Health == Healthy {
		a.Verify = s.Running
		return a
	}
	return hold(s, a)
}

func judge(s State) Action {
	proven := s.Target == s.Verified
	switch {
	case s.Health == Healthy && proven:
		return Action{Phase: Ready}
	case s.Health == Healthy:
		return Action{Phase: Ready, Verify: s.Target}
	case proven && s.Health == Unhealthy:
		return Action{Phase: Degraded, Why: s.Detail}
	case s.Health == Unhealthy:
		return fail(s, s.Detail)
	}
	return Action{Phase: Starting, Why: s.Detail}
}

func fail(s State, why string) Action {
	s.Broken, s.Reason = s.Target, why
	a := fallBack(s)
	a.Fail = s.Target
	return a
}

// fallBack runs the verified version in place of the broken target, or nothing if there is none.
func fallBack(s State) Action {
	a := Action{Phase: Failed, Why: s.Reason}
	switch {
	case !s.mayGoBack():
		a.Stop = s.Running != ""
	case s.Running != s.Verified:
		a.Start = s.Verified
	}
	return a
}

// mayGoBack reports whether there is a version that proved itself, has not failed since, and may run here.
func (s State) mayGoBack() bool {
	return s.Verified != "" && s.Verified != s.Broken && !s.barred(s.Singleton.Verified)
}
