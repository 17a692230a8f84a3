// Command selvage-replay plays one scenario, as the guest of package simulator/replay: built for
// wasip1, it sees a scenario file on stdin, randomness and a clock that its host makes up, and nothing else.
//
//	stdin   the scenario, as 'selvage sim run' reads it
//	stderr  one JSON object a line, how far the story is; and what the Go runtime says when it dies
//	stdout  one JSON object, when the story is over: result, events, error
//
// Build it with 'go run ./internal/wasip1'; 'make build' does.
package main

import (
	"context"
	"encoding/json"
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
	if err := play(os.Stdin, os.Stdout, os.Stderr); err != nil {
		_, _ = io.WriteString(os.Stderr, "selvage-replay: "+err.Error()+"\n") // the exit code says it too
		os.Exit(1)
	}
}

// told is how a story went; package simulator/replay reads it.
type told struct {
	Result simulator.Result  `json:"result"`
	Events []simulator.Event `json:"events"`
	Error  string            `json:"error,omitempty"` // why it was not played to its end
}

func play(in io.Reader, out, progress io.Writer) error {
	data, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	s, err := scenario.Parse("scenario", data, simulator.Invariants())
	if err != nil {
		return err
	}
	lines := json.NewEncoder(progress)
	r, err := native.Run(context.Background(), s, func(p simulator.Progress) {
		_ = lines.Encode(p) // the host is the only one who reads it
	})
	t := told{Result: r, Events: r.Events}
	if err != nil {
		t.Error = err.Error()
	}
	return json.NewEncoder(out).Encode(t)
}
