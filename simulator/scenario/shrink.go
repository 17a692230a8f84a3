package scenario

import (
	"iter"
	"math"
	"slices"
	"time"
)

// Shrink gives scenarios that are smaller than this one by one change each, the large changes
// first: without some of its faults, work, checks or sites, with shorter faults, fewer nodes,
// better links, smaller releases, or an earlier end. Each is valid, and the same scenario gives the same ones
// in the same order. It wants a scenario that Parse, Expand or Shrink gave.
func (s Scenario) Shrink() iter.Seq[Scenario] {
	return func(yield func(Scenario) bool) {
		sh := &shrinker{s: s, left: math.MaxInt}
		sh.fails = func(c Scenario) bool {
			if !yield(c) {
				sh.left = 0
			}
			return false // so that the next is made from s again
		}
		sh.pass()
	}
}

// Minimize looks for the smallest scenario that still fails. It asks fails at most budget times,
// and takes what it says for the truth: fails has to give the same answer for the same scenario. It
// returns s itself where s has nothing to spare. Random faults become Faults first if s fails as well with them.
func Minimize(s Scenario, fails func(Scenario) bool, budget int) Scenario {
	sh := &shrinker{s: s, fails: fails, left: budget}
	if len(s.Random) > 0 {
		sh.try(s.Expand())
	}
	for progress := true; progress && sh.left > 0; {
		progress = sh.pass()
	}
	return sh.s
}

// shrinker holds the smallest scenario so far that fails.
type shrinker struct {
	s     Scenario
	fails func(Scenario) bool
	left  int // how often fails may still be asked
}

// try asks whether a smaller scenario fails too, and goes on from it if so. One that is not valid
// is not asked about.
func (sh *shrinker) try(c Scenario) bool {
	if sh.left <= 0 {
		return false
	}
	if c = c.settled(); len(c.problems(nil)) > 0 {
		return false
	}
	sh.left--
	if !sh.fails(c) {
		return false
	}
	sh.s = c
	return true
}

// pass tries every change once, and again where it helped. It reports whether anything did.
func (sh *shrinker) pass() bool {
	progress := drop(sh, func(s *Scenario) *[]Random { return &s.Random })
	progress = drop(sh, func(s *Scenario) *[]Fault { return &s.Faults }) || progress
	progress = drop(sh, func(s *Scenario) *[]Check { return &s.Always }) || progress
	progress = drop(sh, func(s *Scenario) *[]Check { return &s.Sometimes }) || progress
	progress = drop(sh, func(s *Scenario) *[]Eventually { return &s.Eventually }) || progress
	progress = sh.budget() || progress
	progress = drop(sh, func(s *Scenario) *[]Work { return &s.Work }) || progress
	progress = sh.releases() || progress
	progress = drop(sh, func(s *Scenario) *[]Site { return &s.Sites }) || progress
	progress = sh.nodes() || progress
	progress = sh.spans() || progress
	progress = sh.links() || progress
	progress = sh.sizes() || progress
	return sh.end() || progress
}

// drop leaves out items: all of them, then halves, and so on to single ones (Zeller and
// Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002, without its complements,
// which are what is left of the halves).
func drop[T any](sh *shrinker, items func(*Scenario) *[]T) (progress bool) {
	for size := len(*items(&sh.s)); size > 0; size /= 2 {
		for from := 0; from < len(*items(&sh.s)) && sh.left > 0; {
			c := sh.s.clone()
			of := items(&c)
			*of = slices.Delete(slices.Clone(*of), from, min(from+size, len(*of)))
			if sh.pinned(c) || !sh.try(c) {
				from += size
				continue
			}
			progress = true
		}
	}
	return progress
}

// pinned reports whether a check of c speaks of a place that c does not have any more. Which
// checks take places is the engine's to know; so what reads like a place of s is taken for one.
func (sh *shrinker) pinned(c Scenario) bool {
	before, after := sh.s.roster(), c.roster()
	gone := func(checks []Check) bool {
		return slices.ContainsFunc(checks, func(check Check) bool {
			return before.missing(check.Arg, MaxDuration) == "" && after.missing(check.Arg, MaxDuration) != ""
		})
	}
	return gone(c.Always) || gone(c.Sometimes) ||
		slices.ContainsFunc(c.Eventually, func(e Eventually) bool { return gone(e.Checks) })
}

// change tries one change to a copy.
func (sh *shrinker) change(f func(*Scenario)) bool {
	if sh.left <= 0 {
		return false
	}
	c := sh.s.clone()
	f(&c)
	return !sh.pinned(c) && sh.try(c)
}

// budget leaves out bounds on the cost.
func (sh *shrinker) budget() (progress bool) {
	b := sh.s.Budget
	if b.UplinkRatio > 0 {
		progress = sh.change(func(s *Scenario) { s.Budget.UplinkRatio = 0 })
	}
	if b.BlobRatio > 0 {
		progress = sh.change(func(s *Scenario) { s.Budget.BlobRatio = 0 }) || progress
	}
	if b.BlobBytes > 0 {
		progress = sh.change(func(s *Scenario) { s.Budget.BlobBytes = 0 }) || progress
	}
	if b.Makespan > 0 {
		progress = sh.change(func(s *Scenario) { s.Budget.Makespan = 0 }) || progress
	}
	return progress
}

// releases leaves out a release with all that is deployed of it, which need each other.
func (sh *shrinker) releases() (progress bool) {
	for _, w := range sh.s.Work {
		if w.Seed == nil {
			continue
		}
		release := w.Seed.Name + "@" + w.Seed.Version
		progress = sh.change(func(s *Scenario) {
			s.Work = slices.DeleteFunc(s.Work, func(w Work) bool {
				return w.Seed != nil && w.Seed.Name+"@"+w.Seed.Version == release || w.Deploy != nil && w.Deploy.Release == release
			})
		}) || progress
	}
	return progress
}

// nodes takes nodes from sites: all but one, then half, then one.
func (sh *shrinker) nodes() (progress bool) {
	for i := range sh.s.Sites {
		for cut := sh.s.Sites[i].Nodes - 1; cut > 0 && sh.left > 0; {
			if sh.change(func(s *Scenario) { s.Sites[i].Nodes -= cut }) {
				progress = true
				cut = min(cut, sh.s.Sites[i].Nodes-1)
				continue
			}
			cut /= 2
		}
	}
	return progress
}

// shortest is a time that need not be made shorter.
const shortest = time.Second

// spans halves how long faults last.
func (sh *shrinker) spans() (progress bool) {
	for i := range sh.s.Faults {
		for sh.s.Faults[i].For > shortest {
			half := max(sh.s.Faults[i].For/2, shortest).Round(time.Millisecond)
			if !sh.change(func(s *Scenario) { s.Faults[i].For = half }) {
				break
			}
			progress = true
		}
	}
	return progress
}

// links makes networks perfect.
func (sh *shrinker) links() (progress bool) {
	for i, site := range sh.s.Sites {
		if site.LAN != (Link{}) {
			progress = sh.change(func(s *Scenario) { s.Sites[i].LAN = Link{} }) || progress
		}
		if site.Uplink != (Uplink{}) {
			progress = sh.change(func(s *Scenario) { s.Sites[i].Uplink = plain(s, site.Name) }) || progress
		}
	}
	return progress
}

// plain is an uplink without limits. Degraded ones have the same address translation as the site's,
// so that they lose it too.
func plain(s *Scenario, site string) Uplink {
	for i, f := range s.Faults {
		if f.Kind == Degrade && f.On == site {
			s.Faults[i].Link.NAT = ""
		}
	}
	return Uplink{}
}

// smallest is a release that need not be made smaller, in bytes.
const smallest = 1000

// sizes halves releases, and has what is new of them in one place.
func (sh *shrinker) sizes() (progress bool) {
	for i := range sh.s.Work {
		if seed := sh.s.Work[i].Seed; seed != nil && seed.Places > 1 {
			progress = sh.change(func(s *Scenario) { s.Work[i].Seed.Places = 1 }) || progress
		}
		if seed := sh.s.Work[i].Seed; seed != nil && seed.Repeats > 0 {
			progress = sh.change(func(s *Scenario) { s.Work[i].Seed.Repeats = 0 }) || progress
		}
		for seed := sh.s.Work[i].Seed; seed != nil && seed.Size > smallest; seed = sh.s.Work[i].Seed {
			half := max(seed.Size/2, smallest)
			if !sh.change(func(s *Scenario) { s.Work[i].Seed.Size = half }) {
				break
			}
			progress = true
		}
	}
	return progress
}

// end ends the story when nothing more is said to happen.
func (sh *shrinker) end() bool {
	needs := sh.s.needs()
	return needs < sh.s.Duration && sh.change(func(s *Scenario) { s.Duration = needs })
}
