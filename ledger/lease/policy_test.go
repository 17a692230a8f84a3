package lease

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPropose(t *testing.T) {
	up := func(of ...int) (ms []Member) {
		for _, i := range of {
			ms = append(ms, Member{Node: nodeID(i)})
		}
		return ms
	}
	silent := func(i int, d time.Duration) Member { return Member{Node: nodeID(i), Silent: d} }
	witness := Member{Node: nodeID(8), Witness: true}
	for _, c := range []struct {
		name    string
		voters  []Voter
		members []Member
		want    []Voter
	}{
		{"a founder alone", voters(0), up(0), nil},
		{"two nodes: the founder leads or nobody does", voters(0), up(0, 1), nil},
		{"two nodes and a witness", voters(0), append(up(0, 1), witness), voters(0, 1)},
		{"the witness comes last", voters(0, 1), append(up(0, 1), witness), append(voters(0, 1), Voter{nodeID(8), true})},
		{"no witness where there are enough", voters(0), append([]Member{witness}, up(0, 1, 2)...), voters(0, 1)},
		{"a witness that is sent away goes though an even number stays", append(voters(0, 1), Voter{nodeID(8), true}), up(0, 1), voters(0, 1)},
		{"two voters, and no third: one is better", voters(0, 1), up(0, 1), voters(0)},
		{"two voters, and the third is silent", voters(0, 1), append(up(0, 1), silent(2, time.Second)), voters(0)},
		{"a witness that is silent stays", append(voters(0, 1), Voter{nodeID(8), true}), append(up(0, 1), Member{Node: nodeID(8), Witness: true, Silent: Gone}), nil},
		{"the second of two", voters(0, 1), up(0, 1, 2), voters(0, 1, 2)},
		{"three of four stay", voters(0, 1, 2), up(0, 1, 2, 3), nil},
		{"three of five grow", voters(0, 1, 2), up(0, 1, 2, 3, 4), voters(0, 1, 2, 3)},
		{"five stay", voters(0, 1, 2, 3, 4), up(0, 1, 2, 3, 4, 5, 6), nil},
		{"silent for an hour", voters(0, 1, 2), append(up(0, 1, 3), silent(2, time.Hour)), nil},
		{"gone: the successor comes first", voters(0, 1, 2), append(up(0, 1, 3), silent(2, Gone)), voters(0, 1, 2, 3)},
		{"gone: and then it goes", voters(0, 1, 2, 3), append(up(0, 1, 3), silent(2, Gone)), voters(0, 1, 3)},
		{"gone, and nobody to succeed it", voters(0, 1, 2), append(up(0, 1), silent(2, Gone)), nil},
		{"no member any more", voters(0, 1, 2, 3), up(0, 1, 3), voters(0, 1, 3)},
		{"two of five gone, no successor", voters(0, 1, 2, 3, 4), append(up(0, 1, 2), silent(3, Gone), silent(4, Gone)), voters(0, 1, 2, 4)},
		{"the holder never goes", voters(0, 1), []Member{silent(0, Gone), {Node: nodeID(1)}}, voters(0)},
	} {
		got, ok := Propose(Config{Epoch: 3, Voters: c.voters}, nodeID(0), c.members)
		want := Config{Epoch: 4, Voters: c.want}
		if ok != (c.want != nil) || ok && !want.equal(Config{Epoch: 4, Voters: got}) {
			t.Errorf("%s: %v, %v", c.name, got, ok)
		}
	}
}

// TestProposeSettles: what is proposed is allowed, and after a few changes there is nothing left to change.
func TestProposeSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Found(nodeID(0))
		members := []Member{{Node: nodeID(0)}}
		for i := range rapid.IntRange(0, 8).Draw(t, "members") {
			silence := rapid.SampledFrom([]time.Duration{0, 0, time.Hour, Gone}).Draw(t, "silent")
			members = append(members, Member{nodeID(i + 1), rapid.Bool().Draw(t, "witness"), silence})
		}
		for range 20 {
			next, ok := Propose(c, nodeID(0), members)
			if !ok {
				return
			}
			if err := c.checkNext(next); err != nil {
				t.Fatal(err)
			}
			c = c.next(next)
			if i := rapid.IntRange(1, 40).Draw(t, "dies"); i < len(members) {
				members[i].Silent = Gone
			}
		}
		if _, ok := Propose(c, nodeID(0), members); ok {
			t.Fatalf("no end: %v", c)
		}
	})
}
