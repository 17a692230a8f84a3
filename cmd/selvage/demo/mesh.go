package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"selvage/node/api"
)

const (
	nodesPerSite = 3
	uplinkRate   = "8mbit" // each way, of each site
	grace        = 5 * time.Second
	askEvery     = 200 * time.Millisecond // nine nodes answer out of the two cores that they share
)

// member is one node of the demo: a process and its state directory.
type member struct {
	name, site, dir string
	listen          string // after the first start, the address it was given
	cmd             *exec.Cmd
	exited          chan error
}

// fleet is all of them.
type fleet struct {
	exe     string // the program
	dir     string
	members []*member
}

func (f *fleet) site(s string) []*member {
	var out []*member
	for _, m := range f.members {
		if m.site == s {
			out = append(out, m)
		}
	}
	return out
}

func (f *fleet) member(name string) *member {
	for _, m := range f.members {
		if m.name == name {
			return m
		}
	}
	panic("demo: no node is called " + name)
}

// operatorKey is where init left it.
func (f *fleet) operatorKey() string { return filepath.Join(f.members[0].dir, "operator.key") }

// run runs one command of the program as a person would, and returns what it printed.
func (f *fleet) run(ctx context.Context, m *member, args ...string) (string, error) {
	args = append([]string{"--dir", m.dir}, args...)
	cmd := exec.CommandContext(ctx, f.exe, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("selvage %s: %w: %s", strings.Join(args[2:], " "), err, strings.TrimSpace(errs.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

func (m *member) client() *api.Client { return api.NewClient(filepath.Join(m.dir, "selvage.sock")) }

// get asks one node.
func get[T any](ctx context.Context, m *member, noun string, query url.Values) (T, error) {
	var v T
	if err := m.client().Get(ctx, noun, query, &v); err != nil {
		return v, fmt.Errorf("ask %s: %w", m.name, err)
	}
	return v, nil
}

// start runs the node's process and returns when it answers.
func (f *fleet) start(ctx context.Context, m *member) error {
	log, err := os.OpenFile(filepath.Join(m.dir, "node.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	m.cmd = exec.Command(f.exe, "--dir", m.dir, "up", "--listen", m.listen, "--lan-discovery=false")
	m.cmd.Stdout, m.cmd.Stderr = log, log
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt at the terminal is the demo's to handle
	if err := m.cmd.Start(); err != nil {
		return err
	}
	m.exited = make(chan error, 1)
	go func() { m.exited <- m.cmd.Wait() }()
	return wait(ctx, 10*time.Second, m.name+" answers", func() (bool, error) {
		select {
		case err := <-m.exited:
			m.exited <- err
			return false, fmt.Errorf("%s ended at once: %w: %s", m.name, err, tail(filepath.Join(m.dir, "node.log")))
		default:
		}
		s, err := get[api.Status](ctx, m, "status", nil)
		if errors.Is(err, api.ErrNotRunning) {
			return false, nil
		}
		m.listen = listenAddress(s.Addresses, m.listen)
		return err == nil, err
	})
}

// listenAddress turns /ip4/127.0.0.1/udp/4001/quic-v1/... into 127.0.0.1:4001, so that a node
// that starts again is found where it was.
func listenAddress(multiaddrs []string, otherwise string) string {
	for _, a := range multiaddrs {
		if p := strings.Split(a, "/"); len(p) > 4 && p[1] == "ip4" && p[3] == "udp" {
			return p[2] + ":" + p[4]
		}
	}
	return otherwise
}

// crash ends the process as a power cut would.
func (m *member) crash() error {
	if err := m.cmd.Process.Kill(); err != nil {
		return err
	}
	<-m.exited
	m.cmd = nil
	return nil
}

// stop ends every process, politely first.
func (f *fleet) stop() {
	for _, m := range f.members {
		if m.cmd != nil {
			_ = m.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
		}
	}
	for _, m := range f.members {
		if m.cmd == nil {
			continue
		}
		select {
		case <-m.exited:
		case <-time.After(grace):
			_ = m.cmd.Process.Kill()
			<-m.exited
		}
		m.cmd = nil
	}
}

// tail returns the end of a log.
func tail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	const most = 1024
	if info, err := f.Stat(); err == nil && info.Size() > most {
		_, _ = f.Seek(-most, io.SeekEnd) // the whole of it will do as well
	}
	b, _ := io.ReadAll(f)
	return strings.TrimSpace(string(b))
}

// wait asks until the answer is yes. What it waited for, and the last error, are in its own error.
func wait(ctx context.Context, limit time.Duration, what string, ask func() (bool, error)) error {
	end := time.Now().Add(limit)
	for {
		ok, err := ask()
		if err != nil {
			return err
		}
		if ok {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("waited %s in vain: %s", limit, what)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(askEvery):
		}
	}
}

// decode reads the JSON that a command printed.
func decode[T any](out string) (T, error) {
	var v T
	err := json.Unmarshal([]byte(out), &v)
	return v, err
}
