package scenario

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// codec reads, writes and describes one type of value. All that knows the format is made of
// codecs, so that the parser, the writer, the schema and the manual cannot disagree.
type codec[V any] struct {
	// read takes a value from a node of the file. into holds the default when it is called,
	// and is left alone where the node is wrong; what is wrong goes to the reader.
	read func(r *reader, n *yaml.Node, path string, into *V)
	// write gives the value in YAML's flow style, on one line. It may leave out what base has too.
	write func(w *writer, v, base V) string
	shape shape
}

// reader collects what is wrong while a file is read.
type reader struct {
	found []Problem
	// uplinks are those of the sites, by name: a degraded uplink keeps what it does not name.
	uplinks map[string]Uplink
}

func (r *reader) add(n *yaml.Node, path, format string, args ...any) {
	r.found = append(r.found, Problem{n.Line, path, fmt.Sprintf(format, args...)})
}

// writer holds what writing one value needs to know of the others.
type writer struct{ uplinks map[string]Uplink }

// field is one key of a mapping that stands for a T.
type field[T any] struct {
	name, doc string
	need      bool   // it has to be given
	otherwise string // its default in words, where it is not simply that of the base
	choice    bool   // exactly one of the mapping's choices has to be given
	shape     shape
	read      func(r *reader, n *yaml.Node, path string, into *T)
	// write returns "" where v's field needs no mention over base's.
	write func(w *writer, v, base *T) string
}

// of makes the field of T that get finds.
func of[T, V any](name string, c codec[V], get func(*T) *V, doc string) field[T] {
	return field[T]{
		name: name, doc: doc, shape: c.shape,
		read: func(r *reader, n *yaml.Node, path string, into *T) { c.read(r, n, path, get(into)) },
		write: func(w *writer, v, base *T) string {
			text, usual := c.write(w, *get(v), *get(base)), c.write(w, *get(base), *get(base))
			if text == usual {
				return ""
			}
			return text
		},
	}
}

// needed makes a field one that has to be given, and is written always.
func needed[T, V any](name string, c codec[V], get func(*T) *V, doc string) field[T] {
	f := of(name, c, get, doc)
	f.need = true
	f.write = func(w *writer, v, base *T) string { return c.write(w, *get(v), *get(base)) }
	return f
}

// or says in words what holds where the field is not given.
func (f field[T]) or(words string) field[T] {
	f.otherwise = words
	return f
}

// lift makes the fields of a part those of the whole.
func lift[T, Part any](part func(*T) *Part, fields []field[Part]) []field[T] {
	out := make([]field[T], len(fields))
	for i, f := range fields {
		out[i] = field[T]{
			name: f.name, doc: f.doc, need: f.need, otherwise: f.otherwise, choice: f.choice, shape: f.shape,
			read: func(r *reader, n *yaml.Node, path string, into *T) { f.read(r, n, path, part(into)) },
			write: func(w *writer, v, base *T) string {
				return f.write(w, part(v), part(base))
			},
		}
	}
	return out
}

// mapping is a YAML mapping that stands for a T: base with the given fields on top.
type mapping[T any] struct {
	base   T
	fields []field[T]
	line   func(*T) *int // where the line is kept; nil if it is not
}

func (m mapping[T]) codec() codec[T] {
	return codec[T]{
		read: func(r *reader, n *yaml.Node, path string, into *T) {
			*into = m.base
			m.read(r, n, path, into)
		},
		write: func(w *writer, v, _ T) string { return "{" + strings.Join(m.pairs(w, v, m.base), ", ") + "}" },
		shape: m.shape(),
	}
}

// pairs lists the "name: value" of v that it does not have from base.
func (m mapping[T]) pairs(w *writer, v, base T) []string {
	var out []string
	for _, f := range m.fields {
		if text := f.write(w, &v, &base); text != "" {
			out = append(out, f.name+": "+text)
		}
	}
	return out
}

// read reads in the order of the table, not of the file: a field may build on those before it.
func (m mapping[T]) read(r *reader, n *yaml.Node, path string, into *T) {
	if n.Kind != yaml.MappingNode {
		r.add(n, path, "want a mapping of %s, not %s", strings.Join(m.names(), ", "), given(n))
		return
	}
	if m.line != nil {
		*m.line(into) = n.Line
	}
	before := len(r.found)
	values := m.values(r, n, path)
	misspelt := len(r.found) > before
	chosen := ""
	for _, f := range m.fields {
		value, ok := values[f.name]
		switch {
		case !ok && f.need:
			r.add(n, under(path, f.name), "is missing: want %s (%s)", f.shape.says, f.doc)
		case ok && f.choice && chosen != "":
			r.add(value, under(path, f.name), "stands beside %s: write one of them an item", chosen)
		case ok:
			f.read(r, value, under(path, f.name), into)
		}
		if ok && f.choice && chosen == "" {
			chosen = f.name
		}
	}
	if choices := m.choices(); len(choices) > 0 && chosen == "" && !misspelt {
		r.add(n, path, "says nothing to do: write one of %s", strings.Join(choices, ", "))
	}
}

// values finds the values of the known fields, and tells of keys that are not known or given twice.
func (m mapping[T]) values(r *reader, n *yaml.Node, path string) map[string]*yaml.Node {
	lines := map[string]int{}
	out := map[string]*yaml.Node{}
	known := m.names()
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := under(path, key.Value)
		switch first, twice := lines[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			r.add(key, path, "a field's name cannot be %s", given(key))
			continue
		case twice:
			r.add(key, at, "is given twice, first on line %d", first)
		default:
			out[key.Value] = value
		}
		lines[key.Value] = key.Line
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if m.has(key.Value) || key.Kind != yaml.ScalarNode {
			continue
		}
		r.add(key, under(path, key.Value), "unknown field %s; %s", key.Value, hint(key.Value, known))
	}
	return out
}

func (m mapping[T]) has(name string) bool {
	for _, f := range m.fields {
		if f.name == name {
			return true
		}
	}
	return false
}

func (m mapping[T]) names() []string {
	out := make([]string, len(m.fields))
	for i, f := range m.fields {
		out[i] = f.name
	}
	return out
}

func (m mapping[T]) choices() []string {
	var out []string
	for _, f := range m.fields {
		if f.choice {
			out = append(out, f.name)
		}
	}
	return out
}

// under is the path of a field of what path names.
func under(path, name string) string { return strings.TrimPrefix(path+"."+name, ".") }

// given says what a node is, in the words of somebody who writes YAML.
func given(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case null(n):
		return "nothing"
	}
	return fmt.Sprintf("%q", n.Value)
}

// null reports whether a field was left empty.
func null(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }
