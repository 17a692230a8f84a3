package native

import (
	"sync"

	"selvage/node"
	"selvage/node/api"
	"selvage/simulator"
)

// seen is a node as the story sees it at one moment. Many checks ask for the same, and between two Settles nothing goes
// on but the story itself: what the node says once is what it would say again.
type seen struct {
	*node.Node
	moment uint64 // world.moment when it was made

	status   answer[api.Status]
	nodes    answer[[]api.Node]
	holdings answer[[]api.Blob]
}

var _ simulator.Agent = (*seen)(nil)

// Status implements simulator.Agent, as do Nodes and Holdings. What they return is shared, and not to be changed.
func (s *seen) Status() api.Status   { return s.status.of(s.Node.Status) }
func (s *seen) Nodes() []api.Node    { return s.nodes.of(s.Node.Nodes) }
func (s *seen) Holdings() []api.Blob { return s.holdings.of(s.Node.Holdings) }

// answer is what was asked for once. It is safe for concurrent use.
type answer[T any] struct {
	once  sync.Once
	value T
}

func (a *answer[T]) of(ask func() T) T {
	a.once.Do(func() { a.value = ask() })
	return a.value
}
