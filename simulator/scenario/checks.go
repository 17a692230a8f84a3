package scenario

import (
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"selvage/ledger/manifest"
)

// checkName says whether s can name an invariant: words joined by '_'.
func checkName(s string) error {
	if manifest.CheckName(strings.ReplaceAll(s, "_", "-")) != nil {
		return fmt.Errorf("%q names no invariant: write one like ledgers_equal, or all_run: app@v1", s)
	}
	return nil
}

// check is an invariant: its name, or a mapping of its name to its argument.
func check() codec[Check] {
	return codec[Check]{
		read: readCheck,
		write: func(_ *writer, c, _ Check) string {
			if c.Arg == "" {
				return quote(c.Name)
			}
			return "{" + quote(c.Name) + ": " + quote(c.Arg) + "}"
		},
		shape: shape{says: "INVARIANT or INVARIANT: ARGUMENT", schema: schema{"anyOf": []any{
			schema{"type": "string"},
			schema{"type": "object", "minProperties": 1, "maxProperties": 1,
				"additionalProperties": schema{"type": append([]string{"null"}, scalars...)}},
		}}},
	}
}

func readCheck(r *reader, n *yaml.Node, path string, into *Check) {
	key, arg := n, (*yaml.Node)(nil)
	if n.Kind == yaml.MappingNode {
		if len(n.Content) != 2 {
			r.add(n, path, "names %d invariants: write one an item", len(n.Content)/2)
			return
		}
		key, arg = n.Content[0], n.Content[1]
	}
	if key.Kind != yaml.ScalarNode || null(key) {
		r.add(key, path, "want the name of an invariant, not %s", given(key))
		return
	}
	if err := checkName(key.Value); err != nil {
		r.add(key, path, "%v", err)
		return
	}
	*into = Check{Line: key.Line, Name: key.Value}
	switch {
	case arg == nil || null(arg):
	case arg.Kind != yaml.ScalarNode:
		r.add(arg, path, "want one argument of %s, not %s", key.Value, given(arg))
	case checkText(arg.Value) != nil:
		r.add(arg, path, "%v", checkText(arg.Value))
	default:
		into.Arg = arg.Value
	}
}

func checks() codec[[]Check] { return list(check(), maxChecks) }

func severalChecks() codec[[]Check] { return several(check(), maxChecks) }

// The events that Eventually can wait for, beside a moment.
const (
	OfStart  = "start"  // the beginning of the story
	OfHeal   = "heal"   // the end of the last fault; the start if there is none
	OfWork   = "work"   // the last work; the start if there is none
	OfMoment = "moment" // Eventually.At
)

// momentField is an event by name, or a moment of the story.
func momentField(name, doc string) field[Eventually] {
	const says = "start, heal, work, or a time like 5m"
	type moment struct {
		of string
		at time.Duration
	}
	parse := func(s string) (moment, error) {
		if s == OfStart || s == OfHeal || s == OfWork {
			return moment{of: s}, nil
		}
		at, err := parseDuration(s)
		if err != nil || at < 0 || at > MaxDuration {
			return moment{}, fmt.Errorf("%q is not known: want %s", s, says)
		}
		return moment{OfMoment, at}, nil
	}
	text := func(m moment) string {
		if m.of == OfMoment {
			return durationText(m.at)
		}
		return m.of
	}
	c := scalar(parse, text, shape{says: says, schema: schema{"type": []string{"string", "integer"}}})
	return field[Eventually]{
		name: name, doc: doc, shape: c.shape, otherwise: OfHeal,
		read: func(r *reader, n *yaml.Node, path string, into *Eventually) {
			m := moment{into.Of, into.At}
			c.read(r, n, path, &m)
			into.Of, into.At = m.of, m.at
		},
		write: func(w *writer, v, _ *Eventually) string {
			return c.write(w, moment{v.Of, v.At}, moment{})
		},
	}
}

// spanField is a time, or the shortest and the longest.
func spanField(name, doc string) field[Random] {
	one := duration(time.Millisecond, MaxDuration)
	both := several(one, 2)
	says := strings.Replace(one.shape.says, "a duration", "a duration or two", 1)
	f := field[Random]{name: name, doc: doc, shape: shape{says: says, schema: both.shape.schema}, otherwise: "[5s, 1m]"}
	f.read = func(r *reader, n *yaml.Node, path string, into *Random) {
		var bounds []time.Duration
		before := len(r.found)
		both.read(r, n, path, &bounds)
		switch {
		case len(r.found) > before:
		case len(bounds) == 0:
			r.add(n, path, "is empty: write a time, or [SHORTEST, LONGEST]")
		default:
			into.MinFor, into.MaxFor = bounds[0], bounds[len(bounds)-1]
		}
	}
	f.write = func(w *writer, v, _ *Random) string {
		if v.MinFor == v.MaxFor {
			return durationText(v.MinFor)
		}
		return both.write(w, []time.Duration{v.MinFor, v.MaxFor}, nil)
	}
	return f
}
