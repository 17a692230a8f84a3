package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"selvage/node/api"
)

// play has the command line do something until ctx ends, and returns what it wrote on both streams.
func play(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	root := newRoot(&out, &out)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	return out.String(), err
}

// pretend serves in place of a node, and returns the state directory.
func pretend(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, socketName))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	ended := make(chan error)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		<-ended
	})
	return dir
}

// setStdin has commands read from f.
func setStdin(t *testing.T, f *os.File) {
	old := os.Stdin
	os.Stdin = f
	t.Cleanup(func() { os.Stdin = old })
}

// nobodyTypes has commands wait for standard input.
func nobodyTypes(t *testing.T) {
	t.Helper()
	nobody, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = nobody.Close()
		_ = writer.Close()
	})
	setStdin(t, nobody)
}

// asked is a writer that tells when something was written that ends as wanted.
type asked struct {
	bytes.Buffer
	end  string
	tell func()
}

func (a *asked) Write(p []byte) (int, error) {
	n, err := a.Buffer.Write(p)
	if strings.HasSuffix(a.String(), a.end) {
		a.tell()
	}
	return n, err
}

// TestWaitingForInputEnds: an interrupt ends a command that waits for what nobody types.
func TestWaitingForInputEnds(t *testing.T) {
	nobodyTypes(t)
	ctx, interrupt := context.WithCancel(t.Context())
	reads := func(_ http.ResponseWriter, r *http.Request) {
		interrupt() // it has begun
		_, _ = io.Copy(io.Discard, r.Body)
	}
	dir := pretend(t, reads)
	for _, args := range [][]string{
		{"import", "-"}, // and when it has ended:
		{"join", "-"},
		{"apply", "-f", "-"},
	} {
		ended := make(chan error, 1)
		go func() {
			_, err := play(ctx, append([]string{"--dir", dir}, args...)...)
			ended <- err
		}()
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", args[0], err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s waits on", args[0])
		}
	}
}

// TestSilentNode: the time of 'rollout status' is up, though the node says nothing at all.
func TestSilentNode(t *testing.T) {
	t.Parallel()
	silent := make(chan struct{})
	dir := pretend(t, func(http.ResponseWriter, *http.Request) { <-silent })
	t.Cleanup(func() { close(silent) })
	ended := make(chan error, 1)
	go func() {
		_, err := play(t.Context(), "--dir", dir, "rollout", "status", "app", "--timeout", "10ms")
		ended <- err
	}()
	select {
	case err := <-ended:
		var f *failure
		if !errors.As(err, &f) || !errors.Is(err, api.ErrSilent) && !strings.Contains(err.Error(), "does not answer") || f.hint == "" || f.code != exitFailed {
			t.Errorf("got %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it waits on")
	}
}

// TestCountedEnds: the rest of a request that was refused may still be read, after what is shown has been cleared.
func TestCountedEnds(t *testing.T) {
	var told []int64
	c := &counted{r: strings.NewReader("abc"), told: func(n int64) { told = append(told, n) }}
	one := make([]byte, 1)
	for range 2 {
		if _, err := c.Read(one); err != nil {
			t.Fatal(err)
		}
	}
	c.end()
	if _, err := c.Read(one); err != nil || one[0] != 'c' || len(told) != 2 || told[1] != 2 {
		t.Errorf("%v, read %q, told %v", err, one, told)
	}
}

// TestAnotherUsersNode: a socket that may not be opened is not one on which nobody listens.
func TestAnotherUsersNode(t *testing.T) {
	env := &environment{dir: "there"}
	err := env.explain(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EACCES)})
	var f *failure
	if !errors.As(err, &f) || err.Error() != "the node in there is another user's" || f.hint == "" {
		t.Errorf("got %v", err)
	}
}
