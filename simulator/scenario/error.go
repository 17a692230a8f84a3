package scenario

import (
	"fmt"
	"strings"
)

// maxProblems bounds the problems that one Error lists; it says how many more there are.
const maxProblems = 100

// Error is what Parse returns for a scenario that is wrong: all that is wrong, each with its place.
type Error struct {
	File     string
	Problems []Problem
}

// Problem is one thing wrong. Line counts from 1; 0 means that the file as a whole is meant.
type Problem struct {
	Line  int    `json:"line"`
	Field string `json:"field,omitempty"` // its path, like "faults[2].cut.from"
	Text  string `json:"text"`
}

// Error gives one line a problem, each beginning with FILE:LINE.
func (e *Error) Error() string {
	shown := e.Problems[:min(len(e.Problems), maxProblems)]
	lines := make([]string, len(shown))
	for i, p := range shown {
		place := e.File
		if p.Line > 0 {
			place = fmt.Sprintf("%s:%d", e.File, p.Line)
		}
		if p.Field != "" {
			place += ": " + p.Field
		}
		lines[i] = place + ": " + p.Text
	}
	if more := len(e.Problems) - len(shown); more > 0 {
		lines = append(lines, fmt.Sprintf("%s: and %d more problems", e.File, more))
	}
	return strings.Join(lines, "\n")
}
