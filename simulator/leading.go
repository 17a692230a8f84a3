package simulator

import (
	"fmt"
	"slices"
	"time"

	"selvage/node/rollout"
)

// What holds of who leads a site, and of what only its leader may do.

// oneLeader is the check that every story makes, if its stage can tell.
const oneLeader = "one_leader"

func misled(t *story, _ string) string {
	if o, ok := t.Stage.(Overseer); ok {
		return o.Misled()
	}
	return t.contested()
}

// claim is that a node leads, by its own word: it did at some moment between from and to, and goes on until until at least.
type claim struct {
	on              Machine
	from, to, until time.Duration
}

// contested says which two nodes of a site lead it by their own word, where nobody sees all at one moment. Nodes do not give the lease
// up by themselves.
func (t *story) contested() string {
	claims := map[string][]claim{}
	for _, m := range t.Machines() {
		n := m.Agent()
		if n == nil {
			continue
		}
		l := n.Status().Lease
		if l.Holder != m.ID() || l.ExpiresInSeconds <= 0 {
			continue
		}
		c := claim{on: m, from: t.trace.Now(), to: t.trace.Now()}
		if timed, ok := n.(Timed); ok {
			c.from, c.to = timed.Asked()
		}
		c.until = c.from + seconds(l.ExpiresInSeconds)
		for _, o := range claims[m.Site()] {
			if max(o.to, c.to) < min(o.until, c.until) {
				return fmt.Sprintf("%s and %s lead at one moment", Place(o.on), Place(m))
			}
		}
		claims[m.Site()] = append(claims[m.Site()], c)
	}
	return ""
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// oneSingleton is likewise.
const oneSingleton = "one_singleton"

func doubled(t *story, _ string) string {
	o, ok := t.Stage.(Overseer)
	if !ok {
		return ""
	}
	return o.Doubled()
}

// oneHolder is likewise.
const oneHolder = "one_holder"

func overlapped(t *story, _ string) string {
	o, ok := t.Stage.(Overseer)
	if !ok {
		return ""
	}
	return o.Overlapped()
}

// NeedsOverseer reports whether a check of that name says nothing on a Stage that is no Overseer.
func NeedsOverseer(check string) bool {
	return check == oneSingleton || check == oneHolder || check == lockWasTaken
}

// lockWasTaken is the check that lockTaken makes.
const lockWasTaken = "lock_taken"

// lately is how long ago something happened at most that is said to go on.
const lately = 10 * time.Second

func lockTaken(t *story, place string) string {
	o, ok := t.Stage.(Overseer)
	if !ok {
		return "this stage does not see who takes locks"
	}
	if at, any := o.LockTaken(place); !any || t.trace.Now()-at > lately {
		return fmt.Sprintf("nobody at %s took a lock in the last %s", place, lately)
	}
	return ""
}

// leader returns the machine of a place that leads its site, by its own word.
func (t *story) leader(place string) Machine {
	for _, m := range Placed(t.Machines(), place) {
		if n := m.Agent(); n != nil {
			if l := n.Status().Lease; l.Holder == m.ID() && l.ExpiresInSeconds > 0 {
				return m
			}
		}
	}
	return nil
}

func led(t *story, place string) string {
	if t.leader(place) == nil {
		return "no node of " + place + " leads"
	}
	return ""
}

func allKnowLeader(t *story, place string) string {
	leader := t.leader(place)
	if leader == nil {
		return "no node of " + place + " leads"
	}
	for _, m := range Placed(t.Machines(), place) {
		if n := m.Agent(); n != nil && n.Status().Lease.Holder != leader.ID() {
			return fmt.Sprintf("%s names %q, and %s leads", Place(m), n.Status().Lease.Name, Place(leader))
		}
	}
	return ""
}

func changesInTurn(t *story, _ string) string {
	changing := map[[2]string]int{} // by site and deployment
	for _, m := range t.Machines() {
		n := t.member(m)
		if n == nil {
			continue
		}
		for _, d := range n.Status().Deployments {
			declared := t.deployed(d.Target)
			if declared == nil || declared.atOnce == 0 || d.Phase != string(rollout.Starting) || !t.replaces(declared) {
				continue
			}
			key := [2]string{m.Site(), d.Name}
			if changing[key]++; changing[key] > declared.atOnce {
				return fmt.Sprintf("%d nodes of %s change to %s at once, %s among them", changing[key], m.Site(), d.Target, Place(m))
			}
		}
	}
	return ""
}

// replaces reports whether a declaration came after another of the same deployment.
func (t *story) replaces(d *deploy) bool {
	return slices.IndexFunc(t.deploys, func(o *deploy) bool { return o.name == d.name }) < slices.Index(t.deploys, d)
}
