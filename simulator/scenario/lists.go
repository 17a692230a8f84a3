package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"selvage/ledger/manifest"
)

// list is a YAML sequence of most values at most.
func list[V any](c codec[V], most int) codec[[]V] {
	return codec[[]V]{
		read: func(r *reader, n *yaml.Node, path string, into *[]V) {
			if n.Kind != yaml.SequenceNode {
				r.add(n, path, "want a list, not %s", given(n))
				return
			}
			readAll(r, n, path, c, most, into)
		},
		write: func(w *writer, v, _ []V) string { return "[" + strings.Join(texts(w, c, v), ", ") + "]" },
		shape: shape{says: fmt.Sprintf("a list of at most %d", most), item: &c.shape,
			schema: schema{"type": "array", "maxItems": most, "items": c.shape.schema}},
	}
}

// several is a list that may be written without brackets where it has one value.
func several[V any](c codec[V], most int) codec[[]V] {
	whole := list(c, most)
	return codec[[]V]{
		read: func(r *reader, n *yaml.Node, path string, into *[]V) {
			if n.Kind == yaml.SequenceNode {
				readAll(r, n, path, c, most, into)
				return
			}
			var one V
			c.read(r, n, path, &one)
			*into = []V{one}
		},
		write: whole.write,
		shape: shape{says: fmt.Sprintf("one, or a list of at most %d", most), item: &c.shape,
			schema: schema{"anyOf": []any{c.shape.schema, whole.shape.schema}}},
	}
}

func readAll[V any](r *reader, n *yaml.Node, path string, c codec[V], most int, into *[]V) {
	if len(n.Content) > most {
		r.add(n, path, "has %d items; at most %d", len(n.Content), most)
		return
	}
	out := make([]V, len(n.Content))
	for i, item := range n.Content {
		c.read(r, item, fmt.Sprintf("%s[%d]", path, i), &out[i])
	}
	*into = out
}

func texts[V any](w *writer, c codec[V], values []V) []string {
	out := make([]string, len(values))
	for i, v := range values {
		var zero V
		out[i] = c.write(w, v, zero)
	}
	return out
}

// maxLabels bounds the labels of a site, and of a selector.
const maxLabels = 32

// labels is a mapping of label to value.
func labels() codec[map[string]string] {
	return codec[map[string]string]{
		read: readLabels,
		write: func(_ *writer, v, _ map[string]string) string {
			var out []string
			for _, k := range slices.Sorted(maps.Keys(v)) {
				out = append(out, quote(k)+": "+quote(v[k]))
			}
			return "{" + strings.Join(out, ", ") + "}"
		},
		shape: shape{says: fmt.Sprintf("at most %d of LABEL: VALUE", maxLabels),
			schema: schema{"type": "object", "maxProperties": maxLabels, "additionalProperties": schema{"type": scalars}}},
	}
}

func readLabels(r *reader, n *yaml.Node, path string, into *map[string]string) {
	if n.Kind != yaml.MappingNode {
		r.add(n, path, "want a mapping of labels to values, not %s", given(n))
		return
	}
	if len(n.Content)/2 > maxLabels {
		r.add(n, path, "has %d labels; at most %d", len(n.Content)/2, maxLabels)
		return
	}
	out := map[string]string{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		_, twice := out[key.Value]
		switch err := manifest.CheckLabel(key.Value, value.Value); {
		case key.Kind != yaml.ScalarNode || value.Kind != yaml.ScalarNode || null(value):
			r.add(value, under(path, key.Value), "want a text, not %s", given(value))
		case twice:
			r.add(key, under(path, key.Value), "is given twice")
		case err != nil:
			r.add(key, path, "%v", err)
		}
		out[key.Value] = value.Value
	}
	*into = out
}

// maybe is a value that is nil where it was not given.
func maybe[V any](c codec[V]) codec[*V] {
	return codec[*V]{
		read: func(r *reader, n *yaml.Node, path string, into **V) {
			v := new(V)
			c.read(r, n, path, v)
			*into = v
		},
		write: func(w *writer, v, _ *V) string {
			if v == nil {
				return ""
			}
			var zero V
			return c.write(w, *v, zero)
		},
		shape: c.shape,
	}
}
