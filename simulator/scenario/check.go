package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"selvage/ledger/manifest"
)

// Arg says what an invariant wants to be told.
type Arg int

// What invariants take as their argument.
const (
	None          Arg = iota
	Release           // NAME@VERSION of a release that is seeded and deployed
	Place             // a site or a node
	OptionalPlace     // a site, a node, or nothing
)

// Invariants are those that the engine knows, by name.
type Invariants map[string]Arg

// problem is one thing wrong; field is its path in the order of the scenario's slices.
type problem struct{ field, text string }

// checker collects what does not make sense in a scenario of which each value by itself is right.
type checker struct {
	s     Scenario
	known Invariants
	roster
	found []problem
}

// problems tells what is wrong with a settled scenario.
func (s Scenario) problems(known Invariants) []problem {
	c := &checker{s: s, known: known, roster: s.roster()}
	c.sites()
	if len(c.found) > 0 {
		return c.found // every name would be wrong after that
	}
	c.timeline()
	c.random()
	c.invariants("always", s.Always)
	c.invariants("sometimes", s.Sometimes)
	for i, e := range s.Eventually {
		c.eventually(fmt.Sprintf("eventually[%d]", i), e)
	}
	c.want(s.Budget.Makespan <= s.Duration, "budget.makespan", "is longer than the story, which ends at %s", durationText(s.Duration))
	return c.found
}

func (c *checker) want(ok bool, field, format string, args ...any) {
	if !ok {
		c.found = append(c.found, problem{field, fmt.Sprintf(format, args...)})
	}
}

func (c *checker) sites() {
	c.want(len(c.s.Sites) > 0, "sites", "is empty: write one at least, like {name: s1, nodes: 3}")
	seen, nodes := map[string]int{}, 0
	for i, site := range c.s.Sites {
		at := fmt.Sprintf("sites[%d]", i)
		first, twice := seen[site.Name]
		c.want(!twice, at+".name", "%s is the name of %s too: give each its own", site.Name, c.s.Sites[first].by(first))
		seen[site.Name] = i
		nodes += site.Nodes
		c.nodeName(at+".name", site.Name, fmt.Sprintf("n%d", max(0, site.Nodes-1)))
		all := site.Nodes + len(c.joined[site.Name])
		c.want(all <= MaxSiteNodes, at+".nodes", "are %d with those that join; at most %d: share them out among several sites", all, MaxSiteNodes)
		c.link(at+".lan", site.LAN)
		c.uplink(at+".uplink", site.Uplink)
	}
	for _, joined := range c.joined {
		nodes += len(joined)
	}
	c.want(nodes <= MaxNodes, "sites", "have %d nodes with those that join; at most %d", nodes, MaxNodes)
}

// by names a site to somebody who looks for it in a file.
func (s Site) by(index int) string {
	if s.Line == 0 {
		return fmt.Sprintf("sites[%d]", index)
	}
	return fmt.Sprintf("the site on line %d", s.Line)
}

// nodeName wants the name with which a node joins the fleet, which says its site too, to be one.
func (c *checker) nodeName(field, site, name string) {
	if err := manifest.CheckName(site + "-" + name); err != nil {
		c.want(false, field, "is too long: nodes join the fleet as SITE-NODE, and %v", err)
	}
}

func (c *checker) uplink(at string, u Uplink) {
	c.link(at, u.Link)
	c.want(u.Allowance.Bytes > 0 || u.Allowance.Per == 0, at+".budget.bytes", "is missing: write how much it carries each time, like 10MB")
	if d := u.Duty; d != (Duty{}) {
		c.want(d.Up > 0, at+".duty.up", "is missing: write how long it is up each time, like 10m; to be down for good, cut it")
		every := durationText(d.Every)
		c.want(d.Up <= d.Every, at+".duty.up", "%s is longer than every, which is %s", durationText(d.Up), every)
		c.want(d.Offset < d.Every || d.Every == 0, at+".duty.offset", "%s is not less than every, which is %s", durationText(d.Offset), every)
	}
}

func (c *checker) link(at string, l Link) {
	c.want(l.MTU == 0 || l.MTU >= 576, at+".mtu", "%d is too small for IP: want 576 to 65535", l.MTU)
	if b := l.Burst; b != (Burst{}) {
		c.want(b.Bad > 0, at+".burst.bad", "a burst that never begins is none: write how likely it is, like 1%%")
		c.want(b.Good > 0, at+".burst.good", "a burst that never ends is no burst: write how likely its end is, like 20%%, or use loss")
		c.want(b.Loss > 0, at+".burst.loss", "a burst without loss is none: write its loss, like 80%%")
	}
}

// inStory says whether an event is over when the story is.
func (c *checker) inStory(at string, start, lasts time.Duration) {
	end := durationText(c.s.Duration)
	c.want(start < c.s.Duration, at+".at", "is after the story, which ends at %s: make duration longer", end)
	c.want(start >= c.s.Duration || start+lasts <= c.s.Duration, at+".for",
		"ends at %s, after the story, which ends at %s: make duration longer, or leave for out", durationText(start+lasts), end)
}

func (c *checker) random() {
	for i, r := range c.s.Random {
		at := fmt.Sprintf("random[%d]", i)
		c.want(r.After < r.Before, at+".before", "%s is not later than after, which is %s", durationText(r.Before), durationText(r.After))
		c.want(r.MinFor <= r.MaxFor, at+".for", "the shortest, %s, is longer than the longest, %s",
			durationText(r.MinFor), durationText(r.MaxFor))
		c.want(r.Before+r.MaxFor <= c.s.Duration, at+".before",
			"the last may end at %s, after the story, which ends at %s: make duration longer", durationText(r.Before+r.MaxFor), durationText(c.s.Duration))
		c.want((r.Before-r.After)/max(r.Every, 1) <= MaxFaults/2, at+".every", "%s gives too many: at most %d on average",
			durationText(r.Every), MaxFaults/2)
		c.want(len(r.Kinds) > 0, at+".kinds", "is empty: write one at least, like [crash]")
		for j, k := range r.Kinds {
			c.want(!slices.Contains(r.Kinds[:j], k), fmt.Sprintf("%s.kinds[%d]", at, j), "%s is given twice", k)
		}
		for j, on := range r.On {
			c.place(fmt.Sprintf("%s.on[%d]", at, j), on, MaxDuration)
		}
		if slices.Contains(r.Kinds, Partition) {
			c.want(len(c.sides(r)) >= 2, at+".kinds", "a partition needs two places to part: name them in on")
		}
	}
}

func (c *checker) invariants(at string, checks []Check) {
	for i, check := range checks {
		c.invariant(fmt.Sprintf("%s[%d]", at, i), check)
	}
}

func (c *checker) invariant(at string, check Check) {
	if strings.Contains(check.Arg, "@") {
		// Whatever the invariant is, it speaks of a release then.
		c.want(c.seeded[check.Arg], at, "no work seeds %s; %s", check.Arg, hint(check.Arg, slices.Sorted(maps.Keys(c.seeded))))
		c.want(!c.seeded[check.Arg] || c.deployed[check.Arg], at, "no work deploys %s, so no node is meant: write {deploy: {release: %s}}", check.Arg, check.Arg)
	}
	if c.known == nil {
		return
	}
	takes, ok := c.known[check.Name]
	if !ok {
		c.want(false, at, "unknown invariant %s; %s", check.Name, hint(check.Name, slices.Sorted(maps.Keys(c.known))))
		return
	}
	bare := check.Arg == ""
	switch takes {
	case None:
		c.want(bare, at, "%s takes no argument", check.Name)
	case Release:
		c.want(strings.Contains(check.Arg, "@"), at, "%s takes a release: write {%s: NAME@VERSION}", check.Name, check.Name)
	case Place, OptionalPlace:
		c.want(!bare || takes == OptionalPlace, at, "%s takes a place: write {%s: SITE}", check.Name, check.Name)
		if !bare {
			c.place(at, check.Arg, MaxDuration)
		}
	}
}

func (c *checker) eventually(at string, e Eventually) {
	c.want(len(e.Checks) > 0, at+".check", "is empty: write one invariant at least")
	c.invariants(at+".check", e.Checks)
	var from time.Duration
	switch e.Of {
	case OfMoment:
		from = e.At
	case OfHeal:
		for _, f := range c.s.Faults {
			from = max(from, f.At+f.For)
		}
		for _, r := range c.s.Random {
			from = max(from, r.Before+r.MaxFor)
		}
	case OfWork:
		for _, w := range c.s.Work {
			from = max(from, w.At)
		}
	}
	c.want(from+e.Within <= c.s.Duration, at+".within", "may take until %s, after the story, which ends at %s: make duration longer",
		durationText(from+e.Within), durationText(c.s.Duration))
}
