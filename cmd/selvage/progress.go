package main

import (
	"fmt"
	"io"
	"time"
)

// progress shows how long work is going: in place on a terminal, else a timestamped line
// whenever there is something new to say, at most once a second.
type progress struct {
	w     io.Writer
	begin time.Time
	size  func() (width, height int) // of the terminal; nil if it is none
	last  string
	at    time.Time
}

func newProgress(w io.Writer) *progress {
	return &progress{w: w, begin: time.Now(), size: terminal(w)}
}

// Show replaces what was shown.
func (p *progress) Show(text string) {
	stamp := clock(time.Since(p.begin))
	switch {
	case p.size != nil:
		width, _ := p.size()
		line := fit([]string{"[" + stamp + "] " + text}, width-1, 1) // a line that is folded cannot be gone back in
		fmt.Fprintf(p.w, "\r\x1b[K%s", line[0])
	case text != p.last && time.Since(p.at) >= time.Second:
		fmt.Fprintf(p.w, "[%s] %s\n", stamp, text)
		p.at = time.Now()
	default:
		return
	}
	p.last = text
}

// End clears the line.
func (p *progress) End() {
	if p.size != nil && p.last != "" {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// clock writes a duration as minutes and seconds: "1:07".
func clock(d time.Duration) string {
	s := int(d.Seconds())
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
