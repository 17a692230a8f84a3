package manifest

import (
	"fmt"
	"math"
	"time"

	"go.yaml.in/yaml/v3"

	"selvage/internal/calendar"
	"selvage/internal/canon"
)

// Deployment is one manifest: the wish that a release run on some nodes.
type Deployment struct {
	APIVersion string   `yaml:"apiVersion" json:"apiVersion"`
	Kind       string   `yaml:"kind" json:"kind"`
	Metadata   Metadata `yaml:"metadata" json:"metadata"`
	Spec       Spec     `yaml:"spec" json:"spec"`

	file string // where Parse read it
	root *yaml.Node
}

// Errorf returns an *Error that says of one field what only the caller can know, such as
// "spec.release". The deployment must have come from Parse.
func (d Deployment) Errorf(field, format string, args ...any) error {
	return &Error{d.file, []Problem{{Line: lineOf(d.root, field), Field: field, Text: fmt.Sprintf(format, args...)}}}
}

// Metadata names a manifest's object.
type Metadata struct {
	// Name is the deployment's name, as CheckPath allows.
	Name string `yaml:"name" json:"name"`
}

// Spec says which release runs where and how. It is what an operator signs.
type Spec struct {
	Release  string   `yaml:"release" json:"release"` // name@version
	Selector Selector `yaml:"selector" json:"selector,omitzero"`
	// Singleton has one node of each site run the release: the one that leads the site, of those that are picked. The
	// others keep it ready.
	Singleton bool `yaml:"singleton" json:"singleton,omitempty"`
	// Priority is how blobs of the release come beside others'; PriorityNormal if nothing is said. When nodes change to it, and how
	// many at once, it says nothing of.
	Priority string `yaml:"priority" json:"priority,omitempty"`
	// NotBefore and Windows say when nodes may change to the release, which they fetch ahead; see Start.
	NotBefore Time     `yaml:"notBefore" json:"notBefore,omitzero"`
	Windows   []string `yaml:"windows" json:"windows,omitempty"` // as package calendar writes them; none: at any time
	Run       Run      `yaml:"run" json:"run,omitzero"`
	Health    Health   `yaml:"health" json:"health,omitzero"`
	Strategy  Strategy `yaml:"strategy" json:"strategy,omitzero"`
}

// Priorities of deployments.
const (
	PriorityNormal = "normal"
	PriorityUrgent = "urgent" // its blobs come before all others, which wait for as long as it takes
)

// Urgent reports whether the release's blobs come before all others.
func (s Spec) Urgent() bool { return s.Priority == PriorityUrgent }

// Timed reports whether there are times at which nodes may not change to the release.
func (s Spec) Timed() bool { return !s.NotBefore.IsZero() || len(s.Windows) > 0 }

// Start returns when nodes may change to the release.
func (s Spec) Start() (calendar.Start, error) {
	windows, err := calendar.ParseWindows(s.Windows)
	return calendar.Start{NotBefore: s.NotBefore.Time, Windows: windows}, err
}

// Selector picks nodes by their labels. A node is picked when it has every label; no labels pick all nodes.
type Selector struct {
	MatchLabels map[string]string `yaml:"matchLabels" json:"matchLabels,omitempty"`
}

// Matches reports whether a node with these labels is picked.
func (s Selector) Matches(labels map[string]string) bool {
	for k, want := range s.MatchLabels {
		if got, ok := labels[k]; !ok || got != want {
			return false
		}
	}
	return true
}

// Run is how the workload is started.
type Run struct {
	Args []string          `yaml:"args" json:"args,omitempty"`
	Env  map[string]string `yaml:"env" json:"env,omitempty"`
	// Port is the TCP port that the workload serves on; 0 lets the node pick a free one,
	// keep it over updates, and report it.
	Port int `yaml:"port" json:"port,omitempty"`
	// Timeout bounds one request to a function; 0 means 10 s.
	Timeout   Duration  `yaml:"timeout" json:"timeout,omitempty"`
	Resources Resources `yaml:"resources" json:"resources,omitzero"`
}

// Resources bound what the workload may use.
type Resources struct {
	// Memory bounds a function's linear memory; 0 means 64 MiB.
	Memory Bytes `yaml:"memory" json:"memory,omitempty"`
}

// Health says when a started release counts as good.
type Health struct {
	HTTP *HTTPProbe `yaml:"http" json:"http,omitempty"`
	// MinHealthyTime is how long the workload must stay healthy without a break.
	MinHealthyTime Duration `yaml:"minHealthyTime" json:"minHealthyTime,omitempty"`
	// Deadline is how long a release may take to become healthy once it was unpacked or compiled and
	// started; 0 means 2 min, and with a MinHealthyTime of no less than that so much more.
	Deadline Duration `yaml:"deadline" json:"deadline,omitempty"`
}

// HTTPProbe asks the workload over HTTP on the loopback interface; any status from 200 to 399 is healthy.
type HTTPProbe struct {
	Port     int      `yaml:"port" json:"port,omitempty"` // 0 means the workload's own
	Path     string   `yaml:"path" json:"path,omitempty"` // begins with '/'
	Interval Duration `yaml:"interval" json:"interval,omitempty"`
	Timeout  Duration `yaml:"timeout" json:"timeout,omitempty"`
}

// Strategy says in which steps a release goes out.
type Strategy struct {
	Steps []Step `yaml:"steps" json:"steps,omitempty"`
	// MaxUnavailable is how many nodes of a site may change from one version to another at once, by the word of the node
	// that leads it; 0 means all.
	MaxUnavailable int `yaml:"maxUnavailable" json:"maxUnavailable,omitempty"`
}

// Step is one stage of a rollout. The one step that exists is all targets at once, {percent: 100}.
type Step struct {
	Percent int `yaml:"percent" json:"percent,omitempty"`
}

// Defaults of what a manifest leaves out.
const (
	DefaultTimeout       = 10 * time.Second
	DefaultMemory        = 64 << 20
	DefaultDeadline      = 2 * time.Minute
	DefaultProbePath     = "/"
	DefaultProbeInterval = time.Second
	DefaultProbeTimeout  = 3 * time.Second
)

// Defaulted returns the spec with every value that was left out filled in.
func (s Spec) Defaulted() Spec {
	fill(&s.Priority, PriorityNormal)
	fill(&s.Run.Timeout, Duration(DefaultTimeout))
	fill(&s.Run.Resources.Memory, DefaultMemory)
	fill(&s.Health.Deadline, s.Health.defaultDeadline())
	if s.Health.HTTP != nil {
		p := *s.Health.HTTP
		fill(&p.Path, DefaultProbePath)
		fill(&p.Interval, Duration(DefaultProbeInterval))
		fill(&p.Timeout, Duration(DefaultProbeTimeout))
		fill(&p.Port, s.Run.Port)
		s.Health.HTTP = &p
	}
	if len(s.Strategy.Steps) == 0 {
		s.Strategy.Steps = []Step{{Percent: 100}}
	}
	return s
}

// defaultDeadline leaves time before what has to be proved.
func (h Health) defaultDeadline() Duration {
	if h.MinHealthyTime < Duration(DefaultDeadline) {
		return Duration(DefaultDeadline)
	}
	return min(h.MinHealthyTime, math.MaxInt64-Duration(DefaultDeadline)) + Duration(DefaultDeadline)
}

func fill[T comparable](v *T, with T) {
	var zero T
	if *v == zero {
		*v = with
	}
}

// DecodeSpec reads the JSON form of a spec, as strictly as Parse reads YAML, and checks it.
func DecodeSpec(data []byte) (Spec, error) {
	var s Spec
	if err := canon.ReadJSON(data, &s); err != nil {
		return Spec{}, fmt.Errorf("decode deployment spec: %w", err)
	}
	if problems := s.problems(); len(problems) > 0 {
		return Spec{}, fmt.Errorf("decode deployment spec: %s: %s", problems[0].field, problems[0].text)
	}
	return s, nil
}
