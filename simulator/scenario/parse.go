package scenario

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Parse reads one scenario; file is its name for errors, which are of type *Error and tell all
// that is wrong. An invariant that is not among the known ones is wrong too; where known is nil,
// every name will do. Faults and Work come in the order of At, and what was not said has its default.
func Parse(file string, data []byte, known Invariants) (Scenario, error) {
	root, err := document(file, data)
	if err != nil {
		return Scenario{}, err
	}
	items := multiply(root)
	var s Scenario
	r := &reader{uplinks: map[string]Uplink{}}
	if n := child(root, "sites"); n != nil {
		// Degraded uplinks refer to these. What is wrong with them is told when it is their turn.
		var sites []Site
		list(siteFields().codec(), MaxSites).read(new(reader), n, "", &sites)
		r.uplinks = uplinks(sites)
	}
	top().read(r, root, "", &s)
	s = r.judge(root, s, known)
	if len(r.found) > 0 {
		found := asWritten(r.found, items)
		slices.SortStableFunc(found, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
		return Scenario{}, &Error{file, found}
	}
	return s.sorted(), nil
}

// judge adds what does not make sense to what could not be read. Of what could not be read it says
// no more, and nothing of what may be wrong only for that reason.
func (r *reader) judge(root *yaml.Node, s Scenario, known Invariants) Scenario {
	unread := map[string]bool{}
	for _, p := range r.found {
		unread[itemOf(p.Field)] = true
		if list := listOf(p.Field); list == "" || list == "sites" || list == "work" {
			return s // all else refers to them
		}
	}
	for i := range s.Faults {
		if unread[fmt.Sprintf("faults[%d]", i)] {
			s.Faults[i] = Fault{} // a fault of no kind does nothing
		}
	}
	s = s.settled()
	for _, p := range s.problems(known) {
		if !unread[itemOf(p.field)] && !unread[listOf(p.field)] { // one item may stand for the list
			r.found = append(r.found, Problem{lineOf(root, p.field), p.field, p.text})
		}
	}
	return s
}

// itemOf is the beginning of a path that names an item of one of the lists: "faults[3]" of "faults[3].crash".
func itemOf(path string) string {
	item, _, _ := strings.Cut(path, ".")
	return item
}

// listOf is "faults" of "faults[3].crash".
func listOf(path string) string {
	list, _, _ := strings.Cut(itemOf(path), "[")
	return list
}

func uplinks(sites []Site) map[string]Uplink {
	out := make(map[string]Uplink, len(sites))
	for _, s := range sites {
		out[s.Name] = s.Uplink
	}
	return out
}

// sorted puts what happens into the order of time. What happens at one moment stays in the order of the file.
func (s Scenario) sorted() Scenario {
	s.Faults, s.Work = slices.Clone(s.Faults), slices.Clone(s.Work)
	slices.SortStableFunc(s.Faults, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
	slices.SortStableFunc(s.Work, func(a, b Work) int { return cmp.Compare(a.At, b.At) })
	return s
}

var linePattern = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)

// document gives the one mapping that the file has to be.
func document(file string, data []byte) (*yaml.Node, error) {
	fail := func(line int, format string, args ...any) (*yaml.Node, error) {
		return nil, &Error{file, []Problem{{Line: line, Text: fmt.Sprintf(format, args...)}}}
	}
	if len(data) > MaxFile {
		return fail(0, "is longer than %d bytes", MaxFile)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var root yaml.Node
	if err := dec.Decode(&root); err != nil && !errors.Is(err, io.EOF) {
		line, text := 0, err.Error()
		if m := linePattern.FindStringSubmatch(text); m != nil {
			line, _ = strconv.Atoi(m[1]) // the pattern allows digits only
			text = m[2]
		}
		return fail(line, "%s", strings.TrimPrefix(text, "yaml: "))
	}
	if root.Kind == 0 || null(root.Content[0]) {
		return fail(0, "is empty: write sites at least, like sites: [{name: s1, nodes: 3}]")
	}
	if line := foreign(&root); line > 0 {
		return fail(line, "anchors, aliases and tags are not part of the format")
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return fail(0, "holds more than one document; write one scenario a file")
	}
	return root.Content[0], nil
}

// foreign returns the line of the first alias, anchor or tag; 0 if there is none. Aliases are
// refused because a few lines of them can stand for gigabytes.
func foreign(n *yaml.Node) int {
	if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 {
		return max(n.Line, 1)
	}
	for _, c := range n.Content {
		if line := foreign(c); line > 0 {
			return line
		}
	}
	return 0
}

// lineOf returns the line of the deepest part of a field's path that the file has.
func lineOf(root *yaml.Node, field string) int {
	n := root
	for part := range strings.SplitSeq(strings.ReplaceAll(field, "[", ".["), ".") {
		next := child(n, part)
		if next == nil {
			break
		}
		n = next
	}
	return n.Line
}

// child finds one part of a path: a field's name, or an item like "[3]". Where one item was
// written without brackets, it is what stands there.
func child(n *yaml.Node, part string) *yaml.Node {
	if inner, ok := strings.CutPrefix(part, "["); ok {
		i, err := strconv.Atoi(strings.TrimSuffix(inner, "]"))
		if n.Kind != yaml.SequenceNode {
			return n
		}
		if err != nil || i >= len(n.Content) {
			return nil
		}
		return n.Content[i]
	}
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == part {
			return n.Content[i+1]
		}
	}
	return nil
}
