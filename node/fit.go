package node

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"
)

// fit returns what of a report others can read, and how it is written: a report with less is better than none. Why deployments are as
// they are is cut before any is left out. Left out are the last, whatever they do: which these are changes the least.
func (r report) fit(b body[report]) (said report, data []byte, err error) {
	said = r.legible()
	all := said.Deployments
	for _, most := range []int{maxReportText, maxReportText / 2, maxReportText / 4, maxReportText / 8, 0} {
		said.Deployments = cutWhys(all, most)
		if data, err = b.encode(said); !errors.Is(err, errTooLong) {
			return said, data, err
		}
	}
	for errors.Is(err, errTooLong) && len(said.Deployments) > 0 {
		said.Deployments = said.Deployments[:len(said.Deployments)-1]
		said.LeftOut++
		data, err = b.encode(said)
	}
	return said, data, err
}

// legible returns the report with no more than its bounds of anything but bytes, and nothing that they do not let others read.
func (r report) legible() report {
	var kept []reportedDeployment
	for _, d := range r.Deployments {
		if d.named() && len(kept) < maxReportItems {
			d.Address, d.Opens = whole(d.Address), min(max(d.Opens, 0), maxReportTime)
			kept = append(kept, d)
		}
	}
	r.LeftOut += len(r.Deployments) - len(kept)
	r.Deployments = kept
	r.Blobs = r.Blobs[:min(len(r.Blobs), maxReportItems)]
	addrs := slices.DeleteFunc(slices.Clone(r.Addrs), func(a string) bool { return whole(a) != a })
	r.Addrs = addrs[:min(len(addrs), maxReportAddrs)]
	r.Platform, r.Version = cut(r.Platform, maxReportText), cut(r.Version, maxReportText)
	return r
}

// named reports whether a report can say which deployment it is, and of what: a part of a name is another name.
func (d reportedDeployment) named() bool {
	for _, name := range []string{d.Name, d.Release, d.Target, d.Phase, d.Statement, d.Aim} {
		if whole(name) != name {
			return false
		}
	}
	return true
}

// whole returns a text that a report can hold as it is, else none.
func whole(s string) string {
	if len(s) > maxReportText || !utf8.ValidString(s) {
		return ""
	}
	return s
}

// cutWhys returns deployments with at most so many bytes of why they are as they are.
func cutWhys(all []reportedDeployment, most int) []reportedDeployment {
	all = slices.Clone(all)
	for i := range all {
		all[i].Why = cut(all[i].Why, most)
	}
	return all
}

// cut shortens s to so many bytes, marks that it did if there is room for that, and leaves valid UTF-8: what a program printed
// before it died may be anything.
func cut(s string, most int) string {
	const mark = "..."
	switch {
	case len(s) > most && most < len(mark):
		s = ""
	case len(s) > most:
		s = s[:most-len(mark)] + mark
	}
	return strings.ToValidUTF8(s, "")
}
