package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"selvage/node/api"
)

// BenchmarkIdleNode reports what one node of a site of eleven costs, each a process of its own,
// when nothing happens: memory, and traffic with other sites' nodes, of which there are none. The
// target is 60 MB.
func BenchmarkIdleNode(b *testing.B) {
	const peers = 10
	dir := b.TempDir()
	var all []string
	for i := range peers + 1 {
		all = append(all, filepath.Join(dir, fmt.Sprint("n", i)))
	}
	selvage(b, "--dir", all[0], "init", "--fleet", "idle", "--name", "n0")
	runNode(b, all[0])
	ticket := selvage(b, "--dir", all[0], "invite", "--site", "main", "--uses", fmt.Sprint(peers))
	for i, d := range all[1:] {
		selvage(b, "--dir", d, "join", ticket, "--name", fmt.Sprint("n", i+1))
		runNode(b, d)
	}
	settle := time.Now().Add(20 * time.Second)
	var s api.Status
	for b.Loop() {
		for len(s.Peers) < peers || time.Now().Before(settle) {
			time.Sleep(100 * time.Millisecond)
			s = status(b, all[peers])
		}
	}
	b.ReportMetric(float64(s.ResidentBytes)/1e6, "resident-MB")
	b.ReportMetric(float64(len(s.Peers)), "peers")
	b.ReportMetric(0, "ns/op") // waiting is not what is measured
}

// selvage runs one command to its end and returns what it printed.
func selvage(b *testing.B, args ...string) string {
	b.Helper()
	out, err := exec.Command("selvage", args...).Output()
	if err != nil {
		b.Fatalf("selvage %v: %v", args, err)
	}
	return strings.TrimSpace(string(out))
}

// runNode runs a node until the benchmark ends.
func runNode(b *testing.B, dir string) {
	b.Helper()
	cmd := exec.Command("selvage", "--dir", dir, "up", "--listen", "127.0.0.1:0", "--lan-discovery=false")
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // it was told to end
	})
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if exec.Command("selvage", "--dir", dir, "status").Run() == nil {
			return
		}
	}
	b.Fatalf("no node answers in %s", dir)
}

func status(b *testing.B, dir string) api.Status {
	b.Helper()
	var s api.Status
	if err := json.Unmarshal([]byte(selvage(b, "--dir", dir, "status", "-o", "json")), &s); err != nil {
		b.Fatal(err)
	}
	return s
}
