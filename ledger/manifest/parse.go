package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Error is what Parse returns for a manifest that is wrong: all that is wrong, each with its place.
type Error struct {
	File     string
	Problems []Problem
}

// Problem is one thing wrong. Line counts from 1; 0 means that the file as a whole is meant.
type Problem struct {
	Line  int    `json:"line"`
	Field string `json:"field,omitempty"`
	Text  string `json:"text"`
}

// Error gives one line a problem, each beginning with FILE:LINE.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		place := e.File
		if p.Line > 0 {
			place = fmt.Sprintf("%s:%d", e.File, p.Line)
		}
		if p.Field != "" {
			place += ": " + p.Field
		}
		lines[i] = place + ": " + p.Text
	}
	return strings.Join(lines, "\n")
}

// Parse reads one manifest; file is its name for errors, which are of type *Error.
func Parse(file string, data []byte) (Deployment, error) {
	fail := func(p ...Problem) (Deployment, error) { return Deployment{}, &Error{file, p} }
	if len(data) > MaxSize {
		return fail(Problem{Text: fmt.Sprintf("is longer than %d bytes", MaxSize)})
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return fail(syntax(err)...)
	}
	if root.Kind == 0 {
		return fail(Problem{Text: "is empty"})
	}
	if line := aliasLine(&root); line > 0 {
		return fail(Problem{Line: line, Text: "anchors and aliases are not part of the format"})
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	var d Deployment
	if err := dec.Decode(&d); err != nil {
		found := syntax(err)
		for i := range found {
			found[i] = locate(&root, found[i])
		}
		return fail(found...)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return fail(Problem{Text: "holds more than one document; write one deployment a file"})
	}
	var found []Problem
	for _, p := range d.problems() {
		found = append(found, Problem{Line: lineOf(&root, p.field), Field: p.field, Text: p.text})
	}
	if len(found) > 0 {
		return fail(found...)
	}
	d.file, d.root = file, &root
	return d, nil
}

// aliasLine returns the line of the first alias; 0 if there is none. Aliases are refused because
// a few lines of them can stand for gigabytes.
func aliasLine(n *yaml.Node) int {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return n.Line
	}
	for _, c := range n.Content {
		if line := aliasLine(c); line > 0 {
			return line
		}
	}
	return 0
}

// lineOf returns the line of the deepest part of a field's path that the file has.
func lineOf(root *yaml.Node, field string) int {
	n := root.Content[0]
	line := n.Line
	for part := range strings.SplitSeq(field, ".") {
		value := child(n, part)
		if value == nil {
			break
		}
		n, line = value, value.Line
	}
	return line
}

func child(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// The decoder's texts, put into words that do not speak of Go types.
var (
	linePattern    = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)
	unknownPattern = regexp.MustCompile(`^field (\S+) not found in type .*$`)
	typePattern    = regexp.MustCompile("^cannot unmarshal (\\S+)(?: `(.*)`)? into (\\S+)$")
	doublePattern  = regexp.MustCompile(`^mapping key "(.*)" already defined at line (\d+)$`)
)

func syntax(err error) []Problem {
	var te *yaml.TypeError
	if !errors.As(err, &te) {
		return []Problem{place(err.Error())}
	}
	var out []Problem
	for _, text := range te.Errors {
		out = append(out, place(text))
	}
	return out
}

func place(text string) Problem {
	var p Problem
	if m := linePattern.FindStringSubmatch(text); m != nil {
		_, _ = fmt.Sscan(m[1], &p.Line) // the pattern allows digits only
		text = m[2]
	}
	p.Text = strings.TrimPrefix(text, "yaml: ")
	if m := unknownPattern.FindStringSubmatch(text); m != nil {
		p.Field, p.Text = m[1], "unknown field"
	} else if m := doublePattern.FindStringSubmatch(text); m != nil {
		p.Field, p.Text = m[1], "is given twice, first on line "+m[2]
	} else if m := typePattern.FindStringSubmatch(text); m != nil {
		p.Text = fmt.Sprintf("want %s, not %s", wanted(m[3]), given(m[1], m[2]))
	}
	return p
}

func wanted(goType string) string {
	switch {
	case goType == "int":
		return "a whole number"
	case goType == "bool":
		return "true or false"
	case goType == "string":
		return "a text"
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	default:
		return "a mapping"
	}
}

func given(tag, value string) string {
	switch tag {
	case "!!seq":
		return "a list"
	case "!!map":
		return "a mapping"
	}
	return fmt.Sprintf("%q", value)
}
