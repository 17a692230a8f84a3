package calendar

import "time"

// Used is how much was used of a month.
type Used struct {
	Month string `json:"month"` // of UTC, like 2026-11
	Bytes int64  `json:"bytes"`
}

const month = "2006-01"

// Valid reports whether the month is one.
func (u Used) Valid() bool {
	_, err := time.Parse(month, u.Month)
	return err == nil
}

// Add counts bytes in the month of a time, or in a later one that was begun.
func (u Used) Add(now time.Time, bytes int64) Used {
	if m := now.UTC().Format(month); m > u.Month {
		u = Used{Month: m}
	}
	u.Bytes += max(0, bytes)
	return u
}

// Begun returns u, or, if its month has not begun at that time, the same bytes in the month that has: a clock was wrong when they were counted.
func (u Used) Begun(now time.Time) Used {
	if m := now.UTC().Format(month); u.Month > m {
		u.Month = m
	}
	return u
}

// Left reports whether a cap of so many bytes lasts; 0 is no cap.
func (u Used) Left(limit int64) bool { return limit == 0 || u.Bytes < limit }

// Ends returns when the month ends in which is counted; the zero time if nothing was.
func (u Used) Ends() time.Time {
	t, err := time.Parse(month, u.Month)
	if err != nil {
		return time.Time{}
	}
	return t.AddDate(0, 1, 0)
}
