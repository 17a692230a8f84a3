package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptServers counts what the web server of each script gave: *atomic.Int64 by *testscript.TestScript.
var scriptServers sync.Map

// serveFiles begins to serve a directory by HTTP, as any static web server does, and says where:
//
//	serve DIR VARIABLE
func serveFiles(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: serve DIR VARIABLE")
	}
	count := new(atomic.Int64)
	files := http.FileServer(http.Dir(ts.MkAbs(args[0])))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		files.ServeHTTP(counting{w, count}, r)
	}))
	ts.Defer(s.Close)
	ts.Setenv(args[1], s.URL)
	scriptServers.Store(ts, count)
	ts.Defer(func() { scriptServers.Delete(ts) })
}

// counting counts what an answer's body has.
type counting struct {
	http.ResponseWriter
	bytes *atomic.Int64
}

func (c counting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.bytes.Add(int64(n))
	return n, err
}

// served fails if what was served is nothing, or more than so many times a file:
//
//	served FILE TIMES
func served(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: served FILE TIMES")
	}
	times, err := strconv.ParseFloat(args[1], 64)
	ts.Check(err)
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	count, ok := scriptServers.Load(ts)
	if !ok {
		ts.Fatalf("nothing is served")
	}
	if n := count.(*atomic.Int64).Load(); n == 0 || float64(n) > times*float64(info.Size()) {
		ts.Fatalf("%d bytes were served, of a file of %d", n, info.Size())
	}
}
