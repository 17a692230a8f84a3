// Package guest is the half of the replay engine that is compiled for wasip1: cmd/selvage-replay is nothing else. Host
// and guest speak JSON over the guest's standard streams:
//
//	stdin   an Order
//	stderr  a simulator.Progress a line, as the story goes; and what the Go runtime says when it dies
//	stdout  a Told, when the story is over
package guest

import (
	"context"
	"encoding/json"
	"io"

	"selvage/simulator"
	"selvage/simulator/native"
	"selvage/simulator/scenario"
)

// Order is what the guest shall play.
type Order struct {
	Scenario string         `json:"scenario"` // as in a file
	Window   simulator.Span `json:"window"`
}

// Told is how the story went.
type Told struct {
	Story simulator.Whole `json:"story"`
	Error string          `json:"error,omitempty"` // why it was not played to its end
}

// Play plays what it is ordered. The story is recorded whether or not anybody wants that, so that it is the same.
func Play(in io.Reader, out, progress io.Writer) error {
	var o Order
	if err := json.NewDecoder(in).Decode(&o); err != nil {
		return err
	}
	s, err := scenario.Parse("scenario", []byte(o.Scenario), simulator.Invariants())
	if err != nil {
		return err
	}
	lines := json.NewEncoder(progress)
	r, err := native.Run(context.Background(), s, simulator.Options{Record: true, Window: o.Window, Progress: func(p simulator.Progress) {
		_ = lines.Encode(p) // the host is the only one who reads it
	}})
	t := Told{Story: r.Whole()}
	if err != nil {
		t.Error = err.Error()
	}
	return json.NewEncoder(out).Encode(t)
}
