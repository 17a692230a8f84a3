// Package scenario reads, checks, writes and shrinks the simulator's scenario files.
package scenario
