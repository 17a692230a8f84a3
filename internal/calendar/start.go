package calendar

import "time"

// Start says when a thing may begin: not before a time, and while one of some windows is open. The zero value is at any time.
type Start struct {
	NotBefore time.Time
	Windows   []Window
}

// Open reports whether it may begin now. If not, next is when it may at the earliest; the zero time if it never may.
func (s Start) Open(now time.Time) (open bool, next time.Time) {
	if !now.Before(s.NotBefore) {
		return Open(s.Windows, now)
	}
	if open, next = Open(s.Windows, s.NotBefore); open {
		next = s.NotBefore
	}
	return false, next
}
