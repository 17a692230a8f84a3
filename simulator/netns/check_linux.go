package netns

import (
	"fmt"
	"slices"

	"selvage/simulator"
	"selvage/simulator/netns/lab"
	"selvage/simulator/network"
	"selvage/simulator/scenario"
)

// check returns what of a scenario cannot be played here, as a *lab.Unable with its place before it.
func check(s scenario.Scenario) error {
	for _, site := range s.Sites {
		if err := lab.Check(simulator.SiteConfig(site)); err != nil {
			return fmt.Errorf("site %s: %w", site.Name, err)
		}
	}
	for _, f := range s.Faults {
		if err := checkFault(f); err != nil {
			return fmt.Errorf("%s: %w", faultName(f), err)
		}
	}
	for _, k := range s.Work {
		if unable := checkWork(k); unable != nil {
			return fmt.Errorf("line %d, work at %s: %w", k.Line, k.At, unable)
		}
	}
	return checkChecks(s)
}

// checkChecks wants no check that looks at nothing here.
func checkChecks(s scenario.Scenario) error {
	all := slices.Concat(s.Always, s.Sometimes)
	for _, e := range s.Eventually {
		all = append(all, e.Checks...)
	}
	for _, c := range all {
		if simulator.NeedsOverseer(c.Name) {
			return fmt.Errorf("line %d, check %s: %w", c.Line, c.Name, noOverseer)
		}
	}
	return nil
}

// noOverseer is why singletons and locks are not looked at here.
var noOverseer = &lab.Unable{What: "see at every moment what runs and who holds a lock (one_singleton, one_holder, lock_taken)",
	Lacks: "nodes are asked one after the other", Hint: "play it with --engine native, or take the check out"}

func checkWork(k scenario.Work) *lab.Unable {
	switch {
	case k.Seed != nil && k.Seed.Wrong != "":
		return noWrong
	case k.Charter != nil:
		return noCharter
	case k.Lock != nil:
		return noLock
	case k.Mirror != nil:
		return noMirror
	case k.Deploy != nil && (len(k.Deploy.Windows) > 0 || k.Deploy.NotBefore > 0), k.Uplink != nil && k.Uplink.Windows != nil && len(*k.Uplink.Windows) > 0:
		return noCalendar
	}
	return nil
}

// noWrong is why releases say nothing wrong here.
var noWrong = &lab.Unable{What: "sign a release that is wrong (wrong)", Lacks: "the program signs what it has seen only", Hint: "play it with --engine native"}

// noMirror is why there are no mirrors here.
var noMirror = &lab.Unable{What: "have a web server with a node's blobs (mirror)", Lacks: "the namespaces have no server but the nodes", Hint: "play it with --engine native"}

// noCalendar is why nothing waits for a time of day here.
var noCalendar = &lab.Unable{What: "wait for a time of day (windows, not_before)", Lacks: "processes go by the machine's clock, and not by that of the story", Hint: "play it with --engine native"}

// noCharter is why charters are not amended here.
var noCharter = &lab.Unable{What: "amend the charter (charter)", Lacks: "the program has no command for that", Hint: "play it with --engine native"}

// noLock is why nobody takes locks here.
var noLock = &lab.Unable{What: "have programs take a lock (lock)", Lacks: "this engine does not see at every moment who holds it", Hint: "play it with --engine native"}

func faultName(f scenario.Fault) string {
	if f.Line == 0 {
		return fmt.Sprintf("random fault at %s", f.At)
	}
	return fmt.Sprintf("line %d, fault at %s", f.Line, f.At)
}

func checkFault(f scenario.Fault) error {
	const native = "play it with --engine native, or take the fault out"
	switch f.Kind {
	case scenario.Partition, scenario.Cut, scenario.Isolate, scenario.Crash, scenario.Pause, scenario.Suspend, scenario.DiskFull, scenario.Restore:
		return nil
	case scenario.Degrade:
		up, down := simulator.Links(f.Link)
		return lab.Check(network.SiteConfig{Up: up, Down: down})
	case scenario.Clock:
		return &lab.Unable{What: "set a node's clock wrong (clock)", Lacks: "all processes of a machine share its clock", Hint: native}
	case scenario.PowerCut:
		return &lab.Unable{What: "lose what was not synced (powercut)", Lacks: "the machine's page cache outlives a process that is killed",
			Hint: "play it with --engine native, or make it a crash"}
	case scenario.SlowDisk:
		return &lab.Unable{What: "slow down a node's disk (slowdisk)", Lacks: "all processes of a machine share its disks", Hint: native}
	case scenario.Rot:
		return &lab.Unable{What: "have bytes of a node's disk change (rot)", Lacks: "this engine does not alter what a node has stored", Hint: native}
	case scenario.Poison:
		return &lab.Unable{What: "have a node serve corrupt chunks (poison)", Lacks: "the shipped binary does not", Hint: native}
	}
	return &lab.Unable{What: fmt.Sprintf("do what %q says", f.Kind), Lacks: "this engine does not know it", Hint: native}
}
