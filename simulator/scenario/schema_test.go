package scenario

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write the golden files")

// TestManual holds the section on fields of the package comment against the table.
func TestManual(t *testing.T) {
	data, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := strings.Cut(string(data), "//\tname:")
	if !ok {
		t.Fatal("doc.go has no fields")
	}
	want := head + "//\t" + strings.ReplaceAll(strings.TrimSuffix(Fields(), "\n"), "\n", "\n//\t") + "\npackage scenario\n"
	if *update {
		if err := os.WriteFile("doc.go", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want != string(data) && !*update {
		t.Error("doc.go is not what the table of fields says: run go test -update")
	}
}

// paths lists the fields of a schema, below each other.
func paths(prefix string, s map[string]any, out map[string]bool) {
	properties, _ := s["properties"].(map[string]any)
	for name, p := range properties {
		out[prefix+name] = true
		paths(prefix+name+".", p.(map[string]any), out)
	}
	if items, ok := s["items"].(map[string]any); ok {
		paths(prefix, items, out)
	}
	if choices, ok := s["anyOf"].([]any); ok {
		for _, a := range choices {
			paths(prefix, a.(map[string]any), out)
		}
	}
}

func loadSchema(t *testing.T) map[string]any {
	t.Helper()
	var s map[string]any
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// unknownFields are those that Parse does not know.
func unknownFields(t *testing.T, text string) []string {
	t.Helper()
	_, err := Parse("f", []byte(text), nil)
	if err == nil {
		return nil
	}
	var out []string
	for _, m := range regexp.MustCompile(`unknown field (\S+);`).FindAllStringSubmatch(err.Error(), -1) {
		out = append(out, m[1])
	}
	return out
}

// TestSchemaKnowsWhatParseKnows gives Parse every field of the schema, and takes from it what it
// says of a field that is not one.
func TestSchemaKnowsWhatParseKnows(t *testing.T) {
	schema := loadSchema(t)
	inSchema := map[string]bool{}
	paths("", schema, inSchema)
	var skeleton func(s map[string]any) string
	skeleton = func(s map[string]any) string {
		if properties, ok := s["properties"].(map[string]any); ok {
			var parts []string
			for _, name := range slices.Sorted(maps.Keys(properties)) {
				parts = append(parts, name+": "+skeleton(properties[name].(map[string]any)))
			}
			return "{" + strings.Join(parts, ", ") + ", nonesuch: 1}"
		}
		if items, ok := s["items"].(map[string]any); ok {
			return "[" + skeleton(items) + "]"
		}
		if choices, ok := s["anyOf"].([]any); ok {
			return skeleton(choices[0].(map[string]any))
		}
		return "x"
	}
	for _, name := range unknownFields(t, skeleton(schema)) {
		if name != "nonesuch" {
			t.Errorf("the schema has %s, which Parse does not know", name)
		}
	}
	inTable := map[string]bool{}
	var walk func(prefix string, fields []named)
	walk = func(prefix string, fields []named) {
		for _, f := range fields {
			inTable[prefix+f.name] = true
			walk(prefix+f.name+".", f.shape.fields)
			if f.shape.item != nil {
				walk(prefix+f.name+".", f.shape.item.fields)
			}
		}
	}
	walk("", top().shape().fields)
	if !maps.Equal(inSchema, inTable) {
		t.Errorf("schema %v\ntable %v", slices.Sorted(maps.Keys(inSchema)), slices.Sorted(maps.Keys(inTable)))
	}
	if len(inTable) < 100 {
		t.Errorf("only %d fields", len(inTable))
	}
}

// validate holds a value against the keywords that Schema uses.
func validate(s map[string]any, v any) error {
	if choices, ok := s["anyOf"].([]any); ok {
		for _, a := range choices {
			if validate(a.(map[string]any), v) == nil {
				return nil
			}
		}
		return fmt.Errorf("%v is none of %v", v, choices)
	}
	if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, v) {
		return fmt.Errorf("%v is not in %v", v, enum)
	}
	types := fmt.Sprint(s["type"])
	number := typeOf(v) == "integer" && strings.Contains(types, "number")
	if s["type"] != nil && !number && !strings.Contains(types, typeOf(v)) {
		return fmt.Errorf("%v (%s) is not %v", v, typeOf(v), types)
	}
	if p, ok := s["pattern"].(string); ok {
		if text, ok := v.(string); ok && !regexp.MustCompile(p).MatchString(text) {
			return fmt.Errorf("%q does not match %s", text, p)
		}
	}
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			if err := validate(s["items"].(map[string]any), item); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		}
	case map[string]any:
		return validateObject(s, v)
	}
	return nil
}

func validateObject(s, v map[string]any) error {
	properties, _ := s["properties"].(map[string]any)
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			return fmt.Errorf("%v is missing", name)
		}
	}
	if one, ok := s["oneOf"].([]any); ok {
		n := 0
		for _, o := range one {
			if validateObject(o.(map[string]any), v) == nil {
				n++
			}
		}
		if n != 1 {
			return fmt.Errorf("%d choices", n)
		}
	}
	for name, value := range v {
		p, ok := properties[name].(map[string]any)
		if !ok {
			p, ok = s["additionalProperties"].(map[string]any)
		}
		if !ok && s["additionalProperties"] == false {
			return fmt.Errorf("%s is not known", name)
		}
		if !ok {
			continue
		}
		if err := validate(p, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func typeOf(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case int, uint64:
		return "integer"
	case float64:
		return "number"
	case []any:
		return "array"
	case nil:
		return "null"
	}
	return "object"
}

func TestExamplesMatchSchema(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.yaml")
	if len(files) == 0 {
		t.Fatal("no examples")
	}
	for _, file := range files {
		s := load(t, filepath.Base(file))
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range [][]byte{data, s.Marshal(), s.Expand().Marshal()} {
			var v any
			if err := yaml.Unmarshal(text, &v); err != nil {
				t.Fatal(err)
			}
			if err := validate(loadSchema(t), v); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	if err := validate(loadSchema(t), map[string]any{"sites": []any{}, "sead": 1}); err == nil {
		t.Error("the schema allows anything")
	}
}
