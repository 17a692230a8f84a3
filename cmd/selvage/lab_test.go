package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
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
	"text/tabwriter"
	"time"

	"selvage/mesh/meshtest"
	"selvage/node/api"
	"selvage/simulator"
)

// figure is one line of the lab's table.
type figure struct {
	of, what       string
	target, actual float64
	unit           string
	least          bool // target is the least that will do, not the most
}

func (f figure) ok() bool {
	return f.actual > 0 && (f.actual <= f.target) != f.least || f.actual == f.target
}

// labStory is a scenario of the lab, and what it is to cost at most; what is 0 is not judged. Ratios of bytes are of what had to come.
type labStory struct {
	file                           string
	makespan, blob, wire, originUp float64
	resent                         float64 // chunks of the largest size that came twice, for each cut
	cuts                           float64
}

var labStories = []labStory{
	{file: "three-by-four", makespan: 1.15, blob: 1.01, wire: 1.10, originUp: 1.15},
	{file: "five-by-three", makespan: 1.25, blob: 1.01, wire: 1.10},
	{file: "one-by-sixteen", makespan: 1.10, blob: 1.01, wire: 1.07},
	{file: "origin-vanishes"},
	{file: "ten-cuts", resent: 1, cuts: 10},
}

// TestLab plays what is promised of distribution with the real program on this machine, and prints what it measured
// beside what was promised. 'make bench-lab' runs it; it takes ten minutes, and root. SELVAGE_LAB_ONLY picks the cases
// whose names have it, and SELVAGE_LAB_ENGINE another engine: native is in virtual time, and knows nothing of how busy the machine is.
func TestLab(t *testing.T) {
	exe := os.Getenv("SELVAGE_LAB")
	if exe == "" {
		t.Skip("'make bench-lab' runs it")
	}
	if os.Geteuid() != 0 {
		t.Fatal("the lab makes network namespaces, which only root may: run it with sudo")
	}
	engine := os.Getenv("SELVAGE_LAB_ENGINE")
	if engine == "" {
		engine = "netns"
	}
	var all []figure
	for _, s := range labStories {
		if only := os.Getenv("SELVAGE_LAB_ONLY"); only == "" || strings.Contains(s.file, only) {
			all = append(all, s.play(t, exe, engine)...)
		}
	}
	if only := os.Getenv("SELVAGE_LAB_ONLY"); only == "" || only == "pair" {
		all = append(all, pair(t, exe)...)
	}
	printFigures(t, all)
}

func printFigures(t *testing.T, all []figure) {
	var out bytes.Buffer
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CASE\tFIGURE\tTARGET\tMEASURED\tSHARE\tRESULT")
	for _, f := range all {
		sign, word := "<=", "ok"
		if f.least {
			sign = ">="
		}
		if !f.ok() {
			word = "NOT MET"
		}
		fmt.Fprintf(w, "%s\t%s\t%s %.2f%s\t%.3f%s\t%.2f\t%s\n", f.of, f.what, sign, f.target, f.unit, f.actual, f.unit, f.actual/f.target, word)
	}
	_ = w.Flush() // a buffer takes all
	t.Logf("\n%s", out.String())
}

// play plays a story and compares what it cost.
func (s labStory) play(t *testing.T, exe, engine string) (out []figure) {
	t.Helper()
	cmd := exec.Command(exe, "sim", "run", "--engine", engine, "-o", "json", filepath.Join("..", "..", "simulator", "scenarios", "bench", s.file+".yaml"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	printed, err := cmd.Output()
	var r simulator.Result
	if jerr := json.Unmarshal(printed, &r); jerr != nil {
		t.Fatalf("%s: %v, %v: %s", s.file, err, jerr, stderr.String())
	}
	all := 0.0
	if r.OK {
		all = 1
	}
	out = append(out, figure{of: s.file, what: "all complete", target: 1, actual: all})
	var blob, wire, up, again, size float64
	for _, u := range r.Uplinks {
		if u.IdealBytes == 0 {
			up = float64(u.UpBytes)
			continue
		}
		ideal := float64(u.IdealBytes)
		size = max(size, ideal)
		blob, wire = max(blob, float64(u.BlobBytes)/ideal), max(wire, float64(u.DownBytes)/ideal)
		again = max(again, float64(u.BlobBytes-u.IdealBytes))
	}
	add := func(what string, target, actual float64) {
		if target > 0 {
			out = append(out, figure{of: s.file, what: what, target: target, actual: actual})
		}
	}
	add("all fetched / bound", s.makespan, r.FetchedSeconds/r.BoundSeconds)
	add("all running / bound", s.makespan, r.MakespanSeconds/r.BoundSeconds)
	add("blob bytes / size, worst uplink", s.blob, blob)
	add("wire bytes / size, worst uplink", s.wire, wire)
	add("origin up / size, wire", s.originUp, up/size)
	if s.cuts > 0 {
		out = append(out, figure{of: s.file, what: "chunks of 128 KiB again for each cut", target: s.resent, actual: max(again/(128<<10)/s.cuts, 1e-9)})
	}
	return out
}

const pairSize = 1 << 30

// pair gets a blob of 1 GiB from one node's disk to another's on this machine, and moves as many bytes over a bare
// stream of libp2p. It is about how fast that is, and what memory the node takes that gets it; so the one that gives it does not
// run it, which would have it unpack a copy meanwhile.
func pair(t *testing.T, exe string) []figure {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	file := filepath.Join(dir, "payload")
	writeRandom(t, file, pairSize)
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(exe, args...).Output()
		if err != nil {
			t.Fatalf("selvage %v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	run("--dir", from, "init", "--fleet", "pair", "--name", "from")
	seed := upNode(t, exe, from)
	run("--dir", from, "seed", file, "--name", "app", "--version", "v1", "--type", "bundle", "--patches", "0")
	run("--dir", to, "join", run("--dir", from, "invite", "--site", "main", "--label", "gets=it"), "--name", "to")
	pid := upNode(t, exe, to)
	client := api.NewClient(filepath.Join(to, "selvage.sock"))
	awaitPeer(t, client)

	bare, source := bareStream(t)
	within := meshtest.Stream(t, pairSize)
	bare(io.Discard) // the first is slower
	worked := processorTime(t, os.Getpid(), source)
	limit := bare(io.Discard)
	bareWork := processorTime(t, os.Getpid(), source) - worked
	within(io.Discard)
	manifest := filepath.Join(dir, "app.yaml")
	if err := os.WriteFile(manifest, []byte("apiVersion: selvage/v1\nkind: Deployment\nmetadata: {name: app}\nspec: {release: app@v1, selector: {matchLabels: {gets: it}}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	worked = processorTime(t, pid, seed)
	run("--dir", from, "apply", "-f", manifest)
	took := awaitBlob(t, client)
	blobWork := processorTime(t, pid, seed) - worked
	memory := peakMemory(t, pid)
	limit = min(limit, bare(io.Discard))
	written := onDisk(t, filepath.Join(dir, "copy"), bare)
	t.Logf("1 GiB: blob in %v; bare stream in %v, in %v onto the disk, in %v with both ends in one process", took, limit, written, within(io.Discard))
	t.Logf("processor time of both ends: blob %v, bare stream %v", blobWork, bareWork)
	return []figure{
		{of: "pair", what: "speed of a blob of 1 GiB / of a bare stream", target: 0.7, actual: limit.Seconds() / took.Seconds(), least: true},
		{of: "pair", what: "the same / of one onto the disk", target: 0.7, actual: written.Seconds() / took.Seconds(), least: true},
		{of: "pair", what: "resident while it gets it", target: 120, actual: memory / 1e6, unit: " MB"},
	}
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

func writeRandom(t *testing.T, name string, size int64) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{1}), size)
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

// awaitBlob returns how long the node took for its blob, from the first byte on.
func awaitBlob(t *testing.T, client *api.Client) time.Duration {
	t.Helper()
	var began time.Time
	await(t, "the blob", func(ctx context.Context) bool {
		var list []api.Blob
		if err := client.Get(ctx, "blobs", nil, &list); err != nil {
			t.Fatal(err)
		}
		if began.IsZero() && len(list) > 0 {
			began = time.Now()
		}
		return slices.ContainsFunc(list, func(b api.Blob) bool { return b.Complete })
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
