package simulator

import (
	"selvage/node/api"
	"selvage/simulator/scenario"
)

// told is what nodes have said of blobs before a fault that has them say no more: of how one came, a node that was started anew knows
// nothing.
type told struct {
	before map[string]came     // by place: in lives that have ended
	last   map[string]came     // by place: in the life that goes on, when the node was asked last
	need   map[[2]string]int64 // by place and digest: what was needed of others
}

// came is how many bytes of each blob came to a node, by digest.
type came map[string]api.Blob

func newTold() told {
	return told{before: map[string]came{}, last: map[string]came{}, need: map[[2]string]int64{}}
}

// plus returns both.
func (c came) plus(more came) came {
	sum := came{}
	for _, part := range []came{c, more} {
		for digest, b := range part {
			b.FromUplinkBytes += sum[digest].FromUplinkBytes
			b.FromMirrorBytes += sum[digest].FromMirrorBytes
			sum[digest] = b
		}
	}
	return sum
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
			t.told.before[Place(m)] = t.told.before[Place(m)].plus(t.told.last[Place(m)])
			delete(t.told.last, Place(m))
		}
	}
}

func (o told) ask(m Machine) {
	n := m.Agent()
	if n == nil {
		return
	}
	all := came{}
	for _, b := range n.Holdings() {
		all[b.Digest] = b
		if b.Complete {
			o.need[[2]string{Place(m), b.Digest}] = o.needed(m, b)
		}
	}
	o.last[Place(m)] = all
}

// came is what came to a machine, in all its lives.
func (o told) came(m Machine) came {
	o.ask(m)
	return o.before[Place(m)].plus(o.last[Place(m)])
}

// needed is what a complete blob took of others when it came.
func (o told) needed(m Machine, b api.Blob) int64 {
	need := b.NeededBytes()
	if before, known := o.need[[2]string{Place(m), b.Digest}]; known {
		return min(before, need)
	}
	return need
}
