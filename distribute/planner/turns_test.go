package planner

import (
	"testing"

	"pgregory.net/rapid"
)

// The set is held against a map.
func TestTurns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{1, 63, 64, 65, 200, 5000, 9000}).Draw(t, "turns")
		a, b := newTurns(n), newTurns(n)
		in := [2]map[int]bool{{}, {}}
		for k, s := range []*turns{&a, &b} {
			for range rapid.IntRange(0, 40).Draw(t, "changes") {
				// close to each other, so that both sets have some
				at, on := min(n-1, 61*rapid.IntRange(0, 1+n/61).Draw(t, "turn")), rapid.IntRange(0, 3).Draw(t, "out") > 0
				s.set(at, on)
				in[k][at] = on
			}
			for at, on := range in[k] {
				if s.has(at) != on {
					t.Fatalf("has(%d) is not %v", at, on)
				}
			}
		}
		k := rapid.IntRange(-1, n).Draw(t, "from")
		first, last := [2]int{-1, -1}, [2]int{-1, -1} // of a, of both
		count := 0
		for at := range n {
			for both, ok := range []bool{in[0][at], in[0][at] && in[1][at]} {
				if ok && at >= k && first[both] < 0 {
					first[both] = at
				}
				if ok && at <= k {
					last[both] = at
				}
			}
			if in[0][at] {
				count++
			}
		}
		if a.n != count {
			t.Fatalf("counts %d of %d", a.n, count)
		}
		if k >= 0 {
			if got := [2]int{a.next(nil, k), a.next(&b, k)}; got != first {
				t.Fatalf("next from %d: %v, not %v", k, got, first)
			}
		}
		if k < n {
			if got := [2]int{a.last(nil, k), a.last(&b, k)}; got != last {
				t.Fatalf("last to %d: %v, not %v", k, got, last)
			}
		}
	})
}

func TestCountOfRun(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "numbers")
		b, first := newBitset(n), rapid.IntRange(0, n-1).Draw(t, "first")
		r := Run{first, rapid.IntRange(0, n-first).Draw(t, "count")}
		want := 0
		for k := range n {
			if rapid.Bool().Draw(t, "in") {
				b.flip(k)
				want += kindOf(r.First <= k && k < r.First+r.Count)
			}
		}
		if got := b.count(r); got != want {
			t.Fatalf("%d of %v, not %d", got, r, want)
		}
	})
}
