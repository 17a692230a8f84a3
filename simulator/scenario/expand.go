package scenario

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

const (
	// tries bounds how often another fault is drawn instead of one that has no room.
	tries = 8
	// maxRandomJump and maxRandomDrift bound the clocks that are drawn.
	maxRandomJump  = 12 * time.Hour
	maxRandomDrift = 500 // ppm
	// minRandomSync and maxRandomSync are those of a disk that is worn, or shared with others.
	minRandomSync = 20 * time.Millisecond
	maxRandomSync = 2 * time.Second
)

// Expand draws the Random faults and returns the scenario with them among its Faults, and with
// no Random. It is the same for ever for the same scenario and seed, on every machine: it takes
// whole numbers from ChaCha8 and does no more than whole arithmetic with them. Each Random has a
// stream of its own.
//
// What is drawn keeps the scenario valid. Nothing is stopped that is down then; nothing is stopped, stands still or has a full disk
// that a person works at; no two faults of one kind overlap at one place; all are over at Before with MaxFor
// after it. A fault that finds no room is left out. There are at most MaxFaults in all.
func (s Scenario) Expand() Scenario {
	s = s.clone()
	d := &drawer{s: s, roster: s.roster(), taken: map[string][]span{}}
	d.reserve()
	for i, r := range s.Random {
		d.stream = rand.NewChaCha8(streamKey(s.Seed, i))
		d.draw(r)
	}
	s.Faults, s.Random = append(s.Faults, d.drawn...), nil
	return s.sorted()
}

// streamKey is the seed, then the number of the stream, both little endian, then zeros.
func streamKey(seed uint64, stream int) (key [32]byte) {
	binary.LittleEndian.PutUint64(key[:], seed)
	binary.LittleEndian.PutUint64(key[8:], uint64(stream))
	return key
}

// span is a time that something lasts, its end included.
type span struct{ from, to time.Duration }

type drawer struct {
	s Scenario
	roster
	stream *rand.ChaCha8
	// taken are the times at which a place has no room for another fault of a kind, by kind and
	// place. A site's own are under its name, and those of its nodes also under its name with "/*".
	taken map[string][]span
	drawn []Fault
}

// below draws a number from 0 to n-1, each as likely (Lemire, "Fast Random Integer Generation in
// an Interval", 2019).
func (d *drawer) below(n int64) int64 {
	for {
		high, low := bits.Mul64(d.stream.Uint64(), uint64(n))
		if low >= uint64(n) || low >= -uint64(n)%uint64(n) {
			return int64(high)
		}
	}
}

// between draws a time from least to most, in whole milliseconds above least.
func (d *drawer) between(least, most time.Duration) time.Duration {
	return least + time.Duration(d.below(int64((most-least)/time.Millisecond)+1))*time.Millisecond
}

// reserve takes the times of what the scenario says itself.
func (d *drawer) reserve() {
	for i := range d.s.Faults {
		d.take(&d.s.Faults[i])
	}
	for _, w := range d.s.Work {
		node := w.worksAt()
		if node == "" {
			continue
		}
		for _, class := range []string{downKind, string(Pause), string(Suspend), string(DiskFull)} {
			d.hold(class, node, span{w.At, w.At})
		}
	}
}

// worksAt is the node that has to answer, and to write, for the work to be done; "" where none has.
func (w *Work) worksAt() string {
	switch {
	case w.Seed != nil:
		return w.Seed.From
	case w.Deploy != nil:
		return w.Deploy.From
	case w.Charter != nil:
		return w.Charter.From
	case w.Revoke != nil:
		return w.Revoke.From
	case w.Witness != nil:
		return w.Witness.From
	case w.Issuer != nil:
		return w.Issuer.From
	case w.Mirror != nil:
		return w.Mirror.Of
	}
	return ""
}

// downKind stands for the kinds that stop a node, of which one at a time is enough.
const downKind = "down"

func class(k FaultKind) string {
	if k == Crash || k == PowerCut || k == Restore {
		return downKind
	}
	return string(k)
}

func (d *drawer) hold(class, place string, t span) {
	d.taken[class+" "+place] = append(d.taken[class+" "+place], t)
	if site := siteOf(place); site != place {
		d.taken[class+" "+site+"/*"] = append(d.taken[class+" "+site+"/*"], t)
	}
}

func (d *drawer) take(f *Fault) {
	t := span{f.At, f.At + f.For}
	if f.For == 0 && f.Kind != Restore {
		t.to = MaxDuration
	}
	for _, place := range f.places() {
		d.hold(class(f.Kind), place, t)
	}
}

// places are what a fault needs for itself.
func (f *Fault) places() []string {
	switch f.Kind {
	case Partition:
		return []string{""} // two of them would make a third, which nobody asked for
	case Cut:
		return []string{f.From + ">" + f.To}
	}
	return []string{f.On}
}

// free reports whether a fault has room.
func (d *drawer) free(f *Fault) bool {
	t := span{f.At, f.At + f.For}
	for _, place := range f.places() {
		for _, key := range []string{place, siteOf(place), place + "/*"} {
			for _, other := range d.taken[class(f.Kind)+" "+key] {
				if t.from <= other.to && other.from <= t.to {
					return false
				}
			}
		}
	}
	return true
}

// draw draws the faults of one Random. From one to the next it is nought to twice Every, each as likely.
func (d *drawer) draw(r Random) {
	at := r.After
	for len(d.s.Faults)+len(d.drawn) < MaxFaults {
		at += max(d.between(0, 2*r.Every), time.Millisecond)
		if at >= r.Before {
			return
		}
		for range tries {
			f := Fault{At: at, For: d.between(r.MinFor, r.MaxFor), Kind: r.Kinds[d.below(int64(len(r.Kinds)))]}
			if d.aim(r, &f) && d.free(&f) {
				d.take(&f)
				d.drawn = append(d.drawn, f)
				break
			}
		}
	}
}

// aim draws what a fault is about, and reports whether there is anything.
func (d *drawer) aim(r Random, f *Fault) bool {
	if f.Kind == Partition {
		return d.part(r, f)
	}
	on, ok := d.target(r, f.At)
	if !ok {
		return false
	}
	if f.Kind == Cut {
		return d.cut(on, f)
	}
	f.On = on
	if f.Kind != Isolate && f.Kind != PowerCut {
		nodes := d.nodes(on, f.At)
		f.On = nodes[d.below(int64(len(nodes)))]
	}
	switch f.Kind {
	case Clock:
		f.Jump = d.between(-maxRandomJump, maxRandomJump)
		f.Drift = float64(d.below(2*maxRandomDrift)+1-maxRandomDrift) / 1e6
		if f.Jump == 0 && f.Drift == 0 {
			f.Jump = time.Second
		}
	case SlowDisk:
		f.Sync = d.between(minRandomSync, maxRandomSync)
	case Restore:
		f.Backup = d.between(d.joins[f.On], f.At)
	}
	return true
}

// target draws one of the places that are there.
func (d *drawer) target(r Random, at time.Duration) (string, bool) {
	var there []string
	for _, place := range r.On {
		if d.missing(place, at) == "" {
			there = append(there, place)
		}
	}
	if len(r.On) == 0 {
		for _, site := range d.names {
			there = append(there, d.nodes(site, at)...)
		}
	}
	if len(there) == 0 {
		return "", false
	}
	return there[d.below(int64(len(there)))], true
}

// cut draws the other end, a site for a site and a node for a node, and the direction.
func (d *drawer) cut(on string, f *Fault) bool {
	var others []string
	for _, site := range d.names {
		if !strings.Contains(on, "/") {
			others = append(others, site)
			continue
		}
		others = append(others, d.nodes(site, f.At)...)
	}
	others = slices.DeleteFunc(others, func(place string) bool { return place == on })
	if len(others) == 0 {
		return false
	}
	f.From, f.To = on, others[d.below(int64(len(others)))]
	if d.below(2) == 0 {
		f.From, f.To = f.To, f.From
	}
	return true
}

// part draws two sets of the places that are there.
func (d *drawer) part(r Random, f *Fault) bool {
	sides := slices.DeleteFunc(slices.Clone(d.sides(r)), func(place string) bool { return d.missing(place, f.At) != "" })
	if len(sides) < 2 {
		return false
	}
	for i := range sides {
		j := i + int(d.below(int64(len(sides)-i)))
		sides[i], sides[j] = sides[j], sides[i]
	}
	n := 1 + int(d.below(int64(len(sides)-1)))
	f.Groups = [][]string{slices.Sorted(slices.Values(sides[:n])), slices.Sorted(slices.Values(sides[n:]))}
	return true
}
