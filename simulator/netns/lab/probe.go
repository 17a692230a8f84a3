//go:build linux

package lab

import (
	"errors"
	"fmt"

	"selvage/simulator/network"
)

// Available returns what keeps this process from having labs with all kinds of links; nil if nothing does.
func Available() error {
	l, err := New()
	if err != nil {
		return err
	}
	dev, err := openTUN(l.core, "t0")
	if err == nil {
		err = dev.Close()
	}
	return errors.Join(err, l.Close())
}

// probe makes one of each kind of thing that a lab consists of in a new namespace, and takes it away
// again. What the kernel lacks is an *Unable.
func (s space) probe() error {
	for _, need := range []struct{ tool, make, remove, what string }{
		{"ip", "link add probe type bridge", "link del probe", "bridges (CONFIG_BRIDGE)"},
		{"ip", "rule add pref 100 from 10.0.0.1 to 10.0.0.2 blackhole", "rule del pref 100", "policy routes (CONFIG_IP_MULTIPLE_TABLES)"},
		{"ip", "link add probe type veth peer name peer", "", "pairs of devices (CONFIG_VETH)"},
		{"tc", "qdisc add dev probe root " + tbf(network.Link{Rate: 1e6}), "qdisc del dev probe root", "token buckets (CONFIG_NET_SCH_TBF)"},
		{"ip", "", "link del probe", ""},
	} {
		if need.make != "" {
			if err := batch(string(s), need.tool, need.make); err != nil {
				return &Unable{What: "make a network in namespaces", Lacks: fmt.Sprintf("the kernel of this machine has no %s: %v", need.what, err)}
			}
		}
		if need.remove != "" {
			if err := batch(string(s), need.tool, need.remove); err != nil {
				return err
			}
		}
	}
	return nil
}
