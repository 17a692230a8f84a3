package scenario

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// enough problems are found when nobody reads more of them, and each takes a search for what was meant.
const enough = 10 * maxProblems

// event is a fault or a piece of work on its way through the checker.
type event struct {
	at    time.Duration
	path  string
	fault *Fault
	work  *Work
}

// events puts all into the order in which it happens. Work comes before faults of the same moment.
func (s Scenario) events() []event {
	out := make([]event, 0, len(s.Work)+len(s.Faults))
	for i := range s.Work {
		out = append(out, event{s.Work[i].At, fmt.Sprintf("work[%d]", i), nil, &s.Work[i]})
	}
	for i := range s.Faults {
		out = append(out, event{s.Faults[i].At, fmt.Sprintf("faults[%d]", i), &s.Faults[i], nil})
	}
	slices.SortStableFunc(out, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	return out
}

// stop says until when a place is down, and which fault says so.
type stop struct {
	until time.Duration
	by    *Fault
}

// by names a fault to somebody who looks for it in a file.
func (f *Fault) by() string {
	if f.Line == 0 {
		return fmt.Sprintf("the %s at %s", f.Kind, durationText(f.At))
	}
	return fmt.Sprintf("the %s on line %d", f.Kind, f.Line)
}

// state is what the checker knows at one moment of the story.
type state struct {
	stopped map[string]stop // sites and nodes
	inside  map[string]stop // by site: the last of its nodes to be up again
	still   map[string]stop // sites and nodes that are paused or suspended
	full    map[string]stop // sites and nodes whose disk is full
	seeded  map[string]bool // releases
	joined  map[string]bool // nodes
	revoked map[string]bool // nodes
}

func (c *checker) timeline() {
	now := &state{stopped: map[string]stop{}, inside: map[string]stop{}, still: map[string]stop{}, full: map[string]stop{},
		seeded: map[string]bool{}, joined: map[string]bool{}, revoked: map[string]bool{}}
	for _, e := range c.s.events() {
		if len(c.found) >= enough {
			return
		}
		if e.fault != nil {
			c.inStory(e.path, e.at, e.fault.For)
			c.fault(now, e)
			continue
		}
		c.inStory(e.path, e.at, 0)
		c.work(now, e)
	}
}

// place wants a site or node to be there at a time.
func (c *checker) place(field, place string, at time.Duration) bool {
	why := c.missing(place, at)
	c.want(why == "", field, "%s", why)
	return why == ""
}

// acting wants a node to be there, up, and of the fleet.
func (c *checker) acting(now *state, field, node string, at time.Duration) bool {
	if !c.place(field, node, at) {
		return false
	}
	if now.revoked[node] {
		c.want(false, field, "%s is revoked by %s: nothing spreads from it", node, durationText(at))
		return false
	}
	return c.spared(now.stopped, field, node, at, "%s is down at %s, by %s") &&
		c.spared(now.still, field, node, at, "%s stands still at %s, by %s")
}

// writing wants a node at which work is done that has to be kept there.
func (c *checker) writing(now *state, field, node string, at time.Duration) {
	if c.acting(now, field, node, at) {
		c.spared(now.full, field, node, at, "%s cannot write at %s, by %s")
	}
}

// spared wants a node not to be stopped at a time, nor its site.
func (c *checker) spared(by map[string]stop, field, node string, at time.Duration, format string) bool {
	for _, place := range []string{node, siteOf(node)} {
		if s, ok := by[place]; ok && at < s.until {
			c.want(false, field, format, node, durationText(at), s.by.by())
			return false
		}
	}
	return true
}

func (c *checker) work(now *state, e event) {
	switch w := e.work; {
	case w.Seed != nil:
		release := w.Seed.Name + "@" + w.Seed.Version
		c.writing(now, e.path+".seed.from", w.Seed.From, e.at)
		c.want(!now.seeded[release], e.path+".seed.version", "%s was seeded before: give it another version", release)
		now.seeded[release] = true
	case w.Deploy != nil:
		c.writing(now, e.path+".deploy.from", w.Deploy.From, e.at)
		c.selector(e.path+".deploy.selector", w.Deploy.Selector)
		if c.seeded[w.Deploy.Release] {
			c.want(now.seeded[w.Deploy.Release], e.path+".deploy.release", "%s is seeded after this: deploy it later", w.Deploy.Release)
			return
		}
		c.want(false, e.path+".deploy.release", "no work seeds %s; %s", w.Deploy.Release,
			hint(w.Deploy.Release, slices.Sorted(maps.Keys(c.seeded))))
	case w.Join != nil:
		node := w.Join.Site + "/" + w.Join.Name
		if c.place(e.path+".join.site", w.Join.Site, e.at) {
			c.want(!now.joined[node] && !c.founding(node), e.path+".join.name", "%s is there already: give the node another name", node)
			c.nodeName(e.path+".join.name", w.Join.Site, w.Join.Name)
		}
		now.joined[node] = true
	case w.Charter != nil:
		c.writing(now, e.path+".charter.from", w.Charter.From, e.at)
	case w.Lock != nil:
		c.place(e.path+".lock.on", w.Lock.On, e.at)
	case w.Revoke != nil:
		c.writing(now, e.path+".revoke.from", w.Revoke.From, e.at)
		c.revoke(now, e.path+".revoke.node", w.Revoke, e.at)
	case w.Witness != nil:
		v := w.Witness
		c.writing(now, e.path+".witness.from", v.From, e.at)
		c.place(e.path+".witness.site", v.Site, e.at)
		if c.place(e.path+".witness.node", v.Node, e.at) {
			c.want(siteOf(v.Node) != v.Site, e.path+".witness.node", "is of site %s itself: a witness is of another", v.Site)
		}
	case w.Yield != nil:
		c.place(e.path+".yield.on", w.Yield.On, e.at)
	case w.Issuer != nil:
		c.writing(now, e.path+".issuer.from", w.Issuer.From, e.at)
		c.place(e.path+".issuer.node", w.Issuer.Node, e.at)
	case w.Mirror != nil:
		c.acting(now, e.path+".mirror.of", w.Mirror.Of, e.at)
		c.place(e.path+".mirror.on", w.Mirror.On, e.at)
	case w.Uplink != nil:
		u := w.Uplink
		c.place(e.path+".uplink.on", u.On, e.at)
		c.want(u.Held != nil || u.Up != nil || u.Down != nil || u.Windows != nil || u.Cap != nil, e.path+".uplink",
			"says nothing to do: write held, up, down, windows or cap")
	}
}

// selector wants labels that a site has: its nodes have them from the start, and those that join it likewise.
func (c *checker) selector(field string, want map[string]string) {
	meant := func(s Site) bool {
		return !slices.ContainsFunc(slices.Collect(maps.Keys(want)), func(label string) bool { return s.Labels[label] != want[label] })
	}
	if slices.ContainsFunc(c.s.Sites, meant) {
		return
	}
	have := map[string]bool{}
	for _, s := range c.s.Sites {
		for label, value := range s.Labels {
			have[label+": "+value] = true
		}
	}
	for _, label := range slices.Sorted(maps.Keys(want)) {
		if text := label + ": " + want[label]; !have[text] {
			c.want(false, field, "picks no node: no site has the label %s; %s", text, hint(text, slices.Sorted(maps.Keys(have))))
			return
		}
	}
	c.want(false, field, "picks no node: no site has all of these labels")
}

// revoke wants a node to be put out once, and not by itself.
func (c *checker) revoke(now *state, field string, r *Revoke, at time.Duration) {
	if c.place(field, r.Node, at) {
		c.want(r.Node != r.From, field, "is where it is revoked: a node cannot revoke itself")
		c.want(!now.revoked[r.Node], field, "%s is revoked already", r.Node)
	}
	now.revoked[r.Node] = true
}

func (c *checker) fault(now *state, e event) {
	f, at := e.fault, e.path+"."+string(e.fault.Kind)
	switch f.Kind {
	case Partition:
		c.partition(at, f)
	case Cut:
		from, to := c.place(at+".from", f.From, e.at), c.place(at+".to", f.To, e.at)
		c.want(!from || !to || f.From != f.To, at+".to", "is where it comes from: nothing is cut")
	case Isolate, Poison, Rot, Forge:
		c.place(at, f.On, e.at)
	case Pause, Suspend:
		c.hinder(now.still, at, e)
	case DiskFull:
		c.hinder(now.full, at, e)
	case Crash, PowerCut:
		c.stop(now, at, e)
	case Restore:
		c.want(f.Backup <= f.At, at+".from", "the backup cannot be made after it is restored, at %s", durationText(f.At))
		if f.Backup <= f.At && c.place(at+".on", f.On, f.Backup) {
			c.stop(now, at+".on", e)
			c.backedUp(at+".from", f)
		}
	case SlowDisk:
		c.place(at+".on", f.On, e.at)
	case Clock:
		c.place(at+".on", f.On, e.at)
		c.want(f.Jump != 0 || f.Drift != 0, at, "says nothing to do: write jump, set or drift")
	case Degrade:
		if c.place(at+".on", f.On, e.at) {
			c.want(!strings.Contains(f.On, "/"), at+".on", "an uplink is of a site: write %s", siteOf(f.On))
			c.want(f.Link != uplinks(c.s.Sites)[f.On], at+".uplink", "changes nothing: write what differs from the site's")
			c.uplink(at+".uplink", f.Link)
		}
	}
}

// backedUp wants no node to have come to a place between the backup and what it is for.
func (c *checker) backedUp(field string, f *Fault) {
	for _, node := range c.nodes(f.On, f.At) {
		if c.missing(node, f.Backup) != "" {
			c.want(false, field, "%s has no backup of then: it joins at %s, and is of %s when that is restored", node, durationText(c.joins[node]), f.On)
		}
	}
}

// partition wants two sets at least, which share no node.
func (c *checker) partition(at string, f *Fault) {
	c.want(len(f.Groups) >= 2, at, "want two sets at least, like [[s1], [s2]], not %d", len(f.Groups))
	set, within := map[string]int{}, map[string]int{}
	for i, group := range f.Groups {
		c.want(len(group) > 0, fmt.Sprintf("%s[%d]", at, i), "is empty: name a place")
		for j, place := range group {
			field := fmt.Sprintf("%s[%d][%d]", at, i, j)
			if !c.place(field, place, f.At) {
				continue
			}
			site := siteOf(place)
			if _, twice := set[place]; !twice && site != place {
				_, twice = set[site]
				c.want(!twice, field, "is in a set already, with all of %s", site)
			} else if first, inner := within[place]; !twice && inner {
				c.want(false, field, "has nodes in set %d already: name its other nodes", first+1)
			} else {
				c.want(!twice, field, "%s is in set %d already", place, set[place]+1)
			}
			set[place], within[site] = i, i
		}
	}
}

// until is when a fault is over.
func (f *Fault) until() time.Duration {
	if f.For == 0 && f.Kind != Restore {
		return MaxDuration + 1
	}
	return f.At + f.For
}

// hinder notes that nobody can work at a place from now on. Such faults may overlap at one place.
func (c *checker) hinder(at map[string]stop, field string, e event) {
	place := e.fault.On
	if until := e.fault.until(); c.place(field, place, e.at) && until > at[place].until {
		at[place] = stop{until, e.fault}
	}
}

// stop wants a place to be up, and notes that it is not from now on.
func (c *checker) stop(now *state, field string, e event) {
	place := e.fault.On
	if !c.place(field, place, e.at) {
		return
	}
	until := e.fault.until()
	site := siteOf(place)
	for _, s := range []stop{now.stopped[place], now.stopped[site], now.inside[place]} {
		if e.at < s.until {
			c.want(false, field, "%s is down at %s already, by %s", place, durationText(e.at), s.by.by())
			return
		}
	}
	now.stopped[place] = stop{until, e.fault}
	if site != place && until > now.inside[site].until {
		now.inside[site] = stop{until, e.fault}
	}
}
