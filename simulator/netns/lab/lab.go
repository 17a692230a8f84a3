//go:build linux

package lab

import (
	"errors"
	"fmt"
	"os"
	"time"

	"selvage/simulator/network"
)

// Lab is a network of sites in namespaces of its own. It is not safe for concurrent use, but Counters
// and what hosts do are.
type Lab struct {
	core    space
	started time.Time
	sites   []*Site
	spaces  []space // all of them, core first
	cuts    map[rule]int
}

// New makes the core of a lab; an *Unable says what keeps this machine from having one. It first removes
// what is left of labs whose processes are gone.
func New() (*Lab, error) {
	if os.Geteuid() != 0 {
		return nil, &Unable{What: "make network namespaces", Lacks: "only root may", Hint: "run it with sudo"}
	}
	if err := sweep(); err != nil {
		return nil, fmt.Errorf("remove old labs: %w", err)
	}
	taken, err := list()
	if err != nil {
		return nil, err
	}
	l := &Lab{core: space(newName(os.Getpid(), taken)), started: time.Now(), cuts: map[rule]int{}}
	var u *Unable
	err = l.add(l.core, "link set lo up")
	if err != nil && !errors.As(err, &u) {
		err = &Unable{What: "make network namespaces", Lacks: err.Error(), Hint: "it takes root with all that root may, as containers often have not"}
	}
	if err == nil {
		err = l.core.probe()
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// String returns the name of the core; those of all other namespaces begin with it and a dot.
func (l *Lab) String() string { return string(l.core) }

// add makes a namespace, and runs commands of ip in it.
func (l *Lab) add(s space, lines ...string) error {
	if _, err := tool("", "ip", "netns", "add", string(s)); err != nil {
		return err
	}
	l.spaces = append(l.spaces, s)
	if err := s.prepare(); err != nil {
		return err
	}
	return batch(string(s), "ip", lines...)
}

// Close kills whatever runs in the lab's namespaces and removes them.
func (l *Lab) Close() error {
	for _, s := range l.sites {
		for _, d := range []*direction{&s.up, &s.down} {
			if d.wire != nil {
				d.wire.Close()
			}
		}
	}
	err := remove(l.spaces)
	l.spaces, l.sites = nil, nil
	return err
}

// Site returns the site of a name, or nil.
func (l *Lab) Site(name string) *Site {
	for _, s := range l.sites {
		if s.name == name {
			return s
		}
	}
	return nil
}

// Check returns an *Unable if a lab cannot have such a site.
func Check(cfg network.SiteConfig) error {
	lan := cfg.LAN
	if lan.Latency <= fast {
		lan.Latency = 0
	}
	if lan.MTU == network.DefaultMTU {
		lan.MTU = 0
	}
	if lan.Reorder == 0 {
		lan.ReorderBy = 0
	}
	lan.Queue = 0 // nothing ever waits without a rate
	switch {
	case cfg.NAT != network.NoNAT:
		return &Unable{What: "translate addresses (uplink nat)", Lacks: "sites in namespaces are routed", Hint: "take nat out of the uplink"}
	case lan != (network.Link{}):
		return &Unable{What: "slow down or disturb a LAN (lan)", Lacks: "a LAN is a bridge of the kernel, without limits",
			Hint: "take all out of lan but a latency of at most " + fast.String()}
	}
	for _, l := range []network.Link{cfg.Up, cfg.Down} {
		if err := checkUplink(l); err != nil {
			return err
		}
	}
	return nil
}

// fast is the latency of a LAN for which a bridge will do.
const fast = time.Millisecond

func checkUplink(l network.Link) error {
	switch {
	case l.MTU > network.DefaultMTU:
		return &Unable{What: fmt.Sprintf("send packets of %d bytes (uplink mtu)", l.MTU), Lacks: fmt.Sprintf("the devices take %d", network.DefaultMTU),
			Hint: "take mtu out of the uplink"}
	case l.Rate > 0 && l.Rate < 8:
		return &Unable{What: fmt.Sprintf("shape an uplink to %d bit/s", l.Rate), Lacks: "tc counts bytes a second", Hint: "let it have 8bit at least"}
	}
	return nil
}
