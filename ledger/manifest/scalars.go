package manifest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Duration is a time.Duration written as Go writes it: "10s", "2m30s".
type Duration time.Duration

// Time is a moment, written as RFC 3339 has it: "2026-12-01T02:00:00Z".
type Time struct{ time.Time }

// Bytes is an amount of memory or disk, written with a binary or decimal suffix: "64Mi", "1G", "4096".
type Bytes int64

var byteUnits = []struct {
	suffix string
	factor int64
}{
	{"Ki", 1 << 10}, {"Mi", 1 << 20}, {"Gi", 1 << 30}, {"Ti", 1 << 40},
	{"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12},
}

// ParseBytes reads the form described at Bytes. The result is never negative.
func ParseBytes(s string) (Bytes, error) {
	number, factor := s, int64(1)
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok {
			number, factor = rest, u.factor
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/factor {
		return 0, fmt.Errorf("%q is not an amount of bytes (like 128Mi)", s)
	}
	return Bytes(n * factor), nil
}

// String writes the largest binary unit that divides b.
func (b Bytes) String() string {
	for i := 3; i >= 0; i-- {
		if u := byteUnits[i]; b != 0 && int64(b)%u.factor == 0 {
			return strconv.FormatInt(int64(b)/u.factor, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

func parseTime(s string) (Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Unix() < 0 {
		return Time{}, fmt.Errorf("%q is not a time (like 2026-12-01T02:00:00Z)", s)
	}
	return Time{t.UTC()}, nil
}

func parseDuration(s string) (Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a duration (like 10s or 2m)", s)
	}
	return Duration(d), nil
}

// String writes the duration as time.Duration does.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalJSON writes the text form.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// MarshalJSON writes the text form.
func (b Bytes) MarshalJSON() ([]byte, error) { return json.Marshal(b.String()) }

// UnmarshalJSON reads the text form.
func (t *Time) UnmarshalJSON(data []byte) error { return unmarshalText(data, parseTime, t) }

// UnmarshalJSON reads the text form.
func (d *Duration) UnmarshalJSON(data []byte) error {
	return unmarshalText(data, parseDuration, d)
}

// UnmarshalJSON reads the text form.
func (b *Bytes) UnmarshalJSON(data []byte) error {
	return unmarshalText(data, ParseBytes, b)
}

func unmarshalText[T any](data []byte, parse func(string) (T, error), into *T) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	v, err := parse(s)
	if err == nil {
		*into = v
	}
	return err
}

// UnmarshalYAML reads the text form.
func (t *Time) UnmarshalYAML(n *yaml.Node) error { return decodeScalar(n, parseTime, t) }

// UnmarshalYAML reads the text form.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error { return decodeScalar(n, parseDuration, d) }

// UnmarshalYAML reads the text form, or a plain number of bytes.
func (b *Bytes) UnmarshalYAML(n *yaml.Node) error { return decodeScalar(n, ParseBytes, b) }

func decodeScalar[T any](n *yaml.Node, parse func(string) (T, error), into *T) error {
	if n.Kind != yaml.ScalarNode {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: want a single value", n.Line)}}
	}
	v, err := parse(n.Value)
	if err != nil {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %v", n.Line, err)}}
	}
	*into = v
	return nil
}
