package scenario

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// settled fills in what follows from the rest. A scenario that is settled stays as it is.
func (s Scenario) settled() Scenario {
	s = s.clone()
	made := map[string]*Seed{}
	names := map[string]bool{}
	for _, i := range inTime(s.Work) {
		first := ""
		if len(s.Sites) > 0 {
			first = s.Sites[0].Name + "/n0"
		}
		switch w := s.Work[i]; {
		case w.Seed != nil:
			w.Seed.From = cmp.Or(w.Seed.From, first)
			if !names[w.Seed.Name] {
				w.Seed.Change = 1 // there is nothing that it could have been before
			}
			names[w.Seed.Name] = true
			made[w.Seed.Name+"@"+w.Seed.Version] = w.Seed
		case w.Deploy != nil:
			release, _, _ := strings.Cut(w.Deploy.Release, "@")
			w.Deploy.Name = cmp.Or(w.Deploy.Name, release)
			if seed := made[w.Deploy.Release]; seed != nil {
				w.Deploy.From = cmp.Or(w.Deploy.From, seed.From)
			}
			w.Deploy.From = cmp.Or(w.Deploy.From, first)
		}
	}
	if s.Duration == 0 {
		s.Duration = s.needs()
	}
	return s
}

// clone copies what settled and Shrink change in place.
func (s Scenario) clone() Scenario {
	s.Sites, s.Faults, s.Random = slices.Clone(s.Sites), slices.Clone(s.Faults), slices.Clone(s.Random)
	s.Work, s.Eventually = slices.Clone(s.Work), slices.Clone(s.Eventually)
	for i, w := range s.Work {
		s.Work[i].Seed, s.Work[i].Deploy = copied(w.Seed), copied(w.Deploy)
	}
	return s
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

// inTime gives the indexes of work in the order in which it is done.
func inTime(work []Work) []int {
	out := make([]int, len(work))
	for i := range out {
		out[i] = i
	}
	slices.SortStableFunc(out, func(a, b int) int { return cmp.Compare(work[a].At, work[b].At) })
	return out
}

// grace is what a story has at least after all that is said to happen.
const grace = 5 * time.Minute

// needs is a generous time for all of it: until the last event, with what may take its time after
// it, half as long again, in whole minutes.
func (s Scenario) needs() time.Duration {
	last := s.lastEvent()
	end := max(last, last+s.Budget.Makespan)
	for _, e := range s.Eventually {
		end = max(end, last+e.Within, e.At+e.Within)
	}
	end += max(grace, end/2)
	return min((end + time.Minute - 1).Truncate(time.Minute), MaxDuration)
}

// lastEvent is when the last thing that is said to happen is over.
func (s Scenario) lastEvent() time.Duration {
	var last time.Duration
	for _, f := range s.Faults {
		last = max(last, f.At+f.For)
	}
	for _, r := range s.Random {
		last = max(last, r.Before+r.MaxFor)
	}
	for _, w := range s.Work {
		last = max(last, w.At)
	}
	return last
}
