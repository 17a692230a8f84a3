package main

import (
	"cmp"
	"os"
	"slices"
	"testing"
	"time"
)

// healthyFor is how long a program of TestRealTurns has to run until it counts.
const healthyFor = 2 * time.Second

// TestRealTurns updates a site of three real nodes in network namespaces, with maxUnavailable 1, twice: the second time the leader gives the lead up
// in the middle. By the times that the programs themselves write down, never is there more than one node that has stopped the old
// version and not run the new one for as long as it has to.
func TestRealTurns(t *testing.T) {
	if os.Getenv("SELVAGE_LAB") == "" || os.Geteuid() != 0 {
		t.Skip("takes a minute, and root: 'make lab' runs it")
	}
	s := newRealSite(t, 3)
	declare := func(version string) {
		s.run(t, version, "POLITE: '1'", "strategy: {maxUnavailable: 1}", "health: {minHealthyTime: "+healthyFor.String()+"}")
	}
	declare("1")
	s.allRun(t, "1")
	declare("2")
	s.allRun(t, "2")
	s.inTurn(t, "1", "2")
	declare("3")
	for len(s.begun(t, "3")) == 0 {
		time.Sleep(50 * time.Millisecond)
	}
	yielded := slices.ContainsFunc(s.nodes, func(n *realNode) bool { _, err := n.try("lease", "yield"); return err == nil })
	if left := len(s.nodes) - len(s.begun(t, "3")); !yielded || left == 0 {
		t.Errorf("the lead was given up: %v; with %d nodes yet to change", yielded, left)
	}
	s.allRun(t, "3")
	s.inTurn(t, "2", "3")
}

// allRun waits until all nodes run a version that has proved itself.
func (s *realSite) allRun(t *testing.T, version string) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); len(s.begun(t, version)) < len(s.nodes); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d nodes run version %s: %s", len(s.begun(t, version)), len(s.nodes), version, s.nodes[0].selvage(t, "get", "nodes"))
		}
	}
	s.nodes[0].selvage(t, "rollout", "status", "stamper", "--timeout", "60s")
}

// begun is when each node wrote with a version first.
func (s *realSite) begun(t *testing.T, version string) map[string]int64 {
	t.Helper()
	first := map[string]int64{}
	for _, e := range s.read(t) {
		if _, known := first[e.node]; !known && e.version == version {
			first[e.node] = e.at
		}
	}
	return first
}

// inTurn wants the nodes to have gone from one version to the next one after the other.
func (s *realSite) inTurn(t *testing.T, from, to string) {
	t.Helper()
	type change struct {
		node        string
		ended, runs int64 // when the old version wrote last, and the new one first
	}
	ended := map[string]int64{}
	for _, e := range s.read(t) {
		if e.version == from {
			ended[e.node] = e.at
		}
	}
	var all []change
	for node, at := range s.begun(t, to) {
		all = append(all, change{node, ended[node], at})
	}
	slices.SortFunc(all, func(a, b change) int { return cmp.Compare(a.ended, b.ended) })
	for i, c := range all {
		t.Logf("%s to %s: %s without for %d ms", from, to, c.node, (c.runs-c.ended)/1e6)
		if c.ended == 0 || c.ended >= c.runs {
			t.Errorf("%s ran version %s until %d, and %s from %d on", c.node, from, c.ended, to, c.runs)
		}
		if i == 0 {
			continue
		}
		before := all[i-1]
		// It counts from its start, which is a little before it writes.
		if proved := time.Duration(c.ended - before.runs); proved < healthyFor-500*time.Millisecond {
			t.Errorf("%s ended version %s %v after %s began with %s, which had to run for %v", c.node, from, proved, before.node, to, healthyFor)
		}
	}
}
