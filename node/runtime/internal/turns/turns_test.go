package turns

import (
	"context"
	"errors"
	"sync"
	"testing"
)

func TestOneAtATime(t *testing.T) {
	var table Table[int]
	var group sync.WaitGroup
	count := 0 // the race detector tells if two hold the row at once
	for range 50 {
		group.Go(func() {
			row, err := table.Take(t.Context(), "a")
			if err != nil {
				t.Error(err)
				return
			}
			count++
			row.Give()
		})
	}
	group.Wait()
	if count != 50 || len(table.rows) != 0 {
		t.Errorf("%d turns, %d rows left, want 50 and none", count, len(table.rows))
	}
}

func TestWaitingEnds(t *testing.T) {
	var table Table[int]
	row, err := table.Take(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := table.Take(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Take of a held row: %v", err)
	}
	other, err := table.Take(ctx, "b")
	if err == nil { // which of two ready cases a select takes is open
		other.Give()
	}
	row.Instance = new(int)
	row.Give()
	all, err := table.Close(t.Context())
	if err != nil || len(all) != 1 {
		t.Errorf("Close = %v, %v", all, err)
	}
	if _, err := table.Take(t.Context(), "a"); !errors.Is(err, ErrClosed) {
		t.Errorf("Take after Close: %v", err)
	}
	row.Retake()
	row.Instance = nil
	row.Give()
	if len(table.rows) != 0 {
		t.Error("an empty row is left")
	}
}
