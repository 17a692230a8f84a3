package main

import (
	"slices"
	"strings"
)

// short cuts a digest to what is enough to tell it from others by eye.
func short(digest string) string { return digest[:min(12, len(digest))] }

func shortAll(digests []string) []string {
	out := make([]string, len(digests))
	for i, d := range digests {
		out[i] = short(d)
	}
	return out
}

func sortedJoin(words []string) string {
	return strings.Join(slices.Sorted(slices.Values(words)), " ")
}
