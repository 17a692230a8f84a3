//go:build unix

package main

import (
	"io"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestHangup: a terminal that is closed interrupts what was begun at it. It would end only this program otherwise, and leave what it has
// started, made, or holds.
func TestHangup(t *testing.T) {
	nobodyTypes(t)
	dir := pretend(t, func(_ http.ResponseWriter, r *http.Request) {
		_ = syscall.Kill(os.Getpid(), syscall.SIGHUP)
		_, _ = io.Copy(io.Discard, r.Body)
	})
	ended := make(chan int, 1)
	go func() { ended <- run([]string{"--dir", dir, "import", "-"}, io.Discard, io.Discard) }()
	select {
	case code := <-ended:
		if code != exitInterrupted {
			t.Errorf("exit code %d", code)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on")
	}
}
