package process

import (
	"testing"
	"time"

	"selvage/node/runtime"
	"selvage/node/runtime/runtimetest"
)

// The link does not stay when its guard is killed: the node takes it away itself.
func TestKeptLinkOutlivesNoGuard(t *testing.T) {
	i, link := putInPlace(t, runtimetest.NewLease(time.Hour))
	killGuard(t, link)
	runtimetest.Await(t, i, func(s runtime.Status) bool { return s.Phase == runtime.PhaseExited })
	if isThere(t, link) {
		t.Error("the link is in place, and nobody keeps it")
	}
}
