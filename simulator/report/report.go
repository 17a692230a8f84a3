package report

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"selvage/simulator"
	"selvage/simulator/scenario"
)

// MaxBytes is what a page is smaller than, for a fleet of 1,000 nodes.
const MaxBytes = 3 << 20

//go:embed page.html page.css page.js
var files embed.FS

// page is all that the template shows.
type page struct {
	CSS    template.CSS
	JS     template.JS
	Again  string
	Result simulator.Result
	Title  string
	Facts  []fact
	Checks []checkRow
	Axis   axis

	CheckLanes   []checkLane
	Work         packed
	Faults       packed
	FaultRows    []faultRow
	Lanes        lanes
	Notes        []string // of what the timeline leaves out
	ArrowClasses []string
	Progress     progress
	Uplinks      uplinks
	Messages     messages
}

// fact is a figure of the head.
type fact struct{ Name, Value, Note string }

// Write writes the page of a story. The scenario is the one that was played, and again the command that plays it
// again. A Result without a Record has a page without curves.
func Write(w io.Writer, s scenario.Scenario, r simulator.Result, again string) error {
	t, err := template.New("page.html").Funcs(template.FuncMap{"moment": moment}).ParseFS(files, "page.html")
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	p, err := newPage(s.Expand(), r, again)
	if err != nil {
		return err
	}
	if err := t.Execute(w, p); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

func newPage(s scenario.Scenario, r simulator.Result, again string) (page, error) {
	css, err := files.ReadFile("page.css")
	if err != nil {
		return page{}, err
	}
	js, err := files.ReadFile("page.js")
	if err != nil {
		return page{}, err
	}
	var rec simulator.Record
	if r.Record != nil {
		rec = *r.Record
	}
	sc := scale{max(seconds(r.VirtualSeconds), time.Second)}
	faults := newFaults(s, sc)
	p := page{CSS: template.CSS(css), JS: template.JS(js), Again: again, Result: r, Title: clip(s.Name, 200), Facts: facts(s, r), Checks: checkRows(r), Axis: sc.axis(),
		CheckLanes: checkLanes(r, sc), Work: workMarks(s, r, sc), Faults: faults.pack(), FaultRows: faults.rows(), Lanes: newLanes(rec, r.Events, faults, sc),
		Progress: newProgress(s, rec, faults, sc), Uplinks: newUplinks(s, r, rec, faults, sc), Messages: newMessages(rec, r)}
	p.Notes, p.ArrowClasses = p.notes(), arrowClasses()
	if p.Title == "" {
		p.Title = "a scenario without a name"
	}
	return p, nil
}

func facts(s scenario.Scenario, r simulator.Result) []fact {
	engine := r.Engine
	if engine == "" {
		engine = "not told"
	}
	kind := "virtual"
	if r.Engine == "netns" {
		kind = "real"
	}
	makespan := "did not come about"
	if r.MakespanSeconds > 0 {
		makespan = moment(seconds(r.MakespanSeconds))
	}
	out := []fact{
		{kind + " time", moment(seconds(r.VirtualSeconds)), fmt.Sprintf("of at most %s", moment(s.Duration))},
		{"wall time", fmt.Sprintf("%.1f s", r.WallSeconds), fmt.Sprintf("%.1f %s s a second", r.VirtualSeconds/max(r.WallSeconds, 0.001), kind)},
		{"fleet", count(r.Nodes, "node"), "at " + count(len(s.Sites), "site")},
		{"last deployment", makespan, fmt.Sprintf("%s at best", moment(seconds(r.BoundSeconds)))},
		{"engine", engine, fmt.Sprintf("seed %d", r.Seed)},
	}
	if !deploys(s) {
		out = append(out[:3], out[4:]...)
	}
	return out
}

func deploys(s scenario.Scenario) bool {
	for _, k := range s.Work {
		if k.Deploy != nil {
			return true
		}
	}
	return false
}

// seconds turns a Result's seconds into a duration.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// notes says what the timeline leaves out.
func (p page) notes() []string {
	var out []string
	for _, n := range []struct {
		count       int
		what, after string
	}{
		{p.Faults.Late, "fault", "not come to; the table has them"},
		{p.Faults.LeftOut, "fault", "for which there is no room; the table has them"},
		{p.Work.Late, "piece of work", "not come to"},
		{p.Work.LeftOut, "piece of work", "for which there is no room"},
		{p.Lanes.LeftOut, "site", "of which there is least to tell"},
		{p.Lanes.Hidden, "mark", "of what says least"},
		{p.Result.EventsLeftOut, "event", "that the trace had no room for"},
	} {
		if n.count > 0 {
			out = append(out, "Not shown: "+count(n.count, n.what)+" "+n.after+".")
		}
	}
	return out
}
