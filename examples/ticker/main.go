// Ticker is a process: an ordinary program that serves HTTP on the port that PORT names and
// ends when it is told to (SIGTERM).
//
//	GET /         <release> on <node> at <site>: <n> ticks (built as <version>)
//	GET /healthz  ok
//
// Build it for the machines that shall run it, and seed it:
//
//	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=v1" -o bin/ticker-v1 ./examples/ticker
//	selvage seed bin/ticker-v1 --name ticker --version v1 --type process
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// version is set by the linker.
var version = "unset"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Getenv); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends, then lets requests in progress finish.
func run(ctx context.Context, env func(string) string) error {
	port := env("PORT")
	if port == "" {
		return errors.New("PORT is not set")
	}
	begun := time.Now()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%s on %s at %s: %d ticks (built as %s)\n",
			env("SELVAGE_RELEASE"), env("SELVAGE_NODE"), env("SELVAGE_SITE"), int(time.Since(begun).Seconds()), version)
	})
	server := &http.Server{Addr: net.JoinHostPort("127.0.0.1", port), Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	log.Printf("ticker %s serves on port %s", version, port)
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	log.Print("ticker stops")
	return server.Shutdown(last)
}
