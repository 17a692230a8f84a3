package simulator

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"selvage/distribute/store"
	"selvage/internal/ident"
	"selvage/node/api"
	"selvage/node/rollout"
	"selvage/simulator/scenario"
)

// invariant is a small named function over the true state of the world. It returns what is wrong;
// "" if nothing is.
type invariant struct {
	arg  scenario.Arg
	doc  string
	each func(t *story, m Machine, n Agent, arg string) string // of every machine whose node is up
	all  func(t *story, arg string) string                     // of the world as a whole
}

// invariants are those that scenarios can name. The map is the same for all, and not to be changed.
var invariants = sync.OnceValue(func() map[string]invariant {
	return map[string]invariant{
		"nothing_unsigned_runs":  {doc: "what a node runs is a release that the operator signed, byte for byte", each: nothingUnsignedRuns},
		"no_corrupt_blob":        {doc: "every blob that a node holds for whole has the bytes that its digest says", each: noCorruptBlob},
		"nobody_dropped":         {doc: "no node has dropped a peer for misbehaving", each: nobodyDropped},
		"only_dropped":           {arg: scenario.Place, doc: "no node has dropped a peer of another place than this", each: onlyDropped},
		"nobody_quarantined":     {doc: "no node holds another to be forked, or to have used a ticket too often", each: nobodyQuarantined},
		"somebody_dropped":       {arg: scenario.OptionalPlace, doc: "some node has dropped a peer; with a place, one of it", all: somebodyDropped},
		"somebody_quarantined":   {arg: scenario.OptionalPlace, doc: "some node is quarantined; with a place, one of it", all: somebodyQuarantined},
		"revoked_shut_out":       {doc: "no node holds a connection with one that it knows to be revoked, or a moment only", each: revokedShutOut},
		"revoked_get_nothing":    {doc: "no revoked node runs what was declared after it was revoked", all: revokedGetNothing},
		"revoked_know_it":        {doc: "somebody is revoked, and every revoked node is up and says that it was", all: revokedKnowIt},
		"all_know_revoked":       {doc: "somebody is revoked, and every node that is up knows who", each: knowsRevoked},
		"ledgers_equal":          {doc: "all nodes that are up, and not revoked, hold the same of the fleet's ledger", all: ledgersEqual},
		"all_up":                 {doc: "every machine's node is up", all: allUp},
		"all_know_all":           {doc: "every node that is up, and not revoked, knows all nodes", each: knowsAll},
		"charters_never_go_back": {doc: "no node goes back to an older charter", each: chartersNeverGoBack},
		"all_have_charter":       {doc: "every node that is up, and not revoked, goes by the newest charter that the operator signed", each: hasCharter},
		oneLeader:                {doc: "no two nodes of a site led it at one moment, and none with a lower token than another before; looked at in every story whose clocks keep to the lease's bound", all: misled},
		oneSingleton:             {doc: "no two nodes of a site ran a singleton at one moment, and none with a lower token than it ran with before; looked at like one_leader", all: doubled},
		oneHolder:                {doc: "no two programs of a site held a lock at one moment, and each had a higher token than the one before; looked at like one_leader", all: overlapped},
		lockWasTaken:             {arg: scenario.Place, doc: "a program at the place took a lock in the last ten seconds", all: lockTaken},
		"led":                    {arg: scenario.Place, doc: "a node of the place leads its site, by its own word", all: led},
		"all_know_leader":        {arg: scenario.Place, doc: "every node of the place that is up names the node that leads its site", all: allKnowLeader},
		"changes_in_turn":        {doc: "of each site no more nodes change to a newer version at once than its deployment says (at_once)", all: changesInTurn},
		"in_its_time":            {doc: "no node begins to run a release when its deployment says that it may not (windows, not_before)", each: inItsTime},
		"blobs_wait":             {arg: scenario.Place, doc: "every node of the place that is up says that blobs wait, for a window or for the next month's cap", all: blobsWait},
		"mirrored_once":          {arg: scenario.Release, doc: "the nodes of no site have more of the release from a mirror than it once, and some node has some", all: mirroredOnce},
		"all_have":               {arg: scenario.Release, doc: "every node that is up, meant, and not revoked, has the release's blob, whole", all: allHave},
		"all_run":                {arg: scenario.Release, doc: "every node that is up, meant, and not revoked, runs the release and is ready; of a singleton, one of each site, and the others stand by", all: allRun},
		"none_runs":              {arg: scenario.Release, doc: "no node runs the release", all: noneRuns},
		"refused":                {arg: scenario.Release, doc: "every node that is up and meant says that the release contradicts itself", all: refused},
		"all_reachable_run":      {arg: scenario.Release, doc: "'rollout status' says at every node that all reachable targets run the release", all: allReachableRun},
	}
})

// Invariants returns the names that scenarios can use, with what each takes.
func Invariants() scenario.Invariants {
	out := scenario.Invariants{}
	for name, i := range invariants() {
		out[name] = i.arg
	}
	return out
}

// check evaluates one invariant now.
func (t *story) check(c scenario.Check) string {
	i := invariants()[c.Name]
	if i.all != nil {
		return i.all(t, c.Arg)
	}
	for _, m := range t.Machines() {
		if wrong := t.wrongOf(m, i, c.Arg); wrong != "" {
			return Place(m) + ": " + wrong
		}
	}
	return ""
}

// wrongOf evaluates an invariant of one machine. What stands on the disk of one that goes on meanwhile is of another moment than what
// it said: if that disagrees, it is asked again.
func (t *story) wrongOf(m Machine, i invariant, arg string) string {
	wrong, n := t.wrongNow(m, i, arg)
	if _, goesOn := n.(Timed); goesOn && wrong != "" {
		t.Settle()
		wrong, _ = t.wrongNow(m, i, arg)
	}
	return wrong
}

// wrongNow evaluates it of what the machine's agent says now. A machine that went down while it was looked at was seen in two lives: the
// disk is not that of the agent which was asked.
func (t *story) wrongNow(m Machine, i invariant, arg string) (string, Agent) {
	n := m.Agent()
	if n == nil {
		return "", nil
	}
	wrong := i.each(t, m, n, arg)
	if wrong != "" && m.Agent() != n {
		return "", n
	}
	return wrong, n
}

func ledgersEqual(t *story, _ string) string {
	var first Machine
	var root string
	for _, m := range t.Machines() {
		n := t.member(m)
		if n == nil {
			continue
		}
		switch r := n.Status().Ledger; {
		case first == nil:
			first, root = m, r
		case r != root:
			return fmt.Sprintf("%s and %s hold different ledgers", Place(first), Place(m))
		}
	}
	return ""
}

func allUp(t *story, _ string) string {
	for _, m := range t.Machines() {
		if m.Agent() == nil {
			return Place(m) + " is down"
		}
	}
	return ""
}

func knowsAll(t *story, m Machine, n Agent, _ string) string {
	if t.member(m) == nil {
		return ""
	}
	all := n.Nodes()
	if len(all) < len(t.Machines()) {
		return fmt.Sprintf("knows %d of %d nodes", len(all), len(t.Machines()))
	}
	known := make(map[ident.NodeID]bool, len(all))
	for _, o := range all {
		known[o.Node] = true
	}
	for _, o := range t.Machines() {
		if !known[o.ID()] {
			return "does not know " + Place(o)
		}
	}
	return ""
}

func allRun(t *story, ref string) string {
	d := t.deployed(ref)
	if d == nil {
		return ref + " was not deployed"
	}
	ready, standby := map[string]int{}, map[string]int{}
	for m, n := range t.targets(d) {
		r := running(n, d.name)
		switch {
		case r.Release == ref && r.Ready:
			ready[m.Site()]++
		case d.singleton && r.Phase == string(rollout.Standby) && r.Target == ref:
			standby[m.Site()]++
		default:
			return fmt.Sprintf("%s runs %q, %s %s", Place(m), r.Release, r.Phase, r.Why)
		}
	}
	if len(ready)+len(standby) == 0 {
		return noTarget(ref)
	}
	for _, s := range t.scenario.Sites {
		if d.singleton && ready[s.Name]+standby[s.Name] > 0 && ready[s.Name] != 1 {
			return fmt.Sprintf("%d nodes of %s run %s", ready[s.Name], s.Name, ref)
		}
	}
	return ""
}

// noTarget is what is wrong where all who are meant are down: nothing holds of nobody.
func noTarget(ref string) string { return "no node is up that is meant for " + ref }

func noneRuns(t *story, ref string) string {
	for _, m := range t.Machines() {
		if n := m.Agent(); n != nil {
			for _, d := range n.Status().Deployments {
				if d.Release == ref {
					return fmt.Sprintf("%s runs %s", Place(m), ref)
				}
			}
		}
	}
	return ""
}

func refused(t *story, ref string) string {
	d := t.deployed(ref)
	if d == nil {
		return ref + " was not deployed"
	}
	any := false
	for m, n := range t.targets(d) {
		any = true
		if r := running(n, d.name); r.Target != ref || !strings.Contains(r.Why, store.ErrContradiction.Error()) {
			return fmt.Sprintf("%s is %s with %s: %s", Place(m), r.Phase, r.Target, r.Why)
		}
	}
	if !any {
		return noTarget(ref)
	}
	return ""
}

func allReachableRun(t *story, ref string) string {
	name := ""
	if d := t.deployed(ref); d != nil {
		name = d.name
	}
	for _, m := range t.Machines() {
		n := t.member(m)
		if n == nil {
			continue
		}
		r, err := n.Rollout(name)
		if err != nil || r.Release != ref || !r.Done {
			return fmt.Sprintf("%s says that %d of %d run %s", Place(m), r.Ready, r.Targets, r.Release)
		}
	}
	return ""
}

// member returns the node of a machine if it is up and was not revoked; nil otherwise.
func (t *story) member(m Machine) Agent {
	if _, gone := t.revoked[m.ID()]; gone {
		return nil
	}
	return m.Agent()
}

// deployed returns the newest declaration of a release; nil if there is none.
func (t *story) deployed(ref string) *deploy {
	for _, d := range slices.Backward(t.deploys) {
		if d.release == ref {
			return d
		}
	}
	return nil
}

// meant reports whether a selector picks the machine.
func (t *story) meant(m Machine, selector map[string]string) bool {
	for _, s := range t.scenario.Sites {
		if s.Name != m.Site() {
			continue
		}
		for k, v := range selector {
			if s.Labels[k] != v {
				return false
			}
		}
	}
	return true
}

// running returns how a deployment does on a node; the zero value if it is not meant.
func running(n Agent, name string) api.Running {
	for _, d := range n.Status().Deployments {
		if d.Name == name {
			return d
		}
	}
	return api.Running{}
}
