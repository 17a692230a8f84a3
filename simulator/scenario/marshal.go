package scenario

import (
	"bytes"
	"fmt"
	"strings"
)

// Marshal writes the file of a scenario that Parse or Expand gave: what Parse reads from it is
// the same but for the lines. A fault or piece of work takes one line each. Comments are not kept,
// and a scenario whose file would be longer than MaxFile cannot be read back.
func (s Scenario) Marshal() []byte {
	w := &writer{uplinks: uplinks(s.Sites)}
	var b bytes.Buffer
	for _, f := range top().fields {
		if items := s.items(w, f.name); len(items) > 0 {
			fmt.Fprintf(&b, "%s:\n  - %s\n", f.name, strings.Join(items, "\n  - "))
			continue
		}
		if text := f.write(w, &s, new(Scenario)); text != "" {
			fmt.Fprintf(&b, "%s: %s\n", f.name, text)
		}
	}
	return b.Bytes()
}

// items are the lines of a field that is a list of what is too long to share one.
func (s Scenario) items(w *writer, field string) []string {
	switch field {
	case "sites":
		return texts(w, siteFields().codec(), s.Sites)
	case "faults":
		return texts(w, faultFields().codec(), s.Faults)
	case "random":
		return texts(w, randomFields().codec(), s.Random)
	case "work":
		return texts(w, workFields().codec(), s.Work)
	case "eventually":
		return texts(w, eventuallyFields().codec(), s.Eventually)
	}
	return nil
}
