package simulator

import (
	"fmt"
	"strings"

	"selvage/simulator/scenario"
)

// faultPlace is where a fault is, as far as it is at one place; "" otherwise.
func faultPlace(f scenario.Fault) string {
	if f.On != "" {
		return f.On
	}
	return f.From
}

// DescribeFault says what a fault is, and for how long.
func DescribeFault(f scenario.Fault) string {
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

// DescribeWitness says what becomes of a witness.
func DescribeWitness(v scenario.Witness) string {
	if v.Remove {
		return v.Node + " votes no more for site " + v.Site
	}
	return v.Node + " may vote for site " + v.Site
}

// DescribeMirror says who has what from a web server.
func DescribeMirror(m scenario.Mirror) string {
	return fmt.Sprintf("a web server has what %s has of blobs, for %s", m.Of, m.On)
}

// DescribeIssuer says what a node may do.
func DescribeIssuer(i scenario.Issuer) string {
	return fmt.Sprintf("%s may renew credentials, for %v", i.Node, i.Life)
}

// DescribeUplink says what becomes of an uplink.
func DescribeUplink(u scenario.UplinkWork) string {
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
	if u.Windows != nil {
		words = append(words, fmt.Sprintf("windows %q", *u.Windows))
	}
	if u.Cap != nil {
		words = append(words, fmt.Sprintf("cap %d bytes a month", *u.Cap))
	}
	return strings.Join(words, ", ")
}
