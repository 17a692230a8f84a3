//go:build linux

package lab

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"selvage/simulator/network"
)

// Preferences of policy rules. In a host, what is for itself comes after cuts.
const (
	prefCut   = 100
	prefLocal = 150
	prefWire  = 200
)

// etherHeader is what the kernel counts of each packet, and package network does not.
const etherHeader = 14

// maxBurst is how long a bucket takes to fill: what it may be late by, without giving up rate.
const maxBurst = 4 * time.Millisecond

// direction is one direction of an uplink: a device that packets leave by, which may have a bucket, and
// behind it, where they come in, maybe a wire.
type direction struct {
	out     space
	outDev  string
	in      space
	inDev   string
	tun     string
	table   int
	started time.Time

	bucket bool // there is one
	wire   *wire
	before network.Counters // what came before there was a wire; with Ethernet's headers
}

// parts divides a link into what the kernel's bucket does and what a wire has to; wire is nil if nothing is left.
func parts(l network.Link) (bucket bool, wire *network.Link) {
	if l.MTU == network.DefaultMTU {
		l.MTU = 0 // the devices have it
	}
	if l.Reorder == 0 {
		l.ReorderBy = 0
	}
	if l.CoDel || l.Duty != (network.Duty{}) || l.Budget != (network.Budget{}) {
		return false, &l
	}
	bucket = l.Rate > 0
	if l.Rate, l.Queue = 0, 0; l == (network.Link{}) {
		return bucket, nil
	}
	return bucket, &l
}

// set has the direction be like a link. A wire, once there, stays.
func (d *direction) set(l network.Link) error {
	bucket, rest := parts(l)
	if err := d.reel(rest); err != nil {
		return err
	}
	if err := d.shape(bucket, l); err != nil {
		return err
	}
	d.bucket = bucket
	return nil
}

func (d *direction) reel(l *network.Link) (err error) {
	switch {
	case d.wire == nil && l == nil:
		return nil
	case d.wire == nil:
		if d.wire, err = newWire(d.in, d.tun, d.inDev, d.table, *l, d.started); err != nil {
			return err
		}
		d.before.Packets, d.before.Bytes, err = received(d.in, d.inDev)
		return err
	case l == nil:
		l = &network.Link{}
	}
	return d.wire.Set(*l)
}

func (d *direction) shape(bucket bool, l network.Link) error {
	if bucket {
		return batch(string(d.out), "tc", "qdisc replace dev "+d.outDev+" root "+tbf(l))
	}
	if !d.bucket {
		return nil
	}
	return batch(string(d.out), "tc", "qdisc del dev "+d.outDev+" root")
}

// tbf is a link's rate and queue in tc's words. A bucket holds two packets at least; tc counts bytes and bits as we do.
func tbf(l network.Link) string {
	queue := l.Queue
	if queue == 0 {
		queue = network.DefaultQueue(l.Rate)
	}
	burst := max(2*(network.DefaultMTU+etherHeader), int(float64(l.Rate)/8*maxBurst.Seconds()))
	return fmt.Sprintf("stab overhead -%d linklayer ethernet tbf rate %dbit burst %d limit %d", etherHeader, l.Rate, burst, queue)
}

// count returns what crossed the direction: the kernel has counted it where packets come in, and
// the wire, from when there is one.
func (d *direction) count() (c network.Counters, err error) {
	if d.wire == nil {
		c.Packets, c.Bytes, err = received(d.in, d.inDev)
		c.Bytes -= etherHeader * c.Packets
		return c, err
	}
	c = d.wire.Counters()
	c.Packets += d.before.Packets
	c.Bytes += d.before.Bytes - etherHeader*d.before.Packets
	return c, nil
}

// received returns what came in at a device, in packets and in bytes with Ethernet's headers.
func received(in space, dev string) (packets, bytes int64, err error) {
	out, err := tool("", "ip", "-n", string(in), "-s", "link", "show", "dev", dev)
	if err != nil {
		return 0, 0, err
	}
	// A line that begins "RX:" names the columns; the line after it has bytes and packets first.
	lines := strings.Split(out, "\n")
	for i, l := range lines {
		if !strings.HasPrefix(strings.TrimSpace(l), "RX:") || i+1 == len(lines) {
			continue
		}
		if f := strings.Fields(lines[i+1]); len(f) >= 2 {
			bytes, berr := strconv.ParseInt(f[0], 10, 64)
			packets, perr := strconv.ParseInt(f[1], 10, 64)
			if berr == nil && perr == nil {
				return packets, bytes, nil
			}
		}
	}
	return 0, 0, fmt.Errorf("read the counters of %s in %s: ip printed %q", dev, in, out)
}
