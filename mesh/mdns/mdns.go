// Package mdns finds nodes of the same fleet on the LAN by multicast DNS. It is an adapter of
// libp2p/zeroconf for mesh.Discovery.
//
// A node announces the service "_selvage-<first 8 hex digits of the fleet's ID>._udp" with its
// multiaddrs as TXT records, so fleets that share a LAN do not meet. What is heard is only an
// address to try: who answers there has to prove its key and show its credential.
package mdns

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/libp2p/zeroconf/v2"

	"selvage/internal/ident"
	"selvage/mesh"
)

// Discovery announces and finds nodes of one fleet.
type Discovery struct{ Fleet string } // the fleet's ID in hex

var _ mesh.Discovery = Discovery{}

const (
	domain = "local"
	prefix = "addr="
)

// Start implements mesh.Discovery.
func (d Discovery) Start(self ident.NodeID, addrs []string, found func(string)) (func(), error) {
	service := fmt.Sprintf("_selvage-%.8s._udp", d.Fleet)
	var txt []string
	port, ips := 0, []string{}
	for _, a := range addrs {
		ip, p, ok := endpoint(a)
		if ok && len(prefix+a) <= 255 { // the bound of a TXT string (RFC 1035, 3.3)
			txt, ips, port = append(txt, prefix+a), append(ips, ip), p
		}
	}
	if len(txt) == 0 {
		return nil, fmt.Errorf("announce on the LAN: no address to announce")
	}
	name := strings.ToLower(self.Short())
	server, err := zeroconf.RegisterProxy(name, service, domain, port, name, ips, txt, nil)
	if err != nil {
		return nil, fmt.Errorf("announce on the LAN: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	entries := make(chan *zeroconf.ServiceEntry, 64)
	var wg sync.WaitGroup
	wg.Go(func() { tell(entries, found) })
	wg.Go(func() {
		_ = zeroconf.Browse(ctx, service, domain, entries) // it ends with ctx, or finds nobody
		cancel()
	})
	return func() {
		cancel()
		wg.Wait()
		server.Shutdown()
	}, nil
}

// tell passes on what was found until the channel is closed, which Browse does at its end.
func tell(entries <-chan *zeroconf.ServiceEntry, found func(string)) {
	for e := range entries {
		for _, t := range e.Text {
			if a, ok := strings.CutPrefix(t, prefix); ok {
				found(a)
			}
		}
	}
}

// endpoint takes IP and port out of a multiaddr of QUIC over UDP.
func endpoint(addr string) (ip string, port int, ok bool) {
	p := strings.Split(addr, "/")
	if len(p) < 5 || p[3] != "udp" || net.ParseIP(p[2]) == nil {
		return "", 0, false
	}
	port, err := strconv.Atoi(p[4])
	return p[2], port, err == nil
}
