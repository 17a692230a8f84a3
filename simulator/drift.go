package simulator

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"selvage/simulator/scenario"
)

// mostDrift is by how much some node's clock drifts at most, in parts of 1e9. The drifts of faults that overlap at a node add up, those of
// its site among them.
func mostDrift(faults []scenario.Fault) int64 {
	type turn struct {
		at    time.Duration
		on    string
		drift int64
	}
	var turns []turn
	for _, f := range faults {
		drift := int64(math.Round(f.Drift * 1e9))
		if drift == 0 {
			continue
		}
		turns = append(turns, turn{f.At, f.On, drift})
		if f.For > 0 {
			turns = append(turns, turn{f.At + f.For, f.On, -drift})
		}
	}
	slices.SortStableFunc(turns, func(a, b turn) int { return cmp.Compare(a.at, b.at) })
	sites, nodes, most := map[string]int64{}, map[string]map[string]int64{}, int64(0) // nodes by site
	for i, c := range turns {
		site, node, inner := strings.Cut(c.on, "/")
		if nodes[site] == nil {
			nodes[site] = map[string]int64{"": 0} // any other than those with faults of their own
		}
		if inner {
			nodes[site][node] += c.drift
		} else {
			sites[site] += c.drift
		}
		if i+1 < len(turns) && turns[i+1].at == c.at {
			continue // what ends then, and what begins, do not overlap
		}
		for site := range nodes {
			for _, own := range nodes[site] {
				most = max(most, sites[site]+own, -sites[site]-own)
			}
		}
	}
	return most
}
