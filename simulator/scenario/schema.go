package scenario

import (
	"bytes"
	"encoding/json"
	"maps"
)

// schema is a JSON Schema, or a part of one.
type schema map[string]any

// shape is what a codec says of itself to those who write scenarios.
type shape struct {
	says   string  // what is wanted, and its bounds
	fields []named // of a mapping
	item   *shape  // of a list
	schema schema
}

// named is a field as its users see it.
type named struct {
	name, doc, otherwise string
	need, choice         bool
	shape                shape
}

func (m mapping[T]) shape() shape {
	s := shape{says: "a mapping"}
	properties, required, choices := schema{}, []string{}, []any{}
	for _, f := range m.fields {
		s.fields = append(s.fields, named{f.name, f.doc, f.otherwise, f.need, f.choice, f.shape})
		property := schema{"description": f.doc}
		maps.Copy(property, f.shape.schema)
		properties[f.name] = property
		if f.need {
			required = append(required, f.name)
		}
		if f.choice {
			choices = append(choices, schema{"required": []string{f.name}})
		}
	}
	s.schema = schema{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		s.schema["required"] = required
	}
	if len(choices) > 0 {
		s.schema["oneOf"] = choices
	}
	return s
}

// Schema gives the JSON Schema (2020-12) of the format, for editors. It knows less than Parse: what
// one field says about another is not in it, and of amounts it knows the form but not the bounds.
func Schema() []byte {
	whole := schema{"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Selvage scenario"}
	maps.Copy(whole, top().shape().schema)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(whole); err != nil {
		panic(err) // the table holds nothing that JSON does not
	}
	return b.Bytes()
}
