package report

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// moment writes a time of the story as scenario files do, to the millisecond: 1m38.204s, 14h.
func moment(d time.Duration) string {
	s := d.Round(time.Millisecond).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// bytesText writes a size with decimal units, as scenario files do.
func bytesText(n int64) string { return unit(float64(n), "B") }

// rateText writes bits a second.
func rateText(bits float64) string { return unit(bits, "bit/s") }

func unit(v float64, name string) string {
	for _, prefix := range []string{"", "k", "M", "G"} {
		switch {
		case v < 999.5 && prefix == "":
			return fmt.Sprintf("%.0f %s", v, name)
		case v < 999.5:
			return fmt.Sprintf("%.3g %s%s", v, prefix, name)
		}
		v /= 1000
	}
	return fmt.Sprintf("%.4g T%s", v, name)
}

// clip bounds a text to about n bytes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// count writes a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	if head, rest, ok := strings.Cut(thing, " "); ok {
		return fmt.Sprintf("%d %ss %s", n, head, rest) // pieces of work
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
