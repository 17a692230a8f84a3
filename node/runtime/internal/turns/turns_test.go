package turns

import (
	"context"
	"errors"
	"strings"
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
	ended := 0
	if err := table.Close(t.Context(), func(*int) error { ended++; return nil }); err != nil || ended != 1 {
		t.Errorf("%d ended, %v", ended, err)
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

// What runs is ended though a call for another deployment takes long, and though there is no time left.
func TestCloseWaitsForNoOther(t *testing.T) {
	for name, ends := range map[string]bool{"time left": false, "none left": true} {
		t.Run(name, func(t *testing.T) {
			var table Table[string]
			held := take(t, &table, "held")
			for _, name := range []string{"a", "b", "c", "d"} {
				row := take(t, &table, name)
				row.Instance = &name
				row.Give()
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if ends {
				cancel()
			}
			ended, closed := make(chan string, 5), make(chan error)
			go func() {
				closed <- table.Close(ctx, func(name *string) error { ended <- *name; return errors.New(*name) })
			}()
			for range 4 {
				<-ended
			}
			if !ends {
				held.Give()
			}
			if err := <-closed; errors.Is(err, context.Canceled) != ends || !strings.Contains(err.Error(), "a") || len(ended) > 0 {
				t.Errorf("Close = %v; %d more ended", err, len(ended))
			}
		})
	}
}

func take[T any](t *testing.T, table *Table[T], deployment string) *Row[T] {
	t.Helper()
	row, err := table.Take(t.Context(), deployment)
	if err != nil {
		t.Fatal(err)
	}
	return row
}
