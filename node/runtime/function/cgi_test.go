package function

import (
	"maps"
	"net/http/httptest"
	"strings"
	"testing"

	"selvage/node/runtime"
)

func TestEnvironment(t *testing.T) {
	r := httptest.NewRequest("POST", "http://till:8080/a/b?q=1", nil)
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set("X-Thing", "yes")
	r.Header.Set("Proxy", "evil:80")
	r.Header["X_thing"] = []string{"no"}
	r.Header["Cookie"] = []string{"a=1", "b=2"}
	r.RemoteAddr = "10.0.0.9:1234"
	w := runtime.Workload{Release: "app@1", Node: "n", Site: "s", Env: map[string]string{"MINE": "1", "REQUEST_METHOD": "LIE", "SELVAGE_EPOCH": "99"}}
	got, err := environment(w, 0, r, 5)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"MINE": "1", "GATEWAY_INTERFACE": "CGI/1.1", "SERVER_SOFTWARE": "selvage", "SERVER_PROTOCOL": "HTTP/1.1",
		"SERVER_NAME": "till", "SERVER_PORT": "8080", "REMOTE_ADDR": "10.0.0.9", "REQUEST_METHOD": "POST",
		"REQUEST_URI": "/a/b?q=1", "PATH_INFO": "/a/b", "QUERY_STRING": "q=1",
		"CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": "5", "HTTP_CONTENT_TYPE": "text/plain",
		"HTTP_HOST": "till:8080", "HTTP_X_THING": "yes", "HTTP_COOKIE": "a=1; b=2",
		"SELVAGE_RELEASE": "app@1", "SELVAGE_NODE": "n", "SELVAGE_SITE": "s",
	}
	if !maps.Equal(got, want) {
		t.Errorf("environment\n%v, want\n%v", got, want)
	}
	if got, err = environment(w, 71, r, 5); err != nil || got["SELVAGE_EPOCH"] != "71" {
		t.Errorf("a singleton is told the epoch %q, %v", got["SELVAGE_EPOCH"], err)
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		in     string
		status int // 0: refused
		body   string
	}{
		{"Content-Type: a/b\n\nbody", 200, "body"},
		{"Content-Type: a/b\r\n\r\nbody\n\n", 200, "body\n\n"},
		{"Status: 204 No Content\n\n", 204, ""},
		{"status:404\n\n", 404, ""},
		{"Location: /there\n\n", 302, ""},
		{"Location: /there\nStatus: 301 Moved\n\n", 301, ""},
		{"Content-Type: a/b\nContent-Length: 99\n\nbody", 200, "body"},
		{"", 0, ""},
		{"\n", 0, ""},
		{"hello world", 0, ""},
		{"hello world\n\n", 0, ""},
		{"Content-Type: a/b\nbody", 0, ""},
		{"X: y\n\nbody", 0, ""},
		{"Status: 100 Continue\n\n", 0, ""},
		{"Status: ok\n\n", 0, ""},
		{"Status: 200\nStatus: 201\n\n", 0, ""},
		{"Bad Name: x\nContent-Type: a/b\n\n", 0, ""},
		{"Content-Type: a\x01b\n\n", 0, ""},
		{strings.Repeat("X: y\n", maxHeaderLines+1) + "\n", 0, ""},
		{"X: " + strings.Repeat("y", maxHeaderBytes) + "\n\n", 0, ""},
	} {
		resp, err := parse([]byte(c.in))
		if err != nil != (c.status == 0) || resp.status != c.status || string(resp.body) != c.body {
			t.Errorf("parse(%.60q) = %d %q, %v; want %d %q", c.in, resp.status, resp.body, err, c.status, c.body)
		}
		if err == nil && resp.header.Get("Content-Length") != "" {
			t.Errorf("parse(%.60q) kept Content-Length", c.in)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\nbody"))
	f.Add([]byte("Location: /x\n\n"))
	f.Add([]byte(":\n\n"))
	f.Fuzz(func(t *testing.T, out []byte) {
		resp, err := parse(out)
		if err != nil {
			return
		}
		if resp.status < 200 || resp.status > 599 {
			t.Fatalf("status %d", resp.status)
		}
		if !strings.HasSuffix(string(out), string(resp.body)) {
			t.Fatal("the body is no tail of the output")
		}
		w := httptest.NewRecorder()
		maps.Copy(w.Header(), resp.header)
		w.WriteHeader(resp.status) // panics on what HTTP does not allow
	})
}
