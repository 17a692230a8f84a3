package process

import (
	"bytes"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"selvage/node/runtime"
	"selvage/node/runtime/runtimetest"
)

// The link does not stay when its guard is killed: the node takes it away itself.
func TestKeptLinkOutlivesNoGuard(t *testing.T) {
	i, link := putInPlace(t, runtimetest.NewLease(time.Hour))
	killed := 0
	for _, pid := range children() {
		if line, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline"); bytes.Contains(line, []byte(link)) {
			killed++
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	if killed != 1 {
		t.Fatalf("%d guards of the link", killed)
	}
	runtimetest.Await(t, i, func(s runtime.Status) bool { return s.Phase == runtime.PhaseExited })
	if isThere(t, link) {
		t.Error("the link is in place, and nobody keeps it")
	}
}
