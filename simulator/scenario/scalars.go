package scenario

import (
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// scalar is a value that is written as one word.
func scalar[V any](parse func(string) (V, error), text func(V) string, s shape) codec[V] {
	return codec[V]{
		read: func(r *reader, n *yaml.Node, path string, into *V) {
			if n.Kind != yaml.ScalarNode || null(n) {
				r.add(n, path, "want %s, not %s", s.says, given(n))
				return
			}
			v, err := parse(n.Value)
			if err != nil {
				r.add(n, path, "%v", err)
				return
			}
			*into = v
		},
		write: func(_ *writer, v, _ V) string { return text(v) },
		shape: s,
	}
}

// scalars are the JSON types of a text: YAML reads an unquoted 1.0 as a number, and it names a
// version all the same.
var scalars = []string{"string", "number", "boolean"}

// day is the unit that Go's durations lack.
const day = 24 * time.Hour

const durationPattern = `^[-+]?([0-9]+d)?(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|ms|s|m|h))*$|^0$`

// parseDuration reads durations as Go writes them, with a number of days before the rest.
func parseDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf("%q is not a duration: write one like 30s, 1h30m or 2d", s)
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		d, err := time.ParseDuration(s)
		if err != nil {
			return 0, bad
		}
		return d, nil
	}
	n, err := strconv.ParseInt(days, 10, 64)
	if err != nil || n > 100_000 || n < -100_000 {
		return 0, bad
	}
	d := time.Duration(n) * day
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	if err != nil || more < 0 || more >= day || strings.ContainsAny(rest[:1], "+-") {
		return 0, bad
	}
	if strings.HasPrefix(days, "-") {
		more = -more
	}
	return d + more, nil
}

// durationText writes what parseDuration reads, without the parts that are zero.
func durationText(d time.Duration) string {
	days := ""
	if n := d / day; n.Abs() >= 2 {
		days = strconv.FormatInt(int64(n), 10) + "d"
		d = (d % day).Abs()
		if d == 0 {
			return days
		}
	}
	s := strings.Replace(d.String(), "µ", "u", 1)
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return days + s
}

// duration is a time of least to most.
func duration(least, most time.Duration) codec[time.Duration] {
	parse := func(s string) (time.Duration, error) {
		d, err := parseDuration(s)
		if err == nil && (d < least || d > most) {
			err = fmt.Errorf("%s is out of bounds: want %s to %s", s, durationText(least), durationText(most))
		}
		return d, err
	}
	return scalar(parse, durationText, shape{says: fmt.Sprintf("a duration, %s to %s", durationText(least), durationText(most)),
		schema: schema{"type": []string{"string", "integer"}, "pattern": durationPattern}})
}

// unit is a suffix and what it multiplies with.
type unit struct {
	name   string
	factor int64
}

var (
	rateUnits = []unit{{"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}, {"bit", 1}}
	// The longer come first: KiB is not a number of Ki and a B.
	sizeUnits = []unit{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
		{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}}
)

var numberPattern = regexp.MustCompile(`^[0-9]{1,20}(\.[0-9]{1,20})?$`)

// parseAmount reads a number with one of the units, or with none, exactly: 1.5mbit is 1500000.
func parseAmount(s string, units []unit) (int64, error) {
	number, factor := s, int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(s, u.name); ok {
			number, factor = rest, u.factor
			break
		}
	}
	if !numberPattern.MatchString(number) {
		return 0, errors.New("not a number with a known unit")
	}
	r, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, errors.New("not a number")
	}
	r.Mul(r, new(big.Rat).SetInt64(factor))
	if !r.IsInt() || !r.Num().IsInt64() {
		return 0, errors.New("not a whole number")
	}
	return r.Num().Int64(), nil
}

// amountText writes a number with the unit that makes it shortest, a larger one before a smaller.
func amountText(n int64, units []unit) string {
	best := strconv.FormatInt(n, 10)
	if n == 0 {
		return best
	}
	best += units[len(units)-1].name
	for _, u := range units {
		if text := strconv.FormatInt(n/u.factor, 10) + u.name; n%u.factor == 0 && len(text) < len(best) {
			best = text
		}
	}
	return best
}

// amount is a whole number of units; word and example go into errors.
func amount(units []unit, word, example string, least, most int64) codec[int64] {
	bounds := fmt.Sprintf("%s to %s", amountText(least, units), amountText(most, units))
	parse := func(s string) (int64, error) {
		n, err := parseAmount(s, units)
		if err != nil {
			return 0, fmt.Errorf("%q is not %s: write one like %s", s, word, example)
		}
		if n < least || n > most {
			return 0, fmt.Errorf("%s is out of bounds: want %s", s, bounds)
		}
		return n, nil
	}
	names := make([]string, len(units))
	for i, u := range units {
		names[i] = u.name
	}
	return scalar(parse, func(n int64) string { return amountText(n, units) }, shape{
		says: fmt.Sprintf("%s, %s", word, bounds),
		schema: schema{"type": []string{"string", "number"},
			"pattern": `^[0-9]+(\.[0-9]+)?(` + strings.Join(names, "|") + `)?$`}})
}

func rate() codec[int64] { return amount(rateUnits, "a rate", "8mbit or 64kbit", 0, maxRate) }

func size(least, most int64) codec[int64] {
	return amount(sizeUnits, "a size", "20MB or 64KiB", least, most)
}

// parseFloat reads a decimal number; the signs of infinity and of other notations are not in it.
func parseFloat(s string) (float64, error) {
	if s == "" || len(s) > 40 || strings.Trim(s, "0123456789.eE+-") != "" {
		return 0, errors.New("not a number")
	}
	return strconv.ParseFloat(s, 64)
}

// scaled is a number that may be written with a suffix which divides it: 5% is 0.05.
func scaled(suffix string, divisor, least, most float64, says, example string) codec[float64] {
	read := func(s string) (float64, error) {
		number, divided := strings.CutSuffix(s, suffix)
		f, err := parseFloat(number)
		if divided {
			f /= divisor
		}
		return f, err
	}
	parse := func(s string) (float64, error) {
		f, err := read(s)
		if err != nil {
			return 0, fmt.Errorf("%q is not a number: write %s", s, example)
		}
		if f < least || f > most {
			return 0, fmt.Errorf("%s is out of bounds: want %s", s, says)
		}
		return f + 0, nil // without the sign of a zero
	}
	text := func(f float64) string {
		short := strconv.FormatFloat(f*divisor, 'f', -1, 64)
		if len(short) > 12 {
			short = strconv.FormatFloat(f*divisor, 'g', 12, 64)
		}
		if back, err := read(short + suffix); f != 0 && err == nil && back == f {
			return short + suffix
		}
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return scalar(parse, text, shape{says: says, schema: schema{"type": []string{"string", "number"},
		"pattern": `^[-+]?[0-9.]+([eE][-+]?[0-9]+)?(` + suffix + `)?$`}})
}

// share is a part of a whole, 0 to 1.
func share() codec[float64] {
	return scaled("%", 100, 0, 1, "a share, 0% to 100% or 0 to 1", "5% or 0.05")
}

// whole is a whole number of least to most.
func whole(least, most int) codec[int] {
	says := fmt.Sprintf("a whole number, %d to %d", least, most)
	parse := func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil || n < least || n > most {
			return 0, fmt.Errorf("want %s, not %q", says, s)
		}
		return n, nil
	}
	return scalar(parse, strconv.Itoa, shape{says: says, schema: schema{"type": "integer", "minimum": least, "maximum": most}})
}

func seedNumber() codec[uint64] {
	const says = "a whole number, 0 to 18446744073709551615"
	parse := func(s string) (uint64, error) {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("want %s, not %q", says, s)
		}
		return n, nil
	}
	text := func(n uint64) string { return strconv.FormatUint(n, 10) }
	return scalar(parse, text, shape{says: says, schema: schema{"type": "integer", "minimum": 0}})
}

func boolean() codec[bool] {
	parse := func(s string) (bool, error) {
		if s != "true" && s != "false" {
			return false, fmt.Errorf("want true or false, not %q", s)
		}
		return s == "true", nil
	}
	return scalar(parse, strconv.FormatBool, shape{says: "true or false", schema: schema{"type": "boolean"}})
}

// word is a text that check agrees with.
func word(says string, check func(string) error) codec[string] {
	parse := func(s string) (string, error) { return s, check(s) }
	return scalar(parse, quote, shape{says: says, schema: schema{"type": scalars}})
}

// oneOf is one of a few words.
func oneOf[W ~string](words ...W) codec[W] {
	known := make([]string, len(words))
	for i, w := range words {
		known[i] = string(w)
	}
	parse := func(s string) (W, error) {
		if !slices.Contains(words, W(s)) {
			return "", fmt.Errorf("%q is not known here; %s", s, hint(s, known))
		}
		return W(s), nil
	}
	return scalar(parse, func(w W) string { return quote(string(w)) },
		shape{says: "one of " + strings.Join(known, ", "), schema: schema{"enum": known}})
}

var plainPattern = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_./@+ ]*[-A-Za-z0-9_./@+])?$`)

// quote writes a text, bare where YAML takes it for one then.
func quote(s string) string {
	n := yaml.Node{Kind: yaml.ScalarNode, Value: s}
	if plainPattern.MatchString(s) && n.ShortTag() == "!!str" {
		return s
	}
	return strconv.Quote(s)
}
