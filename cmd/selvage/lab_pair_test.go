package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"selvage/mesh/meshtest"
	"selvage/node/api"
)

const pairSize = 1 << 30

// pair gets two blobs of 1 GiB, one after the other, from one node's disk to another's on this machine, and moves as many bytes
// over a bare stream of libp2p before and after. Of both the better time counts, since a machine does other things too. It is about
// how fast that is, and what memory the node takes that gets them; so the one that gives them does not run them, which would
// have it unpack copies meanwhile.
func pair(t *testing.T, exe string) []figure {
	p := startPair(t, exe)
	bare, source := bareStream(t)
	within := meshtest.Stream(t, pairSize)
	bare(io.Discard) // the first is slower
	within(io.Discard)

	worked := processorTime(t, os.Getpid(), source)
	limit := bare(io.Discard)
	bareWork := processorTime(t, os.Getpid(), source) - worked
	first, blobWork := p.fetch(t, "first")
	second, _ := p.fetch(t, "second")
	limit = min(limit, bare(io.Discard))
	written := onDisk(t, filepath.Join(p.dir, "copy"), bare)

	t.Logf("1 GiB: blobs in %v and %v; bare stream in %v, in %v onto the disk, in %v with both ends in one process", first, second, limit, written, within(io.Discard))
	t.Logf("processor time of both ends: first blob %v, bare stream %v", blobWork, bareWork)
	took := min(first, second)
	return []figure{
		{of: "pair", what: "speed of a blob of 1 GiB / of a bare stream", target: 0.7, actual: limit.Seconds() / took.Seconds(), least: true},
		{of: "pair", what: "the same / of one onto the disk", target: 0.7, actual: written.Seconds() / took.Seconds(), least: true},
		{of: "pair", what: "resident while it gets it", target: 120, actual: peakMemory(t, p.to) / 1e6, unit: " MB"},
	}
}

// twoNodes are nodes of one site, each with a process; from has seeded what to can fetch.
type twoNodes struct {
	exe, dir string
	from, to int // the processes
}

func startPair(t *testing.T, exe string) twoNodes {
	t.Helper()
	p := twoNodes{exe: exe, dir: t.TempDir()}
	p.run(t, "from", "init", "--fleet", "pair", "--name", "from")
	p.from = upNode(t, exe, filepath.Join(p.dir, "from"))
	for i, app := range []string{"first", "second"} {
		file := filepath.Join(p.dir, app)
		writeRandom(t, file, byte(i), pairSize)
		p.run(t, "from", "seed", file, "--name", app, "--version", "v1", "--type", "bundle", "--patches", "0")
	}
	p.run(t, "to", "join", p.run(t, "from", "invite", "--site", "main", "--label", "gets=it"), "--name", "to")
	p.to = upNode(t, exe, filepath.Join(p.dir, "to"))
	awaitPeer(t, p.client())
	return p
}

// run has a node run a command, and returns what that printed.
func (p twoNodes) run(t *testing.T, node string, args ...string) string {
	t.Helper()
	out, err := exec.Command(p.exe, append([]string{"--dir", filepath.Join(p.dir, node)}, args...)...).Output()
	if err != nil {
		t.Fatalf("selvage %v: %v", args, err)
	}
	return strings.TrimSpace(string(out))
}

func (p twoNodes) client() *api.Client {
	return api.NewClient(filepath.Join(p.dir, "to", "selvage.sock"))
}

// fetch declares a release to the node that has nothing of it, and returns how long its blob took, from the first byte on, and how long
// the processors worked for it at both ends. When it returns, the node has unpacked that, too.
func (p twoNodes) fetch(t *testing.T, app string) (took, work time.Duration) {
	t.Helper()
	manifest := filepath.Join(p.dir, app+".yaml")
	text := fmt.Sprintf("apiVersion: selvage/v1\nkind: Deployment\nmetadata: {name: %s}\nspec: {release: %s@v1, selector: {matchLabels: {gets: it}}}\n", app, app)
	if err := os.WriteFile(manifest, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	before := processorTime(t, p.to, p.from)
	p.run(t, "from", "apply", "-f", manifest)
	took = awaitBlob(t, p.client(), app)
	work = processorTime(t, p.to, p.from) - before
	p.run(t, "to", "rollout", "status", app)
	return took, work
}

// bareSource is this test's program as the one end of a bare stream. The two ends are processes of their own, as two nodes are:
// within one the kernel has nobody to wake, and on two cores it takes half as long.
const bareSource = "bare-source"

func bare() {
	if err := meshtest.Source(os.Stdout, pairSize); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// bareStream is meshtest.Stream between two processes.
func bareStream(t *testing.T) (stream func(to io.Writer) time.Duration, source int) {
	cmd := exec.Command(os.Args[0])
	cmd.Args[0], cmd.Stderr = bareSource, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Wait(); err != nil { // it ends with its connection
			t.Error(err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return meshtest.StreamFrom(t, line, pairSize), cmd.Process.Pid
}

// onDisk returns what a bare stream takes that is written to a file, and is durable at the end, as a blob is.
func onDisk(t *testing.T, name string, bare func(to io.Writer) time.Duration) time.Duration {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	took, begin := bare(f), time.Now()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	return took + time.Since(begin)
}

func writeRandom(t *testing.T, name string, seed byte, size int64) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{seed}), size)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		t.Fatal(err)
	}
}

// upNode runs a node until the test ends.
func upNode(t *testing.T, exe, dir string) (pid int) {
	t.Helper()
	cmd := exec.Command(exe, "--dir", dir, "up", "--listen", "127.0.0.1:0", "--lan-discovery=false", "--log", "error")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // it was told to end
	})
	client := api.NewClient(filepath.Join(dir, "selvage.sock"))
	await(t, "a node that answers", func(ctx context.Context) bool {
		var s api.Status
		return client.Get(ctx, "status", nil, &s) == nil
	})
	return cmd.Process.Pid
}

// await asks again and again.
func await(t *testing.T, what string, f func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for !f(ctx) {
		if ctx.Err() != nil {
			t.Fatalf("waiting for %s: %v", what, ctx.Err())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func awaitPeer(t *testing.T, client *api.Client) {
	t.Helper()
	await(t, "the other node", func(ctx context.Context) bool {
		var s api.Status
		return client.Get(ctx, "status", nil, &s) == nil && len(s.Peers) > 0
	})
}

// awaitBlob returns how long the node took for a release's blob, from the first byte on.
func awaitBlob(t *testing.T, client *api.Client, app string) time.Duration {
	t.Helper()
	var began time.Time
	await(t, "the blob of "+app, func(ctx context.Context) bool {
		var list []api.Blob
		if err := client.Get(ctx, "blobs", nil, &list); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(list, func(b api.Blob) bool { return slices.Contains(b.Releases, app+"@v1") })
		if began.IsZero() && i >= 0 {
			began = time.Now()
		}
		return i >= 0 && list[i].Complete
	})
	return time.Since(began)
}

// processorTime returns how long processors have worked for some processes so far, to a hundredth of a second.
func processorTime(t *testing.T, pids ...int) (sum time.Duration) {
	t.Helper()
	for _, pid := range pids {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:])) // from the state on, as proc_pid_stat(5) has them
		for _, f := range fields[11:13] {                                         // in user mode, and in the kernel
			ticks, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			sum += time.Duration(ticks) * time.Second / 100
		}
	}
	return sum
}

// peakMemory returns the most bytes of memory that a process has taken so far.
func peakMemory(t *testing.T, pid int) float64 {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" {
			kb, err := strconv.ParseFloat(f[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb * 1024
		}
	}
	t.Fatal("the kernel does not tell how much memory a process took")
	return 0
}
