//go:build linux

package lab

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"selvage/simulator/network"
)

func TestNames(t *testing.T) {
	if got := newName(7, []string{"other", "selvage-70", "selvage-7.hq"}); got != "selvage-7-1" {
		t.Errorf("the name is %s", got)
	}
	for name, want := range map[string]int{"selvage-7": 7, "selvage-7-1": 7, "selvage-12.hq": 12, "selvage-12-3.hq.n0": 12,
		"selvage-": 0, "selvage-x": 0, "selvage-0": 0, "other-7": 0, "selvage": 0} {
		if pid, ok := owner(name); ok != (want > 0) || ok && pid != want {
			t.Errorf("owner(%s) = %d, %v; want %d", name, pid, ok, want)
		}
	}
}

// TestParts: the kernel has rate and queue, unless something else is about the queue too.
func TestParts(t *testing.T) {
	late := network.Link{Latency: time.Second}
	for what, c := range map[string]struct {
		link   network.Link
		bucket bool
		wire   *network.Link
	}{
		"nothing":        {network.Link{}, false, nil},
		"a plain mtu":    {network.Link{MTU: 1500, ReorderBy: 1}, false, nil},
		"rate":           {network.Link{Rate: 1e6, Queue: 1e5}, true, nil},
		"latency":        {late, false, &late},
		"rate, latency":  {network.Link{Rate: 1e6, Queue: 1e5, Latency: time.Second}, true, &late},
		"rate and codel": {network.Link{Rate: 1e6, CoDel: true}, false, &network.Link{Rate: 1e6, CoDel: true}},
	} {
		bucket, wire := parts(c.link)
		if bucket != c.bucket || (wire == nil) != (c.wire == nil) || wire != nil && *wire != *c.wire {
			t.Errorf("%s: bucket %v, wire %+v; want %v, %+v", what, bucket, wire, c.bucket, c.wire)
		}
	}
}

func TestCheck(t *testing.T) {
	for what, c := range map[string]struct {
		cfg  network.SiteConfig
		want string // "" if it can be
	}{
		"plain":      {network.SiteConfig{LAN: network.Link{Latency: 200 * time.Microsecond, ReorderBy: 1}}, ""},
		"slow lan":   {network.SiteConfig{LAN: network.Link{Latency: 5 * time.Millisecond}}, "(lan)"},
		"lossy lan":  {network.SiteConfig{LAN: network.Link{Loss: 0.1}}, "(lan)"},
		"nat":        {network.SiteConfig{NAT: network.Symmetric}, "(uplink nat)"},
		"jumbo":      {network.SiteConfig{Up: network.Link{MTU: 9000}}, "(uplink mtu)"},
		"everything": {network.SiteConfig{Down: network.Link{Rate: 1e6, Loss: 0.1, CoDel: true, Duty: network.Duty{Up: 1, Every: 2}}}, ""},
	} {
		err := Check(c.cfg)
		var u *Unable
		if (err == nil) != (c.want == "") || err != nil && (!errors.As(err, &u) || u.Hint == "" || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", what, err, c.want)
		}
	}
}

// TestCuts: what a cut is between does not arrive, and all else does.
func TestCuts(t *testing.T) {
	l := newLab(t)
	x, y := addSite(t, l, "x", network.SiteConfig{}, 2), addSite(t, l, "y", network.SiteConfig{}, 1)
	hosts := []*Host{x.Host("a"), x.Host("b"), y.Host("a")}
	var socks []*net.UDPConn
	for _, h := range hosts {
		socks = append(socks, listen(t, h))
	}
	// xa, xb, ya: the pairs that a packet does not get through.
	for what, c := range map[string]struct {
		from, to Place
		oneWay   bool
		dropped  string
	}{
		"two sites":             {x, y, false, "xa>ya xb>ya ya>xa ya>xb"},
		"one way":               {x, y, true, "xa>ya xb>ya"},
		"a site from all":       {x, Anywhere, false, "xa>ya xb>ya ya>xa ya>xb"},
		"a host from all":       {hosts[0], Anywhere, false, "xa>xb xa>ya xb>xa ya>xa"},
		"two hosts of a site":   {hosts[0], hosts[1], true, "xa>xb"},
		"a host, a site":        {hosts[0], y, false, "xa>ya ya>xa"},
		"a host, its site":      {hosts[0], x, false, "xa>xb xb>xa"},
		"a site from itself":    {x, x, false, "xa>xb xb>xa"},
		"a host of another one": {y, hosts[1], true, "ya>xb"},
	} {
		cut, err := l.Cut(c.from, c.to, c.oneWay)
		if err != nil {
			t.Fatal(err)
		}
		again, err := l.Cut(c.from, c.to, c.oneWay)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(again.Heal(), again.Heal()); err != nil {
			t.Error(err)
		}
		if got := dropped(hosts, socks, c.dropped); got != c.dropped {
			t.Errorf("%s: dropped %s, want %s", what, got, c.dropped)
		}
		if err := cut.Heal(); err != nil {
			t.Error(err)
		}
		if got := dropped(hosts, socks, ""); got != "" {
			t.Errorf("%s: when healed, dropped %s", what, got)
		}
	}
	// A host that comes later is cut as the others.
	if _, err := l.Cut(x, y, false); err != nil {
		t.Fatal(err)
	}
	late, err := x.AddHost("late")
	if err != nil {
		t.Fatal(err)
	}
	if ok, _ := arrives(t, listen(t, late), socks[2]); ok {
		t.Error("a host that came after the cut is not cut off")
	}
}

// dropped sends a packet each way between all hosts, and tells which did not arrive: at once, if they
// are those that are expected, else after a while.
func dropped(hosts []*Host, socks []*net.UDPConn, want string) string {
	name := func(i int) string { return hosts[i].site.name + hosts[i].name }
	missing := map[string]bool{}
	sent := fmt.Sprint(time.Now().UnixNano())
	for i := range hosts {
		for j := range hosts {
			if way := name(i) + ">" + name(j); i != j {
				missing[way] = true
				_, _ = socks[i].WriteTo([]byte(sent+" "+way), socks[j].LocalAddr()) // one that is not sent does not arrive
			}
		}
	}
	got := ""
	for range 20 {
		for j := range hosts {
			_ = socks[j].SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			for b := make([]byte, 100); ; {
				n, _, err := socks[j].ReadFrom(b)
				if err != nil {
					break
				}
				if way, ok := strings.CutPrefix(string(b[:n]), sent+" "); ok {
					delete(missing, way)
				}
			}
		}
		if got = strings.Join(slices.Sorted(maps.Keys(missing)), " "); got == want {
			break
		}
	}
	return got
}

// TestUplink: what a link says happens to packets and can be changed; what crosses it is counted.
func TestUplink(t *testing.T) {
	l := newLab(t)
	x := addSite(t, l, "x", network.SiteConfig{Up: network.Link{Rate: 8e6, Latency: 30 * time.Millisecond}, Down: network.Link{Latency: 10 * time.Millisecond}}, 1)
	y := addSite(t, l, "y", network.SiteConfig{Up: network.Link{Rate: 8e6}}, 1)
	a, b := listen(t, x.Host("a")), listen(t, y.Host("a"))
	arrives(t, a, b) // ARP
	arrives(t, b, a)
	for what, c := range map[string]struct {
		from, to *net.UDPConn
		want     time.Duration
	}{"up": {a, b, 30 * time.Millisecond}, "down": {b, a, 10 * time.Millisecond}} {
		if ok, took := quickest(t, c.from, c.to); !ok || took < c.want || took > c.want+20*time.Millisecond {
			t.Errorf("%s: arrives %v, after %v; want %v", what, ok, took, c.want)
		}
	}
	before, err := x.Counters()
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := a.WriteTo(make([]byte, 1000), b.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(100 * time.Millisecond)
	after, err := x.Counters()
	if err != nil {
		t.Fatal(err)
	}
	if p, n := after.Up.Packets-before.Up.Packets, after.Up.Bytes-before.Up.Bytes; p != 10 || n != 10*(1000+network.Headers) {
		t.Errorf("ten packets of 1028 bytes are counted as %d and %d", p, n)
	}
	other, err := y.Counters()
	if err != nil {
		t.Fatal(err)
	}
	if other.Down.Bytes < after.Up.Bytes || other.Down.Bytes > after.Up.Bytes+500 { // ARP
		t.Errorf("what went up, %d bytes, came down as %d", after.Up.Bytes, other.Down.Bytes)
	}
	if err := x.SetUplink(network.Link{Loss: 1}, network.Link{}); err != nil {
		t.Fatal(err)
	}
	for b.SetReadDeadline(time.Now()) == nil {
		if _, _, err := b.ReadFrom(make([]byte, 2000)); err != nil {
			break
		}
	}
	if ok, _ := quickest(t, a, b); ok {
		t.Error("a link that loses all has not")
	}
	if ok, took := quickest(t, b, a); !ok || took > 10*time.Millisecond {
		t.Errorf("a link without latency any more: %v, %v", ok, took)
	}
}

// TestClose: nothing is left, and nothing runs there any more; nor of a lab whose process is gone.
func TestClose(t *testing.T) {
	l := newLab(t)
	h := addSite(t, l, "x", network.SiteConfig{}, 1).Host("a")
	sleep := exec.Command("sleep", "1000")
	if err := h.Start(sleep); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := sleep.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the process ended with %v", err)
	}
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	stale := fmt.Sprintf("selvage-%d.x", dead.Process.Pid)
	if _, err := tool("", "ip", "netns", "add", stale); err != nil {
		t.Fatal(err)
	}
	next := newLab(t)
	names, err := list()
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(names, stale) || slices.Contains(names, h.site.lab.String()+".x") {
		t.Errorf("there still is one of %s and the lab of before: %v", stale, names)
	}
	if !slices.Contains(names, next.String()) || !strings.HasPrefix(next.String(), fmt.Sprint(prefix, os.Getpid())) {
		t.Errorf("the new lab %s is not there: %v", next, names)
	}
}
