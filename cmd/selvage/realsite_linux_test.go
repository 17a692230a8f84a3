package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
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

// realSite is a site of real nodes.
type realSite struct {
	lab    *lab.Lab
	stamps string // the file that what runs writes: see testdata/stamper
	nodes  []*realNode
	all    []stamp // that were read
	parsed int64   // bytes of them
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

// run releases a version of the stamper, and declares it with more of the deployment's spec: variables for the program, and lines.
func (s *realSite) run(t *testing.T, version, env string, spec ...string) {
	t.Helper()
	program, declared := filepath.Join(t.TempDir(), "stamper"), filepath.Join(t.TempDir(), "d.yaml")
	if out, err := exec.Command("go", "build", "-ldflags", "-s -w -X main.version="+version, "-o", program, "./testdata/stamper").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	text := fmt.Sprintf("apiVersion: selvage/v1\nkind: Deployment\nmetadata: {name: stamper}\nspec:\n  release: stamper@%s\n  run: {env: {STAMPS: %q, %s}}\n  %s\n", version, s.stamps, env, strings.Join(spec, "\n  "))
	if err := os.WriteFile(declared, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n := s.nodes[0]
	n.selvage(t, "seed", program, "--name", "stamper", "--version", version, "--type", "process")
	n.selvage(t, "apply", "-f", declared)
}

func (s *realSite) byName(name string) *realNode {
	return s.nodes[slices.IndexFunc(s.nodes, func(n *realNode) bool { return n.name == name })]
}

// stamp is one line that the stamper wrote.
type stamp struct {
	at    int64 // nanoseconds
	epoch uint64
	node  string
	pid   int
	// version of the program
	version string
}

// read returns what has run wrote, by time.
func (s *realSite) read(t *testing.T) []stamp {
	t.Helper()
	file, err := os.Open(s.stamps)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.NewSectionReader(file, s.parsed, 1<<30))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if !strings.HasSuffix(line, "\n") {
			break // it is about to be written
		}
		var e stamp
		if _, err := fmt.Sscan(line, &e.at, &e.epoch, &e.node, &e.pid, &e.version); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		s.all, s.parsed = append(s.all, e), s.parsed+int64(len(line))
	}
	slices.SortStableFunc(s.all, func(a, b stamp) int { return cmp.Compare(a.at, b.at) })
	return s.all
}

func (s *realSite) last(t *testing.T) stamp {
	t.Helper()
	all := s.read(t)
	return all[len(all)-1]
}
