package function

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"selvage/node/runtime"
)

const (
	maxHeaderLines = 100
	maxHeaderBytes = 32 << 10
)

var errNul = errors.New("request holds a zero byte")

// environment returns the variables of RFC 3875 section 4.1 for a request with a body of
// length bytes, to a singleton with that token if it is not 0. The workload's own variables come first, so that the request's win.
func environment(w runtime.Workload, epoch uint64, r *http.Request, length int) (map[string]string, error) {
	env := make(map[string]string, len(w.Env)+len(r.Header)+16)
	for k, v := range w.Env {
		env[k] = v
	}
	for name, values := range r.Header {
		if key, ok := headerVariable(name); ok {
			env[key] = strings.Join(values, ", ")
		}
	}
	if cookies := r.Header["Cookie"]; len(cookies) > 0 {
		env["HTTP_COOKIE"] = strings.Join(cookies, "; ")
	}
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = r.Host, ""
	}
	if port == "" {
		port = "80"
	}
	remote, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		remote = r.RemoteAddr
	}
	env["HTTP_HOST"] = r.Host
	env["GATEWAY_INTERFACE"] = "CGI/1.1"
	env["SERVER_SOFTWARE"] = "selvage"
	env["SERVER_PROTOCOL"] = r.Proto
	env["SERVER_NAME"] = host
	env["SERVER_PORT"] = port
	env["REMOTE_ADDR"] = remote
	env["REQUEST_METHOD"] = r.Method
	env["REQUEST_URI"] = r.URL.RequestURI()
	env["PATH_INFO"] = r.URL.Path
	env["QUERY_STRING"] = r.URL.RawQuery
	env["CONTENT_TYPE"] = r.Header.Get("Content-Type")
	env["CONTENT_LENGTH"] = ""
	if length > 0 {
		env["CONTENT_LENGTH"] = strconv.Itoa(length)
	}
	env["SELVAGE_RELEASE"] = w.Release
	env["SELVAGE_NODE"] = w.Node
	env["SELVAGE_SITE"] = w.Site
	if delete(env, runtime.EpochVariable); epoch != 0 {
		env[runtime.EpochVariable] = strconv.FormatUint(epoch, 10)
	}
	for _, v := range env {
		if strings.ContainsRune(v, 0) { // a path may, as %00; WASI strings may not
			return nil, errNul
		}
	}
	return env, nil
}

// headerVariable names the variable for a header. Proxy is left out because programs take
// HTTP_PROXY for their own setting (CVE-2016-5385), and names with "_" because they could pass
// for names with "-".
func headerVariable(name string) (string, bool) {
	if name == "Proxy" || strings.Contains(name, "_") {
		return "", false
	}
	return "HTTP_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")), true
}

// response is what a module answered.
type response struct {
	status int
	header http.Header
	body   []byte // the tail of what was parsed, not a copy
}

// parse reads a CGI response: RFC 3875 section 6. Headers that belong to the connection and not
// to the module are dropped; so is Content-Length, since the length is known here.
func parse(out []byte) (response, error) {
	resp := response{header: make(http.Header)}
	rest := out
	for lines := 0; ; lines++ {
		line, after, found := bytes.Cut(rest, []byte("\n"))
		if !found {
			return response{}, errors.New("no blank line after the headers")
		}
		rest = after
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			break
		}
		if lines == maxHeaderLines || len(out)-len(rest) > maxHeaderBytes {
			return response{}, errors.New("too many headers")
		}
		if err := resp.addHeader(string(line)); err != nil {
			return response{}, err
		}
	}
	resp.body = rest
	return resp.complete()
}

func (r *response) addHeader(line string) error {
	name, value, found := strings.Cut(line, ":")
	value = textproto.TrimString(value)
	if !found || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
		return fmt.Errorf("bad header line %.80q", line)
	}
	switch name = http.CanonicalHeaderKey(name); name {
	case "Status":
		code, _, _ := strings.Cut(value, " ")
		n, err := strconv.Atoi(code)
		if err != nil || n < 200 || n > 599 || r.status != 0 {
			return fmt.Errorf("bad status %.80q", value)
		}
		r.status = n
	case "Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "Trailer", "Te", "Proxy-Connection", "Content-Length":
	default:
		r.header.Add(name, value)
	}
	return nil
}

// complete fills in what headers left open, and refuses a response that says nothing of itself.
func (r response) complete() (response, error) {
	switch {
	case r.status != 0:
	case r.header.Get("Location") != "":
		r.status = http.StatusFound
	case r.header.Get("Content-Type") != "":
		r.status = http.StatusOK
	default:
		return response{}, errors.New("none of the headers Status, Location and Content-Type")
	}
	return r, nil
}
