package calendar

import "testing"

func TestStart(t *testing.T) {
	night := []Window{must(t, "0 22 * * * 8h")}
	for _, c := range []struct {
		notBefore, now string
		windows        []Window
		open           bool
		next           string // "": it is open, or never opens
	}{
		{"", "2026-11-27T12:00:00Z", nil, true, ""},
		{"", "2026-11-27T12:00:00Z", night, false, "2026-11-27T22:00:00Z"},
		{"", "2026-11-27T23:00:00Z", night, true, ""},
		{"2026-12-01T12:00:00Z", "2026-11-27T12:00:00Z", nil, false, "2026-12-01T12:00:00Z"},
		{"2026-12-01T12:00:00Z", "2026-11-27T23:00:00Z", night, false, "2026-12-01T22:00:00Z"},
		{"2026-12-01T23:00:00Z", "2026-11-27T23:00:00Z", night, false, "2026-12-01T23:00:00Z"},
		{"2026-12-01T12:00:00Z", "2026-12-01T12:00:00Z", nil, true, ""},
		{"2026-12-01T12:00:00Z", "2026-12-01T12:00:00Z", night, false, "2026-12-01T22:00:00Z"},
		{"2026-12-01T12:00:00Z", "1970-01-01T00:00:00Z", []Window{must(t, "0 0 30 2 * 1h")}, false, ""},
	} {
		s := Start{Windows: c.windows}
		if c.notBefore != "" {
			s.NotBefore = at(t, c.notBefore)
		}
		open, next := s.Open(at(t, c.now))
		if open != c.open || next.IsZero() != (c.next == "") || c.next != "" && !next.Equal(at(t, c.next)) {
			t.Errorf("not before %q, windows %v, at %s: %v, %v", c.notBefore, c.windows, c.now, open, next.UTC())
		}
	}
}
