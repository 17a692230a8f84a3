package manifest

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// located is a value of a manifest and the path that leads to it, like "spec.health.http.port".
type located struct {
	path  string
	value *yaml.Node
}

// valuesOn lists the values whose key stands on a line, the outer before the inner.
func valuesOn(n *yaml.Node, path string, line int) []located {
	var out []located
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		below := strings.TrimPrefix(path+"."+key.Value, ".")
		if key.Line == line || value.Line == line {
			out = append(out, located{below, value})
		}
		out = append(out, valuesOn(value, below, line)...)
	}
	if n.Kind == yaml.DocumentNode || n.Kind == yaml.SequenceNode {
		for _, c := range n.Content {
			out = append(out, valuesOn(c, path, line)...)
		}
	}
	return out
}

// locate completes a problem of which the decoder told the line and no more than the key: it gives
// the field its whole path. About a value it knows what it says of it: a problem's text holds it.
func locate(root *yaml.Node, p Problem) Problem {
	for _, v := range valuesOn(root, "", p.Line) {
		key := v.path[strings.LastIndexByte(v.path, '.')+1:]
		switch {
		case p.Field != "" && key == p.Field,
			p.Field == "" && v.value.Kind == yaml.ScalarNode && strings.Contains(p.Text, `"`+v.value.Value+`"`),
			p.Field == "" && v.value.Kind == yaml.SequenceNode && strings.HasSuffix(p.Text, "not a list"),
			p.Field == "" && v.value.Kind == yaml.MappingNode && strings.HasSuffix(p.Text, "not a mapping"):
			p.Field = v.path
			return p
		}
	}
	return p
}
