package scenario

import (
	"fmt"
	"slices"
	"strings"
)

// maxListed bounds how many known names a hint lists where none is near.
const maxListed = 12

// hint says what may have been meant by a name that is not known: the nearest of the known
// ones, or else what they are.
func hint(name string, known []string) string {
	if len(known) == 0 {
		return "there are none"
	}
	near, least := "", 1+max(1, len(name)/3)
	for _, k := range known {
		if d := distance(name, k, least); d < least {
			near, least = k, d
		}
	}
	if near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	if len(known) > maxListed {
		return fmt.Sprintf("known are %s and %d more", strings.Join(known[:maxListed], ", "), len(known)-maxListed)
	}
	return "known are " + strings.Join(known, ", ")
}

// distance counts the characters to add, drop, replace or swap with their neighbour to get from a
// to b (optimal string alignment); it gives limit where it is at least that.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last := []int(nil), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+differ(a[i-1], b[j-1]))
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		if slices.Min(row) >= limit {
			return limit
		}
		before, last = last, row
	}
	return min(last[len(b)], limit)
}

func differ(a, b byte) int {
	if a == b {
		return 0
	}
	return 1
}
