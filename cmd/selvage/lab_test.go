package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"

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
// whose names have it, SELVAGE_LAB_ENGINE another engine: native is in virtual time, and knows nothing of how busy the machine is; and
// SELVAGE_LAB_DISKS another place for the disks of a story's machines than memory.
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
	cmd.Env = append(os.Environ(), "TMPDIR="+disks())
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

// disks is where the machines of a story have their disks: in memory, if the system has a place for that. Else up to sixteen machines, each of which
// puts a blob in place and syncs it when all have it, would wait for the one disk of this machine.
func disks() string {
	if dir := os.Getenv("SELVAGE_LAB_DISKS"); dir != "" {
		return dir
	}
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); err == nil && info.IsDir() {
		return memory
	}
	return os.TempDir()
}
