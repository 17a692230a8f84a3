package lease

import (
	"testing"
	"time"
)

func TestModels(t *testing.T) {
	for _, m := range []model{
		{name: "2v2p", nodes: 2, voters: 2, proposers: []int{0, 1}, rates: []time.Duration{slow, fast}, ticks: 4, counter: 3, rounds: 2, crashes: 1},
		{name: "3v2p", nodes: 3, voters: 3, proposers: []int{0, 1}, rates: []time.Duration{slow, fast, fast}, ticks: 3, counter: 2, rounds: 1},
		{name: "3v2pc", nodes: 3, voters: 3, proposers: []int{0, 1}, rates: []time.Duration{slow, fast, fast}, ticks: 2, counter: 2, rounds: 1, crashes: 1},
		{name: "3v2pcq", nodes: 3, voters: 3, proposers: []int{0, 1}, rates: []time.Duration{slow, fast, fast}, ticks: 2, counter: 2, rounds: 1, crashes: 1, quiet: true},
	} {
		begin := time.Now()
		c := newChecker(m, 2_000_000)
		v := c.run()
		t.Logf("%s: %v; machines %d memo %d msgs %d %v", m.name, v, len(c.machines.all), len(c.memo), len(c.messages.all), time.Since(begin))
	}
}
