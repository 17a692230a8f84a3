package netns

import (
	"context"
	"net/url"
	"sync"
	"time"

	"selvage/node/api"
	"selvage/simulator"
)

// askLimit bounds how long a node may take to answer.
const askLimit = 20 * time.Second

// view is what a node tells of itself: its status of one moment, and what else was asked for after
// that.
type view struct {
	m      *machine
	status api.Status
	// When it was asked for, and when it had come: of the story.
	asked, came time.Duration

	mu    sync.Mutex // held while the node is asked for a list
	blobs []api.Blob
	nodes []api.Node
}

var (
	_ simulator.Agent = (*view)(nil)
	_ simulator.Timed = (*view)(nil)
)

// ask begins a view of a node.
func ask(ctx context.Context, m *machine) (*view, error) {
	v := &view{m: m, asked: m.stage.trace.Now()}
	err := get(ctx, m, "status", nil, &v.status)
	v.came = m.stage.trace.Now()
	return v, err
}

// Asked implements simulator.Timed.
func (v *view) Asked() (from, to time.Duration) { return v.asked, v.came }

// When implements simulator.Timed: all processes of a machine share its clock.
func (v *view) When(at time.Time) time.Duration {
	return v.m.stage.trace.Now() - time.Since(at)
}

func get(ctx context.Context, m *machine, noun string, query url.Values, into any) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	return m.client.Get(ctx, noun, query, into)
}

// Status implements simulator.Agent.
func (v *view) Status() api.Status { return v.status }

// Blobs implements simulator.Agent.
func (v *view) Holdings() []api.Blob { return once(v, "blobs", &v.blobs) }

// Nodes implements simulator.Agent.
func (v *view) Nodes() []api.Node { return once(v, "nodes", &v.nodes) }

// once asks for a list that was not asked for yet. A node that does not answer has said nothing.
func once[T any](v *view, noun string, list *[]T) []T {
	v.mu.Lock()
	defer v.mu.Unlock()
	if *list == nil {
		if err := get(v.m.stage.ctx, v.m, noun, nil, list); err != nil {
			v.m.stage.trace.Note(v.m.String(), "does not answer", "%v", err)
		}
	}
	return *list
}

// Rollout implements simulator.Agent.
func (v *view) Rollout(deployment string) (r api.Rollout, err error) {
	return r, get(v.m.stage.ctx, v.m, "rollout", url.Values{"name": {deployment}}, &r)
}
