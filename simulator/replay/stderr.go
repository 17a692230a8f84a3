package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"selvage/simulator"
)

// ErrMemory is that a story needs more memory than a guest can have.
var ErrMemory = errors.New("the story needs more memory than the 4 GiB that there are for a replay")

const (
	tellEvery = 200 * time.Millisecond // of progress, in wall time
	maxSaid   = 16 << 10               // bytes: the beginning is kept of what the guest says when it dies
	maxLine   = 64 << 10               // bytes; a longer one is broken
)

// stderr is what the guest writes there: its progress, one JSON object a line, and its last words.
type stderr struct {
	progress func(simulator.Progress) // nil is fine
	last     time.Time                // when it was called
	line     []byte                   // that is not whole yet
	said     strings.Builder
}

func (e *stderr) Write(b []byte) (int, error) {
	e.line = append(e.line, b...)
	for {
		end := bytes.IndexByte(e.line, '\n')
		if end < 0 && len(e.line) < maxLine {
			return len(b), nil
		}
		if end < 0 {
			end = len(e.line) - 1
		}
		e.take(e.line[:end+1])
		e.line = e.line[end+1:]
	}
}

func (e *stderr) take(line []byte) {
	var p simulator.Progress
	switch {
	case line[0] != '{' || json.Unmarshal(line, &p) != nil:
		e.said.Write(line[:min(len(line), maxSaid-e.said.Len())])
	case e.progress != nil && time.Since(e.last) >= tellEvery:
		e.last = time.Now()
		e.progress(p)
	}
}

// explain says why a guest died that ended with err.
func (e *stderr) explain(err error) error {
	said := strings.TrimSpace(e.said.String())
	switch {
	case strings.Contains(said, "out of memory"), strings.Contains(said, "cannot allocate memory"): // the Go runtime's words for it
		return ErrMemory
	case said == "":
		return fmt.Errorf("the guest died: %w", err)
	}
	return fmt.Errorf("the guest died: %s", said)
}
