package distribute

import (
	"io"
	"time"

	"selvage/distribute/planner"
)

// pulse tells the plan that bytes are coming, when chunks take long: as Planner.Alive has it.
type pulse struct {
	r     io.Reader
	every func(now time.Time)
	told  time.Time
	bytes int
}

func (p *pulse) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if p.bytes += n; p.bytes < planner.SignBytes {
		return n, err
	}
	if now := time.Now(); now.Sub(p.told) >= planner.SignEvery {
		p.every(now)
		p.told, p.bytes = now, 0
	}
	return n, err
}
