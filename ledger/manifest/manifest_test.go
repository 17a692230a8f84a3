package manifest

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

const good = `apiVersion: selvage/v1
kind: Deployment
metadata: {name: checkout}
spec:
  release: checkout@1.4.0
  selector: {matchLabels: {tier: pos}}
  run:
    args: [--fast]
    env: {LANG: C}
    resources: {memory: 128Mi}
  health:
    http: {port: 8080, path: /healthz}
    minHealthyTime: 10s
    deadline: 2m
  strategy:
    steps: [{percent: 100}]
  singleton: false
  priority: urgent
  notBefore: 2026-12-01T03:00:00+01:00
  windows: ["0 22 * * 1-5 8h Europe/Berlin", "0 2 * * * 1h"]
`

func TestParse(t *testing.T) {
	d, err := Parse("d.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	want := Spec{
		Release:  "checkout@1.4.0",
		Selector: Selector{map[string]string{"tier": "pos"}},
		Run:      Run{Args: []string{"--fast"}, Env: map[string]string{"LANG": "C"}, Resources: Resources{128 << 20}},
		Health: Health{HTTP: &HTTPProbe{Port: 8080, Path: "/healthz"}, MinHealthyTime: Duration(10 * time.Second),
			Deadline: Duration(2 * time.Minute)},
		Strategy:  Strategy{Steps: []Step{{100}}},
		Priority:  PriorityUrgent,
		NotBefore: Time{time.Date(2026, 12, 1, 2, 0, 0, 0, time.UTC)},
		Windows:   []string{"0 22 * * 1-5 8h Europe/Berlin", "0 2 * * * 1h"},
	}
	if diff := cmp.Diff(want, d.Spec); diff != "" {
		t.Error(diff)
	}
	data, err := json.Marshal(d.Spec)
	if err != nil {
		t.Fatal(err)
	}
	back, err := DecodeSpec(data)
	if err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	if diff := cmp.Diff(d.Spec, back); diff != "" {
		t.Error(diff)
	}
}

func TestParseNamesLineAndField(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"unknown field":   {"path: /healthz", "pth: /healthz", "d.yaml:12: spec.health.http.pth: unknown field"},
		"unknown top":     {"kind: Deployment", "kind: Deployment\nfoo: 1", "d.yaml:3: foo: unknown field"},
		"wrong type":      {"port: 8080", "port: http", `d.yaml:12: spec.health.http.port: want a whole number, not "http"`},
		"word for a bool": {"singleton: false", "singleton: once", `d.yaml:17: spec.singleton: want true or false, not "once"`},
		"no priority":     {"priority: urgent", "priority: Urgent", `d.yaml:18: spec.priority: "Urgent" is not a priority: write normal or urgent`},
		"lone and many":   {"steps: [{percent: 100}]\n  singleton: false", "maxUnavailable: 2\n  singleton: true", `d.yaml:16: spec.strategy.maxUnavailable: says nothing of a singleton`},
		"too many":        {"steps: [{percent: 100}]", "maxUnavailable: -1", `d.yaml:16: spec.strategy.maxUnavailable: -1 is not a number of nodes`},
		"list for text":   {"release: checkout@1.4.0", "release: [a]", "d.yaml:5: spec.release: want a text, not a list"},
		"missing release": {"  release: checkout@1.4.0\n", "", "spec.release: is missing"},
		"no version":      {"checkout@1.4.0", "checkout", `d.yaml:5: spec.release: "checkout" does not name a release`},
		"bad name":        {"name: checkout}", "name: ../etc}", `d.yaml:3: metadata.name: "../etc" is not a name`},
		"bad duration":    {"deadline: 2m", "deadline: soon", `d.yaml:14: spec.health.deadline: "soon" is not a duration`},
		"bad bytes":       {"128Mi", "-3", `d.yaml:10: spec.run.resources.memory: "-3" is not an amount`},
		"bad port":        {"port: 8080", "port: 99999", "d.yaml:12: spec.health.http.port: 99999 is not a port"},
		"other strategy":  {"percent: 100", "percent: 10", "d.yaml:16: spec.strategy.steps: percent 10"},
		"given twice":     {"kind: Deployment", "kind: Deployment\nkind: Deployment", "d.yaml:3: kind: is given twice, first on line 2"},
		"not yaml":        {"metadata: {", "metadata: {{", "d.yaml:"},
		"reserved env":    {"LANG: C", "SELVAGE_NODE: x", "d.yaml:9: spec.run.env"},
		"late health":     {"minHealthyTime: 10s", "minHealthyTime: 3m", "d.yaml:13: spec.health.minHealthyTime"},
		"alias":           {"args: [--fast]", "args: &a [--fast]", "d.yaml:8: anchors and aliases"},
		"other kind":      {"kind: Deployment", "kind: Pod", `d.yaml:2: kind: want Deployment, not "Pod"`},
		"no window":       {"0 2 * * * 1h", "0 2 * * * 1y", `d.yaml:20: spec.windows: window "0 2 * * * 1y": "1y" is not how long it stays open`},
		"window no list":  {`["0 22 * * 1-5 8h Europe/Berlin", "0 2 * * * 1h"]`, "nightly", `d.yaml:20: spec.windows: want a list, not "nightly"`},
		"no zone":         {"Europe/Berlin", "Europe/Bonn", `no time zone is called "Europe/Bonn"`},
		"no time":         {"2026-12-01T03:00:00+01:00", "tomorrow", `d.yaml:19: spec.notBefore: "tomorrow" is not a time (like`},
		"no clock time":   {"2026-12-01T03:00:00+01:00", "2026-12-01", `d.yaml:19: spec.notBefore: "2026-12-01" is not a time (like`},
		"two documents":   {"apiVersion", "---\n{}\n---\napiVersion", "d.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(good, c.old, c.new, 1)
			if text == good {
				t.Fatal("the case changes nothing")
			}
			_, err := Parse("d.yaml", []byte(text))
			var me *Error
			if !errors.As(err, &me) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v\nwant it to contain %q", err, c.want)
			}
			if strings.Contains(err.Error(), "manifest.") {
				t.Errorf("%q speaks of Go types", err)
			}
		})
	}
}

func TestEmptyAndHuge(t *testing.T) {
	for _, text := range []string{"", "\n# nothing\n", strings.Repeat("a", MaxSize+1)} {
		if _, err := Parse("d.yaml", []byte(text)); err == nil {
			t.Errorf("%.20q was accepted", text)
		}
	}
}

func TestBytesText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Bytes(rapid.Int64Range(0, 1<<61).Draw(t, "bytes"))
		if back, err := ParseBytes(b.String()); err != nil || back != b {
			t.Fatalf("%d is written %q, which reads as %d, %v", int64(b), b, int64(back), err)
		}
	})
}

func TestSelector(t *testing.T) {
	sel := Selector{map[string]string{"tier": "pos"}}
	if sel.Matches(nil) || !sel.Matches(map[string]string{"tier": "pos", "x": "y"}) || !(Selector{}).Matches(nil) {
		t.Error("selector picks the wrong nodes")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("a: &a [*a, *a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Parse("d.yaml", data)
		if err != nil {
			return
		}
		spec, err := json.Marshal(d.Spec)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeSpec(spec); err != nil {
			t.Fatalf("accepted as YAML but not as JSON: %s: %v", spec, err)
		}
	})
}

func TestExamplesParse(t *testing.T) {
	for _, file := range []string{"../../examples/hello/deployment.yaml"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(file, data); err != nil {
			t.Error(err)
		}
	}
}

func FuzzDecodeSpec(f *testing.F) {
	d, err := Parse("d.yaml", []byte(good))
	if err != nil {
		f.Fatal(err)
	}
	data, err := json.Marshal(d.Spec)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"release":"a@1"}{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := DecodeSpec(data)
		if err != nil {
			return
		}
		out, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := DecodeSpec(out); err != nil || !cmp.Equal(s.Defaulted(), again.Defaulted(), cmpopts.EquateEmpty()) {
			t.Errorf("%s became %s: %v", data, out, err)
		}
	})
}
