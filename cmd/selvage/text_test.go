package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"selvage/node/api"
)

func TestParseRate(t *testing.T) {
	for text, want := range map[string]int64{"8mbit": 1e6, "8Mbit": 1e6, "512kbit": 64000, "1gbit": 125e6, "8000bit": 1000, "0": 0, "0mbit": 0} {
		if got, err := parseRate(text); err != nil || got != want {
			t.Errorf("parseRate(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "8", "fast", "-1mbit", "8mb", "1.5mbit", "7kbit", "99999999gbit"} {
		if got, err := parseRate(text); err == nil {
			t.Errorf("parseRate(%q) = %d", text, got)
		}
	}
}

func TestTexts(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ got, want string }{
		{size(0), "0 B"}, {size(1023), "1023 B"}, {size(1536), "1.5 KiB"}, {size(5 << 40), "5.0 TiB"}, {size(3 << 50), "3072.0 TiB"},
		{age(time.Time{}, now), "never"}, {age(now.Add(-59*time.Second), now), "59s"}, {age(now.Add(-90*time.Minute), now), "1h"},
		{age(now.Add(-72*time.Hour), now), "3d"}, {age(now.Add(time.Minute), now), "0s"},
		{clock(67 * time.Second), "1:07"}, {rate(1e6), "8 Mbit/s"}, {rate(0), "none"}, {short("0123456789abcdef"), "0123456789ab"}, {short("ab"), "ab"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range []string{"0 blobs were bad", "1 blob was bad", "2 blobs were bad"} {
		if got := count(n, "blob") + agree(n, " was", " were") + " bad"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestClassText: what is fetched as most blobs are is not spoken of.
func TestClassText(t *testing.T) {
	for want, b := range map[string]api.Blob{
		"": {Class: "normal"}, ", waits": {Class: "normal", Waits: true}, ", later, waits": {Class: "later", Waits: true}, ", urgent": {Class: "urgent"},
	} {
		if got := classText(b); got != want {
			t.Errorf("%+v: got %q, want %q", b, got, want)
		}
	}
}

// TestProgressInAPipe: lines with a time, at most one a second, and none twice.
func TestProgressInAPipe(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out)
	for range 10 {
		p.Show("10% 1.0 MiB of 10.0 MiB")
	}
	p.End()
	if out.String() != "[0:00] 10% 1.0 MiB of 10.0 MiB\n" {
		t.Errorf("got %q", out.String())
	}
}

func TestMachineName(t *testing.T) {
	if n := machineName(); n == "" || len(n) > 63 || strings.ToLower(n) != n {
		t.Errorf("machineName() = %q", n)
	}
}

func TestParseCap(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "50GB/month": 50e9, "2Gi/month": 2 << 30, "700M/month": 700e6, "1MiB/month": 1 << 20,
		"": -1, "50GB": -1, "-1G/month": -1, "0/month": -1, "50/month": -1, "50GB/week": -1, "99999999999T/month": -1,
	} {
		got, err := parseCap(text)
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q is %d, %v", text, got, err)
		}
	}
}

// TestForeignTextIsPlain: what workloads print, and what other machines say, is a line like any other, and does nothing to a terminal.
func TestForeignTextIsPlain(t *testing.T) {
	const foreign = "last printed: one\ntwo\tthree\x1b]0;title\a\u202e\u009b31m"
	const want = "last printed: one two three\ufffd]0;title\ufffd\ufffd\ufffd31m"
	dir := pretend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/status" {
			_, _ = io.WriteString(w, "[]")
			return
		}
		_ = json.NewEncoder(w).Encode(api.Status{Alerts: []string{"an alert: " + foreign}, Uplink: api.Uplink{Mirrors: []string{foreign}},
			Deployments: []api.Running{{Name: "app", Why: foreign}}})
	})
	for command, times := range map[string]int{"status": 3, "doctor": 2, "uplink": 1} {
		got, err := play(t.Context(), "--dir", dir, command)
		if err != nil || strings.Count(got, want) != times || strings.ContainsAny(got, "\t\a\x1b\u202e\u009b") {
			t.Errorf("%s: %v, prints %q", command, err, got)
		}
	}
}
