//go:build unix

package process

// What a guard can be for.
const (
	jobRun  = "run"  // a program
	jobFeed = "feed" // a program that has an input
	jobLink = "link" // a link that is to be in place
)
