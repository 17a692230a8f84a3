package scenario

import (
	"fmt"
	"strings"
)

// manualWidth is where lines of the manual are broken, in characters.
const manualWidth = 100

// Fields describes each field of the format: what is wanted, its bounds, what it is for, and what
// holds without it. What is inside a field is indented below it.
func Fields() string {
	m := &manual{seen: map[string]string{}}
	m.fields("", "", top().shape().fields)
	return m.b.String()
}

type manual struct {
	b    strings.Builder
	seen map[string]string // where a field was described, by all that is said of it
}

func (m *manual) fields(indent, path string, fields []named) {
	// Those that were described elsewhere share a line. It would say less of on than on itself.
	var again []string
	where := ""
	for _, f := range fields {
		text := f.name + ": " + f.text()
		if at, ok := m.seen[text]; ok && f.name != "on" {
			again, where = append(again, f.name), at
			continue
		}
		m.seen[text] = path
		m.line(indent, text)
		inner := f.shape.fields
		if f.shape.item != nil {
			inner = f.shape.item.fields
		}
		m.fields(indent+"  ", under(path, f.name), inner)
	}
	if len(again) > 0 {
		m.line(indent, strings.Join(again, ", ")+": as in "+where)
	}
}

func (f named) text() string {
	text := f.shape.says
	if f.shape.item != nil {
		text += " of " + f.shape.item.says
	}
	text += "; " + f.doc
	switch {
	case f.need:
		text += "; has to be given"
	case f.otherwise != "":
		text += "; otherwise " + f.otherwise
	}
	return text
}

// line writes a text in as many lines as it takes; those after the first are indented further.
func (m *manual) line(indent, text string) {
	line := indent
	for word := range strings.FieldsSeq(text) {
		if line != indent && len(line)+1+len(word) > manualWidth {
			fmt.Fprintln(&m.b, line)
			line = indent + "    " + word
			continue
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	fmt.Fprintln(&m.b, line)
}
