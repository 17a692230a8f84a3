// Package turns has calls for one deployment wait for each other, and calls for different
// ones not.
package turns

import (
	"context"
	"errors"
	"sync"
)

// ErrClosed says that the driver has been closed.
var ErrClosed = errors.New("driver is closed")

// Table holds the instance of each deployment. The zero value is empty and ready.
type Table[T any] struct {
	mu     sync.Mutex
	rows   map[string]*Row[T]
	closed bool
}

// Row is one deployment's place in the table. Its holder, from Take to Give, may read and set
// the exported fields.
type Row[T any] struct {
	Instance *T     // what runs, or ran last; nil if nothing did
	Previous string // slot that was in use before the one in use; "" if not known

	table *Table[T]
	name  string
	turn  chan struct{} // capacity 1: whoever has put the token in holds the row
	users int           // holders and waiters; guarded by table.mu
}

// Take waits until no other call holds the deployment, and takes it.
func (t *Table[T]) Take(ctx context.Context, deployment string) (*Row[T], error) {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil, ErrClosed
	}
	row := t.rows[deployment]
	if row == nil {
		row = &Row[T]{table: t, name: deployment, turn: make(chan struct{}, 1)}
		if t.rows == nil {
			t.rows = make(map[string]*Row[T])
		}
		t.rows[deployment] = row
	}
	row.users++
	t.mu.Unlock()
	select {
	case row.turn <- struct{}{}:
		return row, nil
	case <-ctx.Done():
		t.mu.Lock()
		defer t.mu.Unlock()
		row.leave()
		return nil, ctx.Err()
	}
}

// Retake waits for the row again, whether the table is closed or not: for ending the instance
// in it. The row may have been emptied or filled anew meanwhile.
func (r *Row[T]) Retake() {
	r.table.mu.Lock()
	r.users++
	r.table.mu.Unlock()
	r.turn <- struct{}{}
}

// Give lets the next call have the row.
func (r *Row[T]) Give() {
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	<-r.turn
	r.leave()
}

// leave forgets a row that is empty and that nobody holds or waits for, so that the table stays
// as small as what runs. Its caller holds the table's lock, and no longer the row.
func (r *Row[T]) leave() {
	r.users--
	if r.users == 0 && r.Instance == nil && r.table.rows[r.name] == r {
		delete(r.table.rows, r.name)
	}
}

// Close makes every later Take fail, and ends each instance as soon as its row is given back, whatever others do. It waits for that; rows that are
// not given back before ctx ends are left, and its error is returned, joined with those of end. That is called from several goroutines.
func (t *Table[T]) Close(ctx context.Context, end func(*T) error) error {
	t.mu.Lock()
	t.closed = true
	rows := make([]*Row[T], 0, len(t.rows))
	for _, r := range t.rows {
		rows = append(rows, r)
	}
	t.mu.Unlock()
	errs := make(chan error, len(rows))
	for _, r := range rows {
		go func() { errs <- r.close(ctx, end) }()
	}
	var all error
	for range rows {
		all = errors.Join(all, <-errs)
	}
	return all
}

func (r *Row[T]) close(ctx context.Context, end func(*T) error) error {
	select {
	case r.turn <- struct{}{}: // though ctx has ended
	default:
		select {
		case r.turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	instance := r.Instance
	<-r.turn
	if instance == nil {
		return nil
	}
	return end(instance)
}
