package simulator

import (
	"selvage/node/api"
	"selvage/simulator/scenario"
)

// told is what nodes have said of blobs before a fault that has them say no more: of how one came, a node that was started anew knows
// nothing.
type told struct {
	before map[string]int64    // by place: bytes that came down the uplink in lives that have ended
	last   map[string]int64    // by place: in the life that goes on, when the node was asked last
	need   map[[2]string]int64 // by place and digest: what was needed of others
}

func newTold() told {
	return told{before: map[string]int64{}, last: map[string]int64{}, need: map[[2]string]int64{}}
}

// hear asks nodes before a fault ends their lives, or has them stand still. One that stands still already, or waits for its disk, has said
// what it had to when it was asked last.
func (t *story) hear(f scenario.Fault) {
	ends := f.Kind == scenario.Crash || f.Kind == scenario.PowerCut || f.Kind == scenario.Restore
	if !ends && f.Kind != scenario.Pause && f.Kind != scenario.Suspend {
		return
	}
	for _, m := range Placed(t.Machines(), f.On) {
		t.told.ask(m)
		if ends {
			t.told.before[Place(m)] += t.told.last[Place(m)]
			delete(t.told.last, Place(m))
		}
	}
}

func (o told) ask(m Machine) {
	n := m.Agent()
	if n == nil {
		return
	}
	o.last[Place(m)] = 0
	for _, b := range n.Holdings() {
		o.last[Place(m)] += b.FromUplinkBytes
		if b.Complete {
			o.need[[2]string{Place(m), b.Digest}] = o.needed(m, b)
		}
	}
}

// came is how many bytes came down the uplink to a machine, in all its lives.
func (o told) came(m Machine) int64 {
	o.ask(m)
	return o.before[Place(m)] + o.last[Place(m)]
}

// needed is what a complete blob took of others when it came.
func (o told) needed(m Machine, b api.Blob) int64 {
	need := b.NeededBytes()
	if before, known := o.need[[2]string{Place(m), b.Digest}]; known {
		return min(before, need)
	}
	return need
}
