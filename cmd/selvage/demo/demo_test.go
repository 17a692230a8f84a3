package demo

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
)

// noBar shows nothing.
type noBar struct{}

func (noBar) Show(string) {}
func (noBar) End()        {}

// TestInterruptedLeavesNothing: who ends the demo wants none of it, and is not told where it is.
func TestInterruptedLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	if _, err := Run(ctx, Options{Exe: os.Args[0], Out: io.Discard, Bar: noBar{}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v stays", err, left)
	}
}
