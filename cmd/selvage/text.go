package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// plain is a text of which nobody knows who wrote it, as one line that does nothing to a terminal: what a workload printed comes from other
// machines.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

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

// count writes how many of a thing there are: "1 blob", "2 blobs". Of a part of some ("1 of 3 targets") the noun is what the whole is, and stays.
func count[N int | int64 | uint64](n N, noun string) string {
	return fmt.Sprintf("%d %s", n, agree(n, noun, noun+"s"))
}

// agree picks the word that goes with a number.
func agree[N int | int64 | uint64](n N, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// singular is the word for one of the things that a noun lists.
func singular(nouns string) string {
	if s, ok := strings.CutSuffix(nouns, "ies"); ok {
		return s + "y"
	}
	return strings.TrimSuffix(nouns, "s")
}
