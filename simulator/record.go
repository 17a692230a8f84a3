package simulator

import (
	"slices"
	"sync"
	"time"
)

// Options says what is wanted of a story besides its Result.
type Options struct {
	// Progress is told how far the story is each time when it is looked at; it must not block. Nil is fine.
	Progress func(Progress)
	// Record has Result.Record filled. It changes nothing of the story.
	Record bool
	// Window is when nodes log at debug level, which says what messages they send; the zero Span is never.
	Window Span
}

// Span is a time of a story, From included, To not.
type Span struct {
	From time.Duration `json:"from_ns"`
	To   time.Duration `json:"to_ns"`
}

// Has reports whether a moment is in it.
func (s Span) Has(at time.Duration) bool { return s.From <= at && at < s.To }

// Record is what a report draws, beyond the Result.
type Record struct {
	Window Span   `json:"window"`
	Lives  []Life `json:"lives"` // of all machines, in the order in which they came
	Series Series `json:"series"`
}

// Life is when a machine's node was up, and did not stand still.
type Life struct {
	Place string `json:"place"` // SITE/NODE
	Site  string `json:"site"`
	Name  string `json:"name"` // of the node in the fleet, as in Event.Peer
	Up    []Span `json:"up"`   // as the looks saw it; they ascend and do not touch
}

// Series are samples of a story, taken at all of At, which ascend. They are at most maxSamples: when there are
// more, every other is dropped, and the next are taken half as often.
type Series struct {
	At    []time.Duration `json:"at_ns"`
	Sites []SiteSeries    `json:"sites"` // as in the scenario
	Nodes []NodeSeries    `json:"nodes"` // as Record.Lives
}

// SiteSeries is what had crossed a site's uplink, bytes on the wire since the story began.
type SiteSeries struct {
	Site string  `json:"site"`
	Down []int64 `json:"down_bytes"`
	Up   []int64 `json:"up_bytes"`
}

// NodeSeries is how many bytes of blobs a node held; while it is down or does not answer, what it held last.
type NodeSeries struct {
	Node string  `json:"node"` // SITE/NODE
	Held []int64 `json:"held_bytes"`
}

// maxSamples bounds a series: it is about as many as a screen has room for.
const maxSamples = 600

// firstSample is how far apart the first samples are.
const firstSample = 250 * time.Millisecond

// recorder fills a Record while a story is told. Nil records nothing.
type recorder struct {
	Record
	every time.Duration
	timer *time.Timer // of the next sample
	wg    sync.WaitGroup

	mu    sync.Mutex
	nodes []holding // as Lives
}

// holding is what a node said last that it holds.
type holding struct {
	bytes int64
	asked bool // and has not answered
}

func newRecorder(o Options) *recorder {
	if !o.Record {
		return nil
	}
	return &recorder{Record: Record{Window: o.Window}, every: firstSample, timer: time.NewTimer(0)}
}

// due has a value when it is time for a sample; never if nothing is recorded.
func (r *recorder) due() <-chan time.Time {
	if r == nil {
		return nil
	}
	return r.timer.C
}

// sample takes one now.
func (t *story) sample() {
	r, now := t.recorder, t.trace.Now()
	if r == nil {
		return
	}
	r.timer.Reset(r.every)
	if r.Series.begin(now) {
		r.every *= 2
	}
	for i, s := range t.scenario.Sites {
		down, up := t.Traffic(s.Name)
		r.Series.site(i, s.Name, down, up)
	}
	machines := t.Machines()
	for i, m := range machines {
		r.ask(i, m.Agent())
	}
	t.Settle()
	for i, m := range machines {
		r.Series.node(i, Place(m), r.held(i))
	}
}

// ask has a node say what it holds, if it is up. Nobody waits for one whose disk takes its time: the story goes on,
// and what it said before counts.
func (r *recorder) ask(i int, n Agent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i == len(r.nodes) {
		r.nodes = append(r.nodes, holding{})
	}
	if n == nil || r.nodes[i].asked {
		return
	}
	r.nodes[i].asked = true
	r.wg.Go(func() {
		var held int64
		for _, b := range n.Holdings() {
			held += b.HaveBytes
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.nodes[i] = holding{bytes: held}
	})
}

func (r *recorder) held(i int) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.nodes[i].bytes
}

// wait returns when no node is asked any more. The stage is closed.
func (r *recorder) wait() {
	if r != nil {
		r.wg.Wait()
	}
}

// begin makes room for a sample, and reports whether others had to go for it.
func (s *Series) begin(now time.Duration) (thinned bool) {
	if len(s.At) >= maxSamples {
		thinned = true
		s.At = everyOther(s.At)
		for i := range s.Sites {
			s.Sites[i].Down, s.Sites[i].Up = everyOther(s.Sites[i].Down), everyOther(s.Sites[i].Up)
		}
		for i := range s.Nodes {
			s.Nodes[i].Held = everyOther(s.Nodes[i].Held)
		}
	}
	s.At = append(s.At, now)
	return thinned
}

// everyOther keeps the first, the third and so on.
func everyOther[V any](s []V) []V {
	kept := s[:0]
	for i := 0; i < len(s); i += 2 {
		kept = append(kept, s[i])
	}
	return kept
}

// site adds what crossed the uplink of the i-th site.
func (s *Series) site(i int, name string, down, up int64) {
	if i == len(s.Sites) {
		s.Sites = append(s.Sites, SiteSeries{Site: name})
	}
	p := &s.Sites[i]
	p.Down, p.Up = append(p.Down, down), append(p.Up, up)
}

// node adds what the i-th node holds. One that has come just now held nothing before.
func (s *Series) node(i int, place string, held int64) {
	if i == len(s.Nodes) {
		s.Nodes = append(s.Nodes, NodeSeries{Node: place, Held: make([]int64, len(s.At)-1, maxSamples)})
	}
	p := &s.Nodes[i]
	p.Held = append(p.Held, held)
}

// notice notes who is up now.
func (r *recorder) notice(now time.Duration, machines []Machine) {
	if r == nil {
		return
	}
	for i, m := range machines {
		if i == len(r.Lives) {
			r.Lives = append(r.Lives, Life{Place: Place(m), Site: m.Site(), Name: m.NodeName(), Up: []Span{}})
		}
		r.Lives[i].notice(now, m.Agent() != nil)
	}
}

// stillUp ends a Span that has not ended.
const stillUp = -1

func (l *Life) notice(now time.Duration, up bool) {
	last := len(l.Up) - 1
	was := last >= 0 && l.Up[last].To == stillUp
	switch {
	case up && !was:
		l.Up = append(l.Up, Span{now, stillUp})
	case !up && was:
		l.Up[last].To = now
	}
}

// take ends the record, and returns it.
func (r *recorder) take(now time.Duration) *Record {
	if r == nil {
		return nil
	}
	r.timer.Stop()
	out := r.Record
	out.Lives = slices.Clone(out.Lives)
	for i := range out.Lives {
		out.Lives[i].notice(now, false)
	}
	return &out
}

// Whole is a Result with what its own JSON leaves out: an engine that runs elsewhere hands it over so.
type Whole struct {
	Result
	Events []Event `json:"events"`
	Record *Record `json:"record,omitempty"`
}

// Whole returns r for its JSON.
func (r Result) Whole() Whole { return Whole{r, r.Events, r.Record} }

// Unpack returns the Result that was handed over.
func (w Whole) Unpack() Result {
	w.Result.Events, w.Result.Record = w.Events, w.Record
	return w.Result
}
