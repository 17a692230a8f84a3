package native

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"selvage/distribute"
	"selvage/distribute/httpmirror"
	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
	"selvage/node"
	"selvage/simulator"
	"selvage/simulator/scenario"
)

// mirrors are the web servers of a story, one for each piece of work that makes one. Their connections are pipes, beside the virtual
// network: nodes speak HTTP over them as they do over TCP, shaped and counted by themselves.
type mirrors struct {
	all    []*mirror
	byHost map[string]*mirror
	wg     sync.WaitGroup
}

// mirror is one web server. Until it has a copy of a store it has nothing.
type mirror struct {
	scenario.Mirror
	host   string
	copy   atomic.Pointer[memdisk.FS]
	server *http.Server
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newMirrors(s scenario.Scenario) *mirrors {
	all := &mirrors{byHost: map[string]*mirror{}}
	for _, k := range s.Work {
		if k.Mirror == nil {
			continue
		}
		m := &mirror{Mirror: *k.Mirror, host: fmt.Sprintf("mirror%d.sim", len(all.all)), conns: make(chan net.Conn), closed: make(chan struct{})}
		m.server = &http.Server{Handler: m}
		all.all, all.byHost[m.host+":80"] = append(all.all, m), m
		all.wg.Go(func() { _ = m.server.Serve(m) }) // it ends with close
	}
	return all
}

func (all *mirrors) close() {
	for _, m := range all.all {
		_ = m.server.Close() // nobody asks any more
	}
	all.wg.Wait()
}

// of returns how a machine comes by the mirrors that it may ask.
func (all *mirrors) of(at *machine) func(dial node.DialFunc) []distribute.Mirror {
	return func(dial node.DialFunc) (out []distribute.Mirror) {
		for _, m := range all.all {
			if len(simulator.Placed([]*machine{at}, m.On)) == 0 {
				continue
			}
			h, err := httpmirror.New("http://"+m.host+"/store", dial)
			if err != nil { // the name is ours
				panic(err)
			}
			out = append(out, h)
		}
		return out
	}
}

// dial connects to a mirror; nothing else listens in a simulation.
func (all *mirrors) dial(ctx context.Context, _, address string) (net.Conn, error) {
	m := all.byHost[address]
	if m == nil {
		return nil, errors.New("nothing listens there in a simulation")
	}
	ours, theirs := net.Pipe()
	select {
	case m.conns <- &thinConn{Conn: theirs, rate: m.Rate}:
		return ours, nil
	case <-m.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Mirror implements simulator.Stage.
func (w *world) Mirror(k scenario.Mirror) error {
	from := w.byName[k.Of]
	for _, m := range w.mirrors.all {
		if m.Mirror != k || m.copy.Load() != nil {
			continue
		}
		from.mu.Lock()
		has := from.fs
		from.mu.Unlock()
		fs := memdisk.New(0)
		if err := disk.CopyTree(has, fs, "store"); err != nil {
			return err
		}
		m.copy.Store(fs)
		return nil
	}
	return fmt.Errorf("no server waits for what %s has", k.Of)
}

// maxServed bounds what is served, bytes: a story's blobs are in memory anyway.
const maxServed = 1 << 30

// ServeHTTP implements http.Handler: the store's files, as they are.
func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fs := m.copy.Load()
	if fs == nil {
		http.NotFound(w, r)
		return
	}
	data, err := disk.ReadFile(fs, r.URL.Path[1:], maxServed)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// Accept implements net.Listener.
func (m *mirror) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (m *mirror) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}

// Addr implements net.Listener.
func (m *mirror) Addr() net.Addr { return &net.UnixAddr{Name: m.host} }

// thinConn takes its time for what is written.
type thinConn struct {
	net.Conn
	rate int64 // bits a second; 0: any
}

// Write implements net.Conn.
func (c *thinConn) Write(p []byte) (int, error) {
	if c.rate > 0 {
		time.Sleep(time.Duration(float64(len(p)) * 8 / float64(c.rate) * float64(time.Second)))
	}
	return c.Conn.Write(p)
}

var _ net.Listener = (*mirror)(nil)
