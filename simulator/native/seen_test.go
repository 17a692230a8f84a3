package native

import (
	"testing"
	"testing/synctest"
	"time"

	"selvage/node"
	"selvage/node/api"
)

// What a node said is believed at the moment when it was asked, and at no other.
func TestSeenAtOneMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, asked := new(node.Node), 0
		s := &seen{Node: n, at: time.Now(), settled: 1}
		for range 2 {
			s.nodes.of(func() []api.Node { asked++; return nil })
		}
		if !s.of(n, 1) || asked != 1 {
			t.Errorf("it was asked %d times at one moment", asked)
		}
		if (*seen)(nil).of(n, 1) || s.of(n, 2) || s.of(new(node.Node), 1) {
			t.Error("it holds after more has happened, or of another node")
		}
		time.Sleep(time.Nanosecond)
		if s.of(n, 1) {
			t.Error("it holds at a later time")
		}
	})
}
