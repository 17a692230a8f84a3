package calendar

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // machines at the edge have no zones of their own

	"github.com/robfig/cron/v3"
)

// Bounds of a window, and how many there can be.
const (
	minOpen    = time.Minute
	maxOpen    = 7 * 24 * time.Hour
	MaxWindows = 16
	maxText    = 200 // bytes
	fields     = 5   // of cron
)

// slip is by how much the clock of a place can be put forward or back, with room to spare.
const slip = 3 * time.Hour

// Window is one window. The zero value is no window.
type Window struct {
	text  string
	opens cron.Schedule
	open  time.Duration
	zone  *time.Location
}

// ParseWindow reads a window.
func ParseWindow(text string) (Window, error) {
	parts := strings.Fields(text)
	if len(text) > maxText || len(parts) < fields+1 || len(parts) > fields+2 {
		return Window{}, errors.New("a window is written MINUTE HOUR DAY MONTH WEEKDAY DURATION [ZONE], like \"0 22 * * 1-5 8h Europe/Berlin\"")
	}
	spec := strings.Join(parts[:fields], " ")
	if strings.ContainsAny(spec, "=@") {
		return Window{}, errors.New("its zone is written last, and it has five fields of cron")
	}
	w := Window{text: strings.Join(parts, " "), zone: time.UTC}
	var err error
	if w.opens, err = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(spec); err != nil {
		return Window{}, err
	}
	if w.open, err = time.ParseDuration(parts[fields]); err != nil || w.open < minOpen || w.open > maxOpen {
		return Window{}, fmt.Errorf("%q is not how long it stays open: from %v to %v", parts[fields], minOpen, maxOpen)
	}
	if len(parts) > fields+1 {
		if w.zone, err = time.LoadLocation(parts[fields+1]); err != nil || w.zone == time.Local {
			return Window{}, fmt.Errorf("no time zone is called %q; one is called Europe/Berlin", parts[fields+1])
		}
	}
	return w, nil
}

// ParseWindows reads some.
func ParseWindows(texts []string) ([]Window, error) {
	if len(texts) > MaxWindows {
		return nil, fmt.Errorf("%d windows, at most %d can be", len(texts), MaxWindows)
	}
	var all []Window
	for _, text := range texts {
		w, err := ParseWindow(text)
		if err != nil {
			return nil, fmt.Errorf("window %q: %w", text, err)
		}
		all = append(all, w)
	}
	return all, nil
}

// String returns the window as it is written.
func (w Window) String() string { return w.text }

// Open reports whether the window is open.
func (w Window) Open(now time.Time) bool {
	at, ok := w.opensAfter(now.Add(-w.open))
	return ok && !at.After(now)
}

// opensAfter returns when the window opens next after a time; false if it never does. Cron's fields are those of a clock on a
// wall: they are looked up in a day that has all its hours, and what is found is read in the zone, where the order of two that
// are near a change of the clocks may be another.
func (w Window) opensAfter(t time.Time) (first time.Time, ok bool) {
	for at := wall(t.In(w.zone)).Add(-slip); ; {
		at = w.opens.Next(at)
		if at.IsZero() || ok && at.After(wall(first.In(w.zone)).Add(slip)) {
			return first, ok
		}
		if real := unwall(at, w.zone); real.After(t) && (!ok || real.Before(first)) {
			first, ok = real, true
		}
	}
}

// wall returns what a clock shows, as a time of UTC.
func wall(t time.Time) time.Time { return unwall(t, time.UTC) }

// unwall returns when a clock in a zone shows what a time shows.
func unwall(t time.Time, zone *time.Location) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)
}

// Open reports whether any of the windows is open; without windows it always is. If not, next is when the first of them opens; the zero
// time if none ever does.
func Open(all []Window, now time.Time) (open bool, next time.Time) {
	if len(all) == 0 {
		return true, time.Time{}
	}
	for _, w := range all {
		if w.Open(now) {
			return true, time.Time{}
		}
		if at, ok := w.opensAfter(now); ok && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return false, next
}
