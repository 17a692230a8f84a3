// Command selvage-replay plays one scenario, as the guest of package simulator/replay: built for
// wasip1, it sees a scenario file on stdin, randomness and a clock that its host makes up, and nothing else.
//
//	--from T --to T   the window in which nodes say more; without it, or 0s and 0s, there is none
//	stdin   the scenario, as 'selvage sim run' reads it
//	stderr  one JSON object a line, how far the story is; and what the Go runtime says when it dies
//	stdout  one JSON object, when the story is over: the story with its events and its record, and an error
//
// Build it with 'go run ./internal/wasip1'; 'make build' does.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"os"

	"github.com/libp2p/go-libp2p/gologshim"

	"selvage/simulator"
	"selvage/simulator/native"
	"selvage/simulator/scenario"
)

func main() {
	gologshim.SetDefaultHandler(slog.DiscardHandler) // libp2p is alarmed by what a story does to it
	var window simulator.Span
	flag.DurationVar(&window.From, "from", 0, "when the window begins")
	flag.DurationVar(&window.To, "to", 0, "when it ends")
	flag.Parse()
	if err := play(window, os.Stdin, os.Stdout, os.Stderr); err != nil {
		_, _ = io.WriteString(os.Stderr, "selvage-replay: "+err.Error()+"\n") // the exit code says it too
		os.Exit(1)
	}
}

// told is how a story went; package simulator/replay reads it.
type told struct {
	Story simulator.Whole `json:"story"`
	Error string          `json:"error,omitempty"` // why it was not played to its end
}

func play(window simulator.Span, in io.Reader, out, progress io.Writer) error {
	data, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	s, err := scenario.Parse("scenario", data, simulator.Invariants())
	if err != nil {
		return err
	}
	lines := json.NewEncoder(progress)
	r, err := native.Run(context.Background(), s, simulator.Options{Record: true, Window: window, Progress: func(p simulator.Progress) {
		_ = lines.Encode(p) // the host is the only one who reads it
	}})
	t := told{Story: r.Whole()}
	if err != nil {
		t.Error = err.Error()
	}
	return json.NewEncoder(out).Encode(t)
}
