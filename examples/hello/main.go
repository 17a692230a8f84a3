// Hello is a function: a WASM module that answers one HTTP request by CGI/1.1 conventions
// (RFC 3875), with the request in the environment and on stdin, and the answer on stdout.
//
//	GET /         hello from <node> at <site>: <release> (built as <version>)
//	GET /healthz  ok
//	GET /echo...  the method, the path and the query, then the request's body
//
// Build it, seed it, run it:
//
//	GOOS=wasip1 GOARCH=wasm go build -trimpath -ldflags "-s -w -X main.version=v1" -o bin/hello-v1.wasm ./examples/hello
//	selvage seed bin/hello-v1.wasm --name hello --version v1 --type function
//	selvage apply -f examples/hello/deployment.yaml
package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// version is set by the linker.
var version = "unset"

func main() {
	if err := answer(os.Stdout, os.Stdin, os.Getenv); err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1)
	}
}

// answer writes headers, a blank line and a body to w: what CGI asks of a program.
func answer(w io.Writer, body io.Reader, env func(string) string) error {
	path := env("PATH_INFO")
	switch {
	case path == "/" || path == "":
		_, err := fmt.Fprintf(w, "Content-Type: text/plain\n\nhello from %s at %s: %s (built as %s)\n",
			env("SELVAGE_NODE"), env("SELVAGE_SITE"), env("SELVAGE_RELEASE"), version)
		return err
	case path == "/healthz":
		_, err := io.WriteString(w, "Content-Type: text/plain\n\nok\n")
		return err
	case path == "/echo" || strings.HasPrefix(path, "/echo/"):
		if _, err := fmt.Fprintf(w, "Content-Type: text/plain\n\n%s %s %s\n", env("REQUEST_METHOD"), path, env("QUERY_STRING")); err != nil {
			return err
		}
		_, err := io.Copy(w, body)
		return err
	}
	_, err := fmt.Fprintf(w, "Status: 404 Not Found\nContent-Type: text/plain\n\nno page %s\n", path)
	return err
}
