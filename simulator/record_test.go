package simulator

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// TestSeriesAreThinned: however many samples are taken and whenever nodes come, all series are as long as At, are no
// more than maxSamples, hold what was measured, begin with the first sample, and are spread evenly.
func TestSeriesAreThinned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples := rapid.IntRange(1, 6000).Draw(t, "samples")
		comes := rapid.SliceOfN(rapid.IntRange(0, samples), 0, 3).Draw(t, "comes") // when nodes come, by sample
		slices.Sort(comes)
		var s Series
		at, every := time.Duration(0), time.Second
		for range samples {
			if s.begin(at) {
				every *= 2
			}
			s.site(0, "a", int64(at), 2*int64(at))
			for i, k := range comes {
				if int64(at/time.Second) >= int64(k) {
					s.node(i, "a/n", int64(at))
				}
			}
			at += every
		}
		n := len(s.At)
		if n > maxSamples || n < min(samples, maxSamples/2) || s.At[0] != 0 {
			t.Fatalf("%d of %d samples, the first at %s", n, samples, s.At[0])
		}
		for i, at := range s.At {
			if s.Sites[0].Down[i] != int64(at) || s.Sites[0].Up[i] != 2*int64(at) {
				t.Fatalf("sample %d at %s has %d", i, at, s.Sites[0].Down[i])
			}
			if i > 0 && (at <= s.At[i-1] || at-s.At[i-1] > 2*every) {
				t.Fatalf("samples at %s and %s, now one each %s", s.At[i-1], at, every)
			}
			for _, node := range s.Nodes {
				if len(node.Held) != n || node.Held[i] != int64(at) && node.Held[i] != 0 {
					t.Fatalf("%d of %d samples of a node, %d at %s", len(node.Held), n, node.Held[i], at)
				}
			}
		}
	})
}

func TestLife(t *testing.T) {
	var l Life
	for at, up := range []bool{false, true, true, false, false, true, false} {
		l.notice(time.Duration(at), up)
	}
	if want := []Span{{1, 3}, {5, 6}}; !slices.Equal(l.Up, want) {
		t.Errorf("%v, want %v", l.Up, want)
	}
}

// TestWholeIsHandedOver: what an engine elsewhere recorded comes through JSON as it was.
func TestWholeIsHandedOver(t *testing.T) {
	r := Result{OK: true, Scenario: "x", Checks: []Check{{Name: "c", AtSeconds: 2}}, EventsLeftOut: 3, Events: []Event{{At: 1, On: "a/n0", What: "w", Level: "debug", Peer: "p", Bytes: 4}},
		Record: &Record{Window: Span{1, 2}, Lives: []Life{{"a/n0", "a", "a-n0", []Span{{0, 5}}}},
			Series: Series{At: []time.Duration{1}, Sites: []SiteSeries{{"a", []int64{1}, []int64{2}}}, Nodes: []NodeSeries{{"a/n0", []int64{3}}}}}}
	data, err := json.Marshal(r.Whole())
	if err != nil {
		t.Fatal(err)
	}
	var w Whole
	if err := json.Unmarshal(data, &w); err != nil {
		t.Fatal(err)
	}
	if got := w.Unpack(); !reflect.DeepEqual(got, r) {
		t.Errorf("%+v\nwant %+v", got, r)
	}
}

// TestWindow: while it is open, debug is told, and the digest is that of a trace without one.
func TestWindow(t *testing.T) {
	play := func(window Span) (events []Event, sum string) {
		synctest.Test(t, func(*testing.T) {
			trace := NewTrace()
			trace.open(window)
			log := trace.Logger("a/n0").With("node", "x")
			for range 5 {
				log.Debug("said", "peer", "b-n0", "bytes", 7)
				log.Warn("heard")
				time.Sleep(time.Second)
			}
			events, _, sum = trace.take(nil)
		})
		return events, sum
	}
	plain, sum := play(Span{})
	if len(plain) != 5 || plain[0].Level != "warn" {
		t.Errorf("without a window: %+v", plain)
	}
	events, with := play(Span{2 * time.Second, 4 * time.Second})
	var said []Event
	for _, e := range events {
		if e.Level == levelDebug {
			said = append(said, e)
		}
	}
	if len(said) != 2 || said[0].At != 2*time.Second || said[0].Peer != "b-n0" || said[0].Bytes != 7 {
		t.Errorf("in the window: %+v", said)
	}
	if with != sum {
		t.Error("the window changed the digest")
	}
}

// TestDebugIsBounded: what is left out is counted, and leaves room for the story.
func TestDebugIsBounded(t *testing.T) {
	trace := NewTrace()
	trace.open(Span{To: time.Hour})
	for range maxDebug + 10 {
		trace.Add(Event{What: "said", Level: levelDebug})
	}
	trace.Note("", "fault", "x")
	events, lost, _ := trace.take(nil)
	if len(events) != maxDebug+1 || lost.debug != 10 || lost.events != 0 {
		t.Errorf("%d events, %+v left out", len(events), lost)
	}
}
