package simulator

import (
	"fmt"
	"strings"

	"selvage/simulator/scenario"
)

func faultPlace(f scenario.Fault) string {
	if f.On != "" {
		return f.On
	}
	return f.From
}

func describeFault(f scenario.Fault) string {
	text := string(f.Kind)
	switch f.Kind {
	case scenario.Partition:
		var groups []string
		for _, g := range f.Groups {
			groups = append(groups, strings.Join(g, " "))
		}
		text += " " + strings.Join(groups, " | ")
	case scenario.Cut:
		text += " from " + f.From + " to " + f.To
	case scenario.Clock:
		text += fmt.Sprintf(", jump %s, drift %g", f.Jump, f.Drift)
	}
	if f.For > 0 {
		text += " for " + f.For.String()
	}
	return text
}

func describeUplink(u scenario.UplinkWork) string {
	var words []string
	if u.Held != nil {
		words = append(words, fmt.Sprintf("held %v", *u.Held))
	}
	if u.Up != nil {
		words = append(words, fmt.Sprintf("up %d bit/s", *u.Up))
	}
	if u.Down != nil {
		words = append(words, fmt.Sprintf("down %d bit/s", *u.Down))
	}
	return strings.Join(words, ", ")
}
