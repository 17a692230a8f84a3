package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"selvage/simulator/netns/lab"
)

// TestRealSingleton kills, stops, cuts off and relieves the leaders of a site of three real nodes in network namespaces. By
// the times that the singleton itself writes down with its token, it never runs twice at once, and its tokens grow.
func TestRealSingleton(t *testing.T) {
	if os.Getenv("SELVAGE_LAB") == "" || os.Geteuid() != 0 {
		t.Skip("takes two minutes, and root: 'make lab' runs it")
	}
	s := newRealSite(t, 3)
	s.run(t, "1", "", "singleton: true", "health: {minHealthyTime: 1s}")
	s.ran(t, "", 40*time.Second)
	s.allReady(t)
	for _, blow := range []struct {
		name   string
		strike func(n *realNode) (mend func())
	}{
		{"killed", func(n *realNode) func() { n.kill(); return func() { n.start(t) } }},
		{"stopped", func(n *realNode) func() {
			n.signal(t, syscall.SIGSTOP)
			return func() { n.signal(t, syscall.SIGCONT) }
		}},
		{"cut off", func(n *realNode) func() {
			cut, err := s.lab.Cut(n.host, lab.Anywhere, false)
			if err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := cut.Heal(); err != nil {
					t.Fatal(err)
				}
			}
		}},
		{"relieved", func(n *realNode) func() {
			n.selvage(t, "lease", "yield")
			return func() {}
		}},
		{"told to end", func(n *realNode) func() {
			n.signal(t, syscall.SIGTERM)
			<-n.ended
			return func() { n.start(t) }
		}},
	} {
		before := s.last(t)
		began := time.Now()
		mend := blow.strike(s.byName(before.node))
		after := s.ran(t, before.node, 40*time.Second)
		s.weigh(t)
		t.Logf("%s %s: %s runs it %.1f s later; %.1f s without", before.node, blow.name, after.node, time.Since(began).Seconds(), s.gap(t).Seconds())
		time.Sleep(2 * time.Second)
		mend()
		s.allReady(t)
	}
	s.judge(t)
}

// ran waits until another node than one runs the singleton.
func (s *realSite) ran(t *testing.T, but string, within time.Duration) stamp {
	t.Helper()
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if all := s.read(t); len(all) > 0 && all[len(all)-1].node != but {
			return all[len(all)-1]
		}
	}
	for _, n := range s.nodes {
		out, err := n.try("rollout", "status", "stamper", "--timeout", "0")
		t.Logf("%s: %s %v", n.name, out, err)
	}
	t.Fatalf("no other node than %s runs it after %v", but, within)
	return stamp{}
}

// allReady waits until one node runs it and the others stand by, and until all vote.
func (s *realSite) allReady(t *testing.T) {
	t.Helper()
	var r struct {
		Done    bool
		RunsOn  []any `json:"runs_on"`
		Standby []any
	}
	var leases []struct{ Voters []struct{ Up bool } }
	for range 600 {
		time.Sleep(100 * time.Millisecond)
		voters, err := s.nodes[0].try("get", "leases", "-o", "json")
		if err != nil || json.Unmarshal([]byte(voters), &leases) != nil || len(leases) != 1 || len(leases[0].Voters) != len(s.nodes) {
			continue
		}
		out, err := s.nodes[0].try("rollout", "status", "stamper", "--timeout", "0", "-o", "json")
		if err == nil && json.Unmarshal([]byte(out), &r) == nil && r.Done && len(r.RunsOn) == 1 && len(r.Standby) == len(s.nodes)-1 {
			return
		}
	}
	t.Fatalf("not ready: %s%s", s.nodes[0].selvage(t, "get", "nodes"), s.nodes[0].selvage(t, "get", "leases"))
}

// runs are the singleton's runs, by their beginnings.
func (s *realSite) runs(t *testing.T) (runs [][2]stamp) {
	t.Helper()
	at := map[[2]any]int{}
	for _, e := range s.read(t) {
		key := [2]any{e.node, e.pid}
		if i, known := at[key]; known {
			runs[i][1] = e
			continue
		}
		at[key] = len(runs)
		runs = append(runs, [2]stamp{e, e})
	}
	return runs
}

// gap is the time between the last two runs.
func (s *realSite) gap(t *testing.T) time.Duration {
	t.Helper()
	runs := s.runs(t)
	return time.Duration(runs[len(runs)-1][0].at - runs[len(runs)-2][1].at)
}

// judge wants no two runs at one moment, and later ones to have higher tokens.
func (s *realSite) judge(t *testing.T) {
	t.Helper()
	runs := s.runs(t)
	for i, run := range runs {
		if run[0].epoch != run[1].epoch {
			t.Errorf("run %d changed its token from %d to %d", i, run[0].epoch, run[1].epoch)
		}
		if i == 0 {
			continue
		}
		before := runs[i-1]
		if run[0].at <= before[1].at {
			t.Errorf("%s ran it with %d from %d on, and %s with %d until %d", run[0].node, run[0].epoch, run[0].at, before[1].node, before[1].epoch, before[1].at)
		}
		if run[0].epoch <= before[0].epoch {
			t.Errorf("%s ran it with %d after %s did with %d", run[0].node, run[0].epoch, before[0].node, before[0].epoch)
		}
	}
	var ran time.Duration
	for _, run := range runs {
		ran += time.Duration(run[1].at - run[0].at)
	}
	stamps := len(s.read(t))
	t.Logf("%d runs, %d stamps, one every %v", len(runs), stamps, (ran / time.Duration(stamps)).Round(time.Millisecond/10))
	if len(runs) < 6 {
		t.Errorf("%d runs are too few", len(runs))
	}
}

// weigh logs what the guards take of memory.
func (s *realSite) weigh(t *testing.T) {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range all {
		args, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(args, []byte("\x00"+guardName+"\x00")) {
			continue
		}
		status, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "status"))
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "Rss") {
				t.Log("guard: ", strings.Join(strings.Fields(line), " "))
			}
		}
	}
}
