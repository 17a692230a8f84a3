package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/libp2p/go-libp2p/gologshim"
	"github.com/spf13/cobra"

	"selvage/internal/disk"
	"selvage/internal/disk/osdisk"
	"selvage/ledger/boltlog"
	"selvage/ledger/lease"
	"selvage/mesh"
	"selvage/mesh/mdns"
	"selvage/node"
	"selvage/node/api"
	"selvage/node/home"
	"selvage/node/runtime"
	"selvage/node/runtime/bundle"
	"selvage/node/runtime/function"
	"selvage/node/runtime/process"
)

const (
	ledgerFile = "ledger.db"
	maxSocket  = 107 // bytes of a unix socket's path (sockaddr_un)
	// stopGrace is how long workloads have to end when the node is told to.
	stopGrace = 15 * time.Second
)

type upOptions struct {
	listen    []string
	mirrors   []string
	discovery bool
	log       string
	drift     uint64
}

func newUp(env *environment) *cobra.Command {
	var o upOptions
	c := &cobra.Command{
		Use:   "up",
		Short: "Run this node in the foreground",
		Long: "Run this node in the foreground, until it is interrupted or told to end (SIGTERM, SIGHUP). It logs on\n" +
			"standard error, a line each; with -o json, one JSON object a line.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return up(c.Context(), env, o) },
	}
	c.Flags().StringArrayVar(&o.listen, "listen", []string{":4747"}, "HOST:PORT (UDP) to listen on for other nodes; port 0 is any free one; can be repeated")
	c.Flags().StringArrayVar(&o.mirrors, "mirror", nil, "URL (http or https) of a copy of a node's store, an OCI image layout, to get blobs from when no node gives them; can be repeated")
	c.Flags().BoolVar(&o.discovery, "lan-discovery", true, "find nodes of the site by multicast DNS")
	c.Flags().Uint64Var(&o.drift, "clock-drift", lease.Defaults().DriftPPM, "by how many millionths the rate of a clock may be off at this site; the same on all its nodes")
	c.Flags().StringVar(&o.log, "log", "info", "what to log on standard error: debug, info, warn or error")
	return c
}

// up runs the node until it is told to stop.
func up(ctx context.Context, env *environment, o upOptions) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.log)); err != nil {
		return usage("--log %q: want debug, info, warn or error", o.log)
	}
	settings := lease.Defaults()
	settings.DriftPPM = o.drift
	if err := settings.Check(); err != nil {
		return usage("--clock-drift %d: %v", o.drift, err)
	}
	if err := checkListen(o.listen); err != nil {
		return err
	}
	mirrors, err := mirrorsAt(o.mirrors)
	if err != nil {
		return err
	}
	logger := slog.New(logHandler(env, level))
	gologshim.SetDefaultHandler(logHandler(env, max(level, slog.LevelWarn))) // libp2p's own, which says much
	f, err := osdisk.Open(env.dir)
	if err != nil {
		return fmt.Errorf("open state directory: %w", err)
	}
	defer f.Close()
	h, err := home.Open(f)
	if err != nil {
		return explainHome(env, err)
	}
	// Holding the ledger's file also keeps a second node out of the directory.
	log, err := boltlog.Open(f.Path(ledgerFile))
	if err != nil {
		return explainHome(env, err)
	}
	defer log.Close()
	socket, err := listenSocket(filepath.Join(env.dir, socketName))
	if err != nil {
		return err
	}
	defer socket.Close()
	run, err := drivers(f, env.dir, logger)
	if err != nil {
		return err
	}
	cfg := node.Config{FS: f, Log: log, Listen: o.listen, Drivers: run, Mirrors: mirrors, Uptime: uptime, Lease: settings, Resident: resident, Version: version, Logger: logger}
	if o.discovery {
		cfg.Discovery = mdns.Discovery{Fleet: h.Fleet.String()}
	}
	n, err := node.Start(cfg)
	if err != nil {
		return explainStart(env, err)
	}
	return serve(ctx, n, socket)
}

// checkListen refuses what is no HOST:PORT. Whether there is such a host is seen later.
func checkListen(all []string) error {
	for _, hostPort := range all {
		_, port, err := net.SplitHostPort(hostPort)
		if err == nil {
			_, err = net.LookupPort("udp", port)
		}
		if err != nil {
			return usage("--listen %q: want HOST:PORT: %v", hostPort, err)
		}
	}
	return nil
}

func logHandler(env *environment, level slog.Level) slog.Handler {
	o := &slog.HandlerOptions{Level: level}
	if env.json() {
		return slog.NewJSONHandler(env.err, o)
	}
	return slog.NewTextHandler(env.err, o)
}

// drivers are those for all types of workload.
func drivers(f disk.FS, dir string, logger *slog.Logger) (map[string]runtime.Driver, error) {
	guard := guardCommand()
	programs, err := process.New(process.Config{FS: f, Root: dir, Guard: guard, Logger: logger})
	if err != nil {
		return nil, err
	}
	return map[string]runtime.Driver{
		runtime.TypeFunction: function.New(function.Config{FS: f, Root: dir, Logger: logger}),
		runtime.TypeProcess:  programs,
		runtime.TypeBundle:   bundle.New(bundle.Config{FS: f, Keeper: process.Keeper{Guard: guard, Root: dir}, Logger: logger}),
	}, nil
}

// serve answers the local API until ctx ends, then takes the node down.
func serve(ctx context.Context, n *node.Node, socket net.Listener) error {
	server := &http.Server{Handler: api.NewHandler(n), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(socket) }()
	var err error
	select {
	case <-ctx.Done():
		_ = server.Close() // it closes the socket; requests in progress are cut
		<-ended
	case err = <-ended:
		err = fmt.Errorf("serve the local API: %w", err)
	}
	last, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	return errors.Join(err, n.Close(last))
}

// listenSocket opens the API's socket, which nobody else may open. The ledger's lock says that a
// socket that is there was left by a crash.
func listenSocket(path string) (net.Listener, error) {
	if len(path) > maxSocket {
		return nil, hinted(fmt.Errorf("the path of the node's socket is %d bytes long, at most %d will do: %s", len(path), maxSocket, path), "choose a state directory with a shorter path")
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("remove old socket: %w", err)
	}
	l, err := privately(func() (net.Listener, error) { return net.Listen("unix", path) })
	if err != nil {
		return nil, fmt.Errorf("open the local API: %w", err)
	}
	return l, nil
}

// explainHome says what to do about a state directory in which no node can run.
func explainHome(env *environment, err error) error {
	err = fmt.Errorf("%s: %w", env.dir, err)
	switch {
	case errors.Is(err, home.ErrNone):
		return hinted(err, "enrol this machine with 'selvage join TICKET', or found a fleet with 'selvage init'")
	case errors.Is(err, home.ErrForgotten):
		return hinted(err, "remove the directory and join with a new ticket: a node that has forgotten what it wrote must not write on under its old name")
	case errors.Is(err, home.ErrForeign):
		return hinted(err, "restore the directory as a whole from one machine, or remove it and join anew; never copy a node to another machine")
	case errors.Is(err, boltlog.ErrInUse):
		return hinted(fmt.Errorf("a node is running in %s already", env.dir), "'selvage status' shows how it does; stop it first, or name another directory with --dir")
	case errors.Is(err, boltlog.ErrCorrupt):
		return hinted(err, "remove the directory and join with a new ticket: a node that has forgotten what it wrote must not write on under its old name")
	case errors.Is(err, disk.ErrFull):
		return hinted(err, "make room on the disk of the state directory")
	}
	return err
}

// explainStart says what to do about a node that cannot come up.
func explainStart(env *environment, err error) error {
	switch {
	case errors.Is(err, home.ErrForgotten), errors.Is(err, boltlog.ErrCorrupt):
		return explainHome(env, err)
	case errors.Is(err, mesh.ErrAddrInUse):
		return hinted(err, "another node may be running; name another address with --listen HOST:PORT, or port 0 for any free one")
	case errors.Is(err, disk.ErrFull):
		return hinted(err, "make room on the disk of the state directory")
	}
	return err
}
