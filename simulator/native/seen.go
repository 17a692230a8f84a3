package native

import (
	"sync"
	"time"

	"selvage/node"
	"selvage/node/api"
	"selvage/simulator"
)

// seen is a node as the story sees it at one moment. Many checks ask for the same, and after a Settle, while time stands
// still, nothing goes on but the story itself: what the node says once is what it would say again.
type seen struct {
	*node.Node
	at      time.Time
	settled uint64 // world.settled then

	status   answer[api.Status]
	nodes    answer[[]api.Node]
	holdings answer[[]api.Blob]
}

var _ simulator.Agent = (*seen)(nil)

// Status implements simulator.Agent, as do Nodes and Holdings. What they return is shared, and not to be changed.
func (s *seen) Status() api.Status   { return s.status.of(s.Node.Status) }
func (s *seen) Nodes() []api.Node    { return s.nodes.of(s.Node.Nodes) }
func (s *seen) Holdings() []api.Blob { return s.holdings.of(s.Node.Holdings) }

// of reports whether it is what the story would see of a node now.
func (s *seen) of(n *node.Node, settled uint64) bool {
	return s != nil && s.Node == n && s.settled == settled && s.at.Equal(time.Now())
}

// answer is what was asked for once. It is safe for concurrent use.
type answer[T any] struct {
	once  sync.Once
	value T
}

func (a *answer[T]) of(ask func() T) T {
	a.once.Do(func() { a.value = ask() })
	return a.value
}
