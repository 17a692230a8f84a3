// Command selvage-replay plays one scenario, as the guest of package simulator/replay: built for
// wasip1, it sees a scenario on stdin, randomness and a clock that its host makes up, and nothing else.
//
//	stdin   one JSON object: the scenario as 'selvage sim run' reads it, and what is wanted of it
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

// order is what is wanted; package simulator/replay writes it.
type order struct {
	Scenario string         `json:"scenario"`
	Record   bool           `json:"record"`
	Window   simulator.Span `json:"window"`
}

// told is how a story went; package simulator/replay reads it.
type told struct {
	Result simulator.Result  `json:"result"`
	Events []simulator.Event `json:"events"`
	Record *simulator.Record `json:"record,omitempty"`
	Error  string            `json:"error,omitempty"` // why it was not played to its end
}

func play(in io.Reader, out, progress io.Writer) error {
	var o order
	if err := json.NewDecoder(in).Decode(&o); err != nil {
		return err
	}
	s, err := scenario.Parse("scenario", []byte(o.Scenario), simulator.Invariants())
	if err != nil {
		return err
	}
	lines := json.NewEncoder(progress)
	r, err := native.Run(context.Background(), s, simulator.Options{Record: o.Record, Window: o.Window, Progress: func(p simulator.Progress) {
		_ = lines.Encode(p) // the host is the only one who reads it
	}})
	t := told{Result: r, Events: r.Events, Record: r.Record}
	if err != nil {
		t.Error = err.Error()
	}
	return json.NewEncoder(out).Encode(t)
}
