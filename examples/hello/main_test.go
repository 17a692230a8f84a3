package main

import (
	"strings"
	"testing"
)

func TestAnswer(t *testing.T) {
	version = "v7"
	for _, c := range []struct{ path, want string }{
		{"/", "Content-Type: text/plain\n\nhello from till-1 at oslo: hello@7 (built as v7)\n"},
		{"/healthz", "Content-Type: text/plain\n\nok\n"},
		{"/echo/a", "Content-Type: text/plain\n\nPOST /echo/a x=1\nbody"},
		{"/nowhere", "Status: 404 Not Found\nContent-Type: text/plain\n\nno page /nowhere\n"},
	} {
		env := map[string]string{
			"PATH_INFO": c.path, "REQUEST_METHOD": "POST", "QUERY_STRING": "x=1",
			"SELVAGE_NODE": "till-1", "SELVAGE_SITE": "oslo", "SELVAGE_RELEASE": "hello@7",
		}
		var out strings.Builder
		if err := answer(&out, strings.NewReader("body"), func(k string) string { return env[k] }); err != nil {
			t.Fatal(err)
		}
		if out.String() != c.want {
			t.Errorf("%s: %q, want %q", c.path, out.String(), c.want)
		}
	}
}
