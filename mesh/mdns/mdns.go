// Package mdns finds nodes of the same fleet on the LAN by multicast DNS. It is an adapter of
// libp2p/zeroconf for mesh.Discovery.
//
// A node announces the service "_selvage-<first 8 hex digits of the fleet's ID>._udp" with its
// multiaddrs as TXT records, so fleets that share a LAN do not meet. What is heard is only an
// address to try: who answers there has to prove its key and show its credential.
package mdns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/zeroconf/v2"

	"selvage/internal/ident"
	"selvage/mesh"
)

// Discovery announces and finds nodes of one fleet.
type Discovery struct{ Fleet string } // the fleet's ID in hex

var _ mesh.Discovery = Discovery{}

const (
	domain   = "local"
	prefix   = "addr="
	maxText  = 255 // bytes of a TXT string (RFC 1035, 3.3)
	maxTexts = 8   // addresses that are taken from one announcement
	// maxHeard is how many announcements one browser takes: it keeps each for as long as it says itself, and anybody on the LAN can
	// make them up. At the bound it ends, and another begins.
	maxHeard = 1024
	retry    = time.Minute
)

var (
	errNoAddress   = errors.New("no address on the LAN to announce")
	errNoMulticast = errors.New("no network interface does multicast")
)

// Start implements mesh.Discovery.
func (d Discovery) Start(self ident.NodeID, addrs []string, found func(string)) (func(), error) {
	texts, ips, port := announcement(addrs)
	if len(texts) == 0 {
		return nil, fmt.Errorf("announce on the LAN: %w", errNoAddress)
	}
	if !hasMulticast() {
		return nil, fmt.Errorf("announce on the LAN: %w", errNoMulticast)
	}
	service, name := d.service(), strings.ToLower(self.Short())
	server, err := zeroconf.RegisterProxy(name, service, domain, port, name, ips, texts, nil)
	if err != nil {
		return nil, fmt.Errorf("announce on the LAN: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { browse(ctx, service, found) })
	return func() {
		cancel()
		wg.Wait()
		server.Shutdown()
	}, nil
}

func (d Discovery) service() string { return fmt.Sprintf("_selvage-%.8s._udp", d.Fleet) }

// announcement picks what to tell of a host's multiaddrs: TXT strings, and what DNS-SD wants
// besides. The loopback interface is of no use to others.
func announcement(addrs []string) (texts, ips []string, port int) {
	for _, a := range addrs {
		ip, p, ok := endpoint(a)
		if ok && !ip.IsLoopback() && len(prefix+a) <= maxText {
			texts, ips, port = append(texts, prefix+a), append(ips, ip.String()), p
		}
	}
	return texts, ips, port
}

// hasMulticast reports whether it makes sense to try: zeroconf would write to the standard logger.
func hasMulticast() bool {
	all, err := net.Interfaces()
	if err != nil {
		return false
	}
	for _, i := range all {
		if i.Flags&net.FlagUp != 0 && i.Flags&net.FlagMulticast != 0 {
			return true
		}
	}
	return false
}

// browse looks for others until ctx ends. A browser ends early where a family of addresses is
// missing, or when the network goes: the others are tried, and then all again after a while.
func browse(ctx context.Context, service string, found func(string)) {
	for ctx.Err() == nil {
		for _, traffic := range []zeroconf.IPType{zeroconf.IPv4AndIPv6, zeroconf.IPv4, zeroconf.IPv6} {
			browseOnce(ctx, service, traffic, found)
		}
		t := time.NewTimer(retry)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
}

func browseOnce(ctx context.Context, service string, traffic zeroconf.IPType, found func(string)) {
	if ctx.Err() != nil {
		return
	}
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	entries, over := make(chan *zeroconf.ServiceEntry, 64), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { tell(entries, over, found, enough) })
	_ = zeroconf.Browse(ctx, service, domain, entries, zeroconf.SelectIPTraffic(traffic)) // the next try is the remedy
	close(over)
	wg.Wait()
}

// tell passes on what was found. It ends when Browse has: that closes entries only if it came far
// enough to use them. It calls enough at maxHeard, and takes what comes then, lest Browse waits, without telling of it.
func tell(entries <-chan *zeroconf.ServiceEntry, over <-chan struct{}, found func(string), enough func()) {
	for heard := 0; ; {
		select {
		case <-over:
			return
		case e, ok := <-entries:
			if !ok {
				return
			}
			if heard++; heard >= maxHeard {
				enough()
			}
			if heard > maxHeard {
				continue
			}
			for _, a := range addresses(e.Text) {
				found(a)
			}
		}
	}
}

// addresses picks the multiaddrs out of an announcement, which anybody on the LAN can send: those
// that name an IP address, so that nobody is made to ask DNS.
func addresses(texts []string) (out []string) {
	for _, t := range texts {
		a, ok := strings.CutPrefix(t, prefix)
		if _, _, valid := endpoint(a); ok && valid && len(out) < maxTexts {
			out = append(out, a)
		}
	}
	return out
}

// endpoint takes IP and port out of a multiaddr of UDP.
func endpoint(addr string) (ip net.IP, port int, ok bool) {
	p := strings.Split(addr, "/")
	if len(p) < 5 || p[0] != "" || p[1] != "ip4" && p[1] != "ip6" || p[3] != "udp" {
		return nil, 0, false
	}
	ip = net.ParseIP(p[2])
	port, err := strconv.Atoi(p[4])
	return ip, port, ip != nil && err == nil && port > 0 && port < 1<<16
}
