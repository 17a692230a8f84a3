package manifest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Bounds of a manifest.
const (
	MaxSize   = 32 << 10 // bytes of YAML, and of a spec's JSON
	maxPath   = 63       // characters of a release's or deployment's name
	maxLabels = 32
	maxArgs   = 256
	maxEnv    = 256

	maxUnavailable = 1000
)

var (
	namePattern    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	versionPattern = regexp.MustCompile(`^[A-Za-z0-9]([-._+A-Za-z0-9]{0,62}[A-Za-z0-9])?$`)
	envPattern     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
)

const nameRule = "1 to 63 characters of a-z, 0-9 and '-', beginning and ending with a letter or digit"

// CheckName says what is wrong with s as the name of a fleet, site or node; nil if nothing is.
func CheckName(s string) error {
	if namePattern.MatchString(s) {
		return nil
	}
	return fmt.Errorf("%q is not a name: use %s", s, nameRule)
}

// CheckPath says what is wrong with s as the name of a release or deployment; nil if nothing is.
// Such a name has one or more parts, like checkout/api, so that a charter's scope can cover a family of them.
func CheckPath(s string) error {
	ok := len(s) <= maxPath
	for part := range strings.SplitSeq(s, "/") {
		ok = ok && namePattern.MatchString(part)
	}
	if ok {
		return nil
	}
	return fmt.Errorf("%q is not a name: use %s; parts are parted by '/', %d characters in all", s, nameRule, maxPath)
}

// CheckVersion says what is wrong with s as a release's version; nil if nothing is.
func CheckVersion(s string) error {
	if versionPattern.MatchString(s) {
		return nil
	}
	return fmt.Errorf("%q is not a version: use 1 to 64 letters, digits, '.', '-', '_' and '+', beginning and ending with a letter or digit", s)
}

// SplitRelease takes a reference like checkout@1.4.0 apart.
func SplitRelease(ref string) (name, version string, err error) {
	name, version, ok := strings.Cut(ref, "@")
	if !ok {
		return "", "", fmt.Errorf("%q does not name a release: write NAME@VERSION", ref)
	}
	if err := CheckPath(name); err != nil {
		return "", "", err
	}
	return name, version, CheckVersion(version)
}

// problem is one thing wrong with a manifest; field is its path, like "spec.health.http.port".
type problem struct{ field, text string }

func (d Deployment) problems() []problem {
	var c checker
	c.want(d.APIVersion == "selvage/v1", "apiVersion", "want selvage/v1, not %q", d.APIVersion)
	c.want(d.Kind == "Deployment", "kind", "want Deployment, not %q", d.Kind)
	c.err("metadata.name", CheckPath(d.Metadata.Name))
	for _, p := range d.Spec.problems() {
		c.found = append(c.found, problem{"spec." + p.field, p.text})
	}
	return c.found
}

func (s Spec) problems() []problem {
	var c checker
	if s.Release == "" {
		c.want(false, "release", "is missing: name the release to run, like checkout@1.4.0")
	} else {
		_, _, err := SplitRelease(s.Release)
		c.err("release", err)
	}
	c.want(s.Priority == "" || s.Priority == PriorityNormal || s.Urgent(), "priority", "%q is not a priority: write %s or %s", s.Priority, PriorityNormal, PriorityUrgent)
	c.labels(s.Selector.MatchLabels)
	_, err := s.Start()
	c.err("windows", err)
	c.run(s.Run)
	c.health(s.Health)
	c.strategy(s.Strategy)
	c.want(!s.Singleton || s.Strategy.MaxUnavailable == 0, "strategy.maxUnavailable", "says nothing of a singleton, which runs on one node of a site: leave it out, or take singleton out")
	return c.found
}

type checker struct{ found []problem }

func (c *checker) want(ok bool, field, format string, args ...any) {
	if !ok {
		c.found = append(c.found, problem{field, fmt.Sprintf(format, args...)})
	}
}

func (c *checker) err(field string, err error) {
	if err != nil {
		c.want(false, field, "%v", err)
	}
}

func (c *checker) port(field string, p int) {
	c.want(p >= 0 && p <= 65535, field, "%d is not a port", p)
}

func (c *checker) labels(m map[string]string) {
	c.want(len(m) <= maxLabels, "selector.matchLabels", "has %d labels; at most %d", len(m), maxLabels)
	for _, k := range slices.Sorted(maps.Keys(m)) {
		c.want(CheckLabel(k, m[k]) == nil, "selector.matchLabels", "%v", CheckLabel(k, m[k]))
	}
}

// CheckLabel says what is wrong with a node label; nil if nothing is.
func CheckLabel(key, value string) error {
	if !namePattern.MatchString(key) || len(value) > 63 {
		return fmt.Errorf("%s=%s is not a label: the key is a name, the value at most 63 bytes", key, value)
	}
	return nil
}

func (c *checker) run(r Run) {
	c.port("run.port", r.Port)
	c.want(len(r.Args) <= maxArgs, "run.args", "has %d arguments; at most %d", len(r.Args), maxArgs)
	c.want(len(r.Env) <= maxEnv, "run.env", "has %d variables; at most %d", len(r.Env), maxEnv)
	for _, k := range slices.Sorted(maps.Keys(r.Env)) {
		c.want(envPattern.MatchString(k), "run.env", "%q cannot name an environment variable", k)
		c.want(!strings.HasPrefix(k, "SELVAGE_"), "run.env", "%q: names that begin with SELVAGE_ are set by the node", k)
		c.want(!strings.Contains(r.Env[k], "\x00"), "run.env", "the value of %q has a zero byte", k)
	}
}

func (c *checker) health(h Health) {
	if h.HTTP != nil {
		c.port("health.http.port", h.HTTP.Port)
		c.want(h.HTTP.Path == "" || strings.HasPrefix(h.HTTP.Path, "/"), "health.http.path", "%q does not begin with '/'", h.HTTP.Path)
	}
	if h.Deadline > 0 {
		c.want(h.MinHealthyTime < h.Deadline, "health.minHealthyTime", "%v leaves no time before the deadline of %v", h.MinHealthyTime, h.Deadline)
	}
}

func (c *checker) strategy(s Strategy) {
	c.want(s.MaxUnavailable >= 0 && s.MaxUnavailable <= maxUnavailable, "strategy.maxUnavailable", "%d is not a number of nodes: 1 to %d, or 0 for no bound", s.MaxUnavailable, maxUnavailable)
	c.want(len(s.Steps) <= 1, "strategy.steps", "has %d steps; the one step there is goes to all targets: [{percent: 100}]", len(s.Steps))
	for _, st := range s.Steps {
		c.want(st.Percent == 100, "strategy.steps", "percent %d: the one step there is goes to all targets: [{percent: 100}]", st.Percent)
	}
}
