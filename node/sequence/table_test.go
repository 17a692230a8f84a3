package sequence

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"selvage/internal/ident"
)

// TestNeverMoreThanTheBound: nodes ask, change, finish, fall silent and come back while leaders that hear of all of them
// follow each other. No more than the bound change at once, and in the end all have changed.
func TestNeverMoreThanTheBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes, bound := rapid.IntRange(1, 6).Draw(t, "nodes"), rapid.IntRange(1, 3).Draw(t, "bound")
		const waiting, changing, done = 0, 1, 2
		state, left := make([]int, nodes), make([]int, nodes)
		var leader Table
		now := time.Duration(0)
		leader.Lead(now)
		for range 2000 {
			now += AskEvery
			if rapid.IntRange(0, 99).Draw(t, "the leader dies") == 0 {
				leader = Table{}
				leader.Lead(now)
			}
			for _, i := range rapid.Permutation(numbers(nodes)).Draw(t, "order") {
				c := Claim{Deployment: "app", Max: bound, Changing: state[i] == changing, Done: state[i] == done}
				if state[i] == changing {
					if left[i]--; left[i] == 0 {
						state[i], c.Changing, c.Done = done, false, true
					}
				}
				a := leader.Ask(now, ident.NodeID{byte(i)}, c)
				if state[i] == changing && !a.Go {
					t.Fatal("a node that changes is told to wait")
				}
				if state[i] == waiting && a.Go {
					state[i], left[i] = changing, rapid.IntRange(1, 5).Draw(t, "takes")
				}
			}
			if n := count(state, changing); n > bound {
				t.Fatalf("%d change at once", n)
			}
			if count(state, done) == nodes {
				return
			}
		}
		t.Fatalf("not all have changed: %v", state)
	})
}

func numbers(n int) (out []int) {
	for i := range n {
		out = append(out, i)
	}
	return out
}

func count(all []int, what int) int {
	return len(slices.DeleteFunc(slices.Clone(all), func(x int) bool { return x != what }))
}

func TestTurns(t *testing.T) {
	a, b := ident.NodeID{1}, ident.NodeID{2}
	app := Claim{Deployment: "app", Max: 1}
	var table Table
	table.Lead(time.Minute)
	if got := table.Ask(time.Minute+Settle-1, a, app); got.Go {
		t.Error("a new leader gives a turn before it can know of others")
	}
	now := time.Minute + Settle
	if got := table.Ask(now, a, app); !got.Go {
		t.Error("nobody changes, and a has to wait")
	}
	if got := table.Ask(now, b, app); got.Go || !slices.Equal(got.Ahead, []ident.NodeID{a}) {
		t.Errorf("a changes, and b is told %+v", got)
	}
	if got := table.Ask(now, b, Claim{Deployment: "other", Max: 1}); !got.Go {
		t.Error("deployments wait for each other")
	}
	if got := table.Ask(now+Forget+1, b, app); !got.Go {
		t.Error("who is not heard of keeps others waiting")
	}
	done := app
	done.Done = true
	table.Ask(now+Forget+1, b, done)
	if got := table.Ask(now+Forget+1, a, app); !got.Go {
		t.Error("a turn that was given back is not given on")
	}
}

func TestPatience(t *testing.T) {
	c := Claim{Max: 2}
	if p0, p1, p2 := Patience(0, c, time.Minute), Patience(1, c, time.Minute), Patience(2, c, time.Minute); p0 != lonely || p1 != p0 || p2 != p0+time.Minute {
		t.Errorf("%v, %v, %v", p0, p1, p2)
	}
}

// A node that makes up deployments does not take the room of others.
func TestManyTurnsOfOne(t *testing.T) {
	liar, honest := ident.NodeID{1}, ident.NodeID{2}
	var table Table
	for i := range maxTurns {
		table.Ask(Settle, liar, Claim{Deployment: fmt.Sprint("app", i), Max: 1})
	}
	if got := table.Ask(Settle, honest, Claim{Deployment: "till", Max: 1}); !got.Go {
		t.Error("no turn is left")
	}
	if got := table.Ask(Settle, liar, Claim{Deployment: "app0", Max: 1}); !got.Go {
		t.Error("who has a turn lost it")
	}
}

// TestTurnIsOfAVersion: that a node has done with a version, which is heard late, does not end the turn that it has for the next.
func TestTurnIsOfAVersion(t *testing.T) {
	a, b := ident.NodeID{1}, ident.NodeID{2}
	of := func(statement string) Claim { return Claim{Deployment: "app", Statement: statement, Max: 1} }
	done := of("v2")
	done.Done = true
	var table Table
	now := Settle
	if got := table.Ask(now, a, of("v2")); !got.Go {
		t.Fatal("nobody changes, and a has to wait")
	}
	if got := table.Ask(now, a, of("v3")); !got.Go {
		t.Error("who changes already has to wait for itself")
	}
	table.Ask(now, a, done)
	if got := table.Ask(now, b, of("v3")); got.Go || !slices.Equal(got.Ahead, []ident.NodeID{a}) {
		t.Errorf("a changes to v3, and b is told %+v", got)
	}
	done.Statement = "v3"
	table.Ask(now, a, done)
	if got := table.Ask(now, b, of("v3")); !got.Go {
		t.Errorf("nobody changes, and b is told %+v", got)
	}
}

// TestLongPatience: a version that may take years to prove itself does not have nodes go by themselves at once.
func TestLongPatience(t *testing.T) {
	for _, proof := range []time.Duration{1 << 62, 1<<63 - 1, -1 << 63} { // the last: a sum that was too much
		if p := Patience(7, Claim{Max: 2}, proof); p < lonely {
			t.Errorf("%v with a proof of %v", p, proof)
		}
	}
}
