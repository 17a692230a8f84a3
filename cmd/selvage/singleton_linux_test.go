package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"selvage/simulator/netns/lab"
	"selvage/simulator/network"
)

// The singleton of TestRealSingleton: it writes down when it runs, with its token, and does not hear that it shall end.
const stamper = `#!/bin/sh
trap '' TERM
while :; do
	echo "$(date +%s%N) $SELVAGE_EPOCH $SELVAGE_NODE $$" >> "$STAMPS"
	sleep 0.05
done
`

// TestRealSingleton kills, stops, cuts off and relieves the leaders of a site of three real nodes in network namespaces. By
// the times that the singleton itself writes down with its token, it never runs twice at once, and its tokens grow.
func TestRealSingleton(t *testing.T) {
	if os.Getenv("SELVAGE_LAB") == "" || os.Geteuid() != 0 {
		t.Skip("takes two minutes, and root: 'make lab' runs it")
	}
	s := newRealSite(t, 3)
	s.seed(t)
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

// realSite is a site of real nodes.
type realSite struct {
	lab    *lab.Lab
	stamps string // the file that the singleton writes
	nodes  []*realNode
}

type realNode struct {
	binary, dir, name string
	host              *lab.Host
	cmd               *exec.Cmd
	ended             chan struct{}
}

func newRealSite(t *testing.T, nodes int) *realSite {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "selvage")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	l, err := lab.New()
	var unable *lab.Unable
	if errors.As(err, &unable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &realSite{lab: l, stamps: filepath.Join(t.TempDir(), "stamps")}
	t.Cleanup(func() {
		for _, n := range s.nodes {
			n.kill()
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	site, err := l.AddSite("store", network.SiteConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range nodes {
		host, err := site.AddHost(fmt.Sprint("n", i))
		if err != nil {
			t.Fatal(err)
		}
		s.nodes = append(s.nodes, &realNode{binary: binary, dir: filepath.Join(t.TempDir(), "d"), name: host.Name(), host: host})
	}
	first := s.nodes[0]
	first.selvage(t, "init", "--fleet", "acme", "--site", "store", "--name", first.name)
	first.start(t)
	ticket := strings.TrimSpace(first.selvage(t, "invite", "--site", "store", "--uses", fmt.Sprint(nodes)))
	for _, n := range s.nodes[1:] {
		n.selvage(t, "join", ticket, "--name", n.name)
		n.start(t)
	}
	return s
}

// start brings the node up, and waits until it answers.
func (n *realNode) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(n.dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	n.cmd = exec.Command(n.binary, "up", "--dir", n.dir, "--listen", netip.AddrPortFrom(n.host.Addr(), 4747).String(), "--lan-discovery=false")
	n.cmd.Stderr = log
	if err := n.host.Start(n.cmd); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	n.ended = ended
	cmd := n.cmd
	go func() { _ = cmd.Wait(); close(ended) }() // how it ended is the test's doing
	for range 300 {
		if _, err := n.try("status"); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	said, _ := os.ReadFile(n.dir + ".log")
	t.Fatalf("%s does not answer:\n%s", n.name, said[max(0, len(said)-2000):])
}

func (n *realNode) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := n.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func (n *realNode) kill() {
	if n.cmd != nil {
		_ = n.cmd.Process.Kill() // it may have ended
		<-n.ended
	}
}

func (n *realNode) try(args ...string) (string, error) {
	var out, errs bytes.Buffer
	cmd := exec.Command(n.binary, append(args, "--dir", n.dir)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%v: %w: %s", args, err, errs.String())
	}
	return out.String(), nil
}

func (n *realNode) selvage(t *testing.T, args ...string) string {
	t.Helper()
	out, err := n.try(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// seed releases the singleton and declares it.
func (s *realSite) seed(t *testing.T) {
	t.Helper()
	program, declared := filepath.Join(t.TempDir(), "stamper"), filepath.Join(t.TempDir(), "d.yaml")
	for name, text := range map[string]string{program: stamper, declared: fmt.Sprintf(`apiVersion: selvage/v1
kind: Deployment
metadata: {name: stamper}
spec:
  release: stamper@1
  singleton: true
  run: {env: {STAMPS: %q}}
  health: {minHealthyTime: 1s}
`, s.stamps)} {
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	n := s.nodes[0]
	n.selvage(t, "seed", program, "--name", "stamper", "--version", "1", "--type", "process")
	n.selvage(t, "apply", "-f", declared)
}

func (s *realSite) byName(name string) *realNode {
	return s.nodes[slices.IndexFunc(s.nodes, func(n *realNode) bool { return n.name == name })]
}

// stamp is one line that the singleton wrote.
type stamp struct {
	at    int64 // nanoseconds
	epoch uint64
	node  string
	pid   int
}

// read returns what the singleton wrote, by time.
func (s *realSite) read(t *testing.T) (all []stamp) {
	t.Helper()
	data, err := os.ReadFile(s.stamps)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var e stamp
		if _, err := fmt.Sscan(line, &e.at, &e.epoch, &e.node, &e.pid); err != nil {
			if strings.HasSuffix(line, "\n") {
				t.Fatalf("%q: %v", line, err)
			}
			continue // it is about to be written
		}
		all = append(all, e)
	}
	slices.SortStableFunc(all, func(a, b stamp) int { return cmp.Compare(a.at, b.at) })
	return all
}

func (s *realSite) last(t *testing.T) stamp {
	t.Helper()
	all := s.read(t)
	return all[len(all)-1]
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
	t.Logf("%d runs, %d stamps", len(runs), len(s.read(t)))
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
