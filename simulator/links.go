package simulator

import (
	"time"

	"selvage/simulator/network"
	"selvage/simulator/scenario"
)

// SiteConfig turns a scenario's site into the network's.
func SiteConfig(s scenario.Site) network.SiteConfig {
	up, down := Links(s.Uplink)
	lan := link(s.LAN)
	if lan.Latency == 0 {
		lan.Latency = lanLatency
	}
	nat := map[string]network.NAT{"cone": network.EndpointIndependent, "symmetric": network.Symmetric}[s.Uplink.NAT]
	return network.SiteConfig{Up: up, Down: down, LAN: lan, NAT: nat}
}

// lanLatency is that of a LAN of which the scenario says nothing: a network without any would
// let the whole site act at one instant.
const lanLatency = 200 * time.Microsecond

// Links are the two directions of an uplink.
func Links(u scenario.Uplink) (up, down network.Link) {
	up = link(u.Link)
	up.Duty = network.Duty(u.Duty)
	up.Budget = network.Budget{Bytes: u.Bytes, Every: u.Per}
	down = up
	up.Rate, down.Rate = u.Up, u.Down
	return up, down
}

func link(l scenario.Link) network.Link {
	return network.Link{Latency: l.Latency, Jitter: l.Jitter, Loss: l.Loss, Burst: network.Burst{P: l.Burst.Bad, R: l.Burst.Good, Bad: l.Burst.Loss},
		Queue: int(l.Queue), CoDel: l.CoDel, MTU: l.MTU, Reorder: l.Reorder, ReorderBy: reorderBy, Duplicate: l.Duplicate}
}

const reorderBy = 5 * time.Millisecond
