package function

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"selvage/node/runtime"
)

const (
	maxConnections = 256
	maxRequestHead = 64 << 10 // bytes
	idleTimeout    = time.Minute
	readTimeout    = 30 * time.Second // for the whole of a request
	writeTimeout   = 30 * time.Second // on top of the time to wait and to run
)

// server is a listener that outlives the instances behind it.
type server struct {
	addr    string
	http    *http.Server
	current atomic.Pointer[instance]
	ended   chan struct{} // closed when no connection is accepted any more
}

// listen opens the port that inst's workload asks for and has inst answer there.
func (d *Driver) listen(inst *instance) (*server, error) {
	addr := net.JoinHostPort(d.config.Host, strconv.Itoa(inst.workload.Port))
	l, err := d.config.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	s := &server{addr: l.Addr().String(), ended: make(chan struct{})}
	s.current.Store(inst)
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxRequestHead,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // what it says is about clients
	}
	d.ending.Go(func() {
		defer close(s.ended)
		err := s.http.Serve(netutil.LimitListener(l, maxConnections))
		if !errors.Is(err, http.ErrServerClosed) {
			s.current.Load().condition.Fail(runtime.PhaseFailed, fmt.Sprintf("serve on %s: %v", s.addr, err))
		}
	})
	return s, nil
}

// serve has inst answer from now on.
func (s *server) serve(inst *instance) { s.current.Store(inst) }

// ServeHTTP hands a request to the current instance. One that has just been replaced lets
// nobody in, but then another is current: as often as that happens, it tries again.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	inst := s.current.Load()
	for !inst.enter() {
		next := s.current.Load()
		if next == inst {
			refuse(w, http.StatusServiceUnavailable, "the function is stopping")
			return
		}
		inst = next
	}
	defer inst.leave()
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(readTimeout + inst.timeout + writeTimeout)) // a connection that cannot is not one that blocks
	inst.answer(w, r)
}

// stop lets requests in progress finish until ctx ends, and then ends them.
func (s *server) stop(ctx context.Context) {
	if err := s.http.Shutdown(ctx); err != nil {
		_ = s.http.Close() // its error is of closing a listener that is closed already
	}
	<-s.ended
}

// refuse answers in the function's stead.
func refuse(w http.ResponseWriter, status int, text string) {
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	http.Error(w, "selvage: "+text, status)
}
