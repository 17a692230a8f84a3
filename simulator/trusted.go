package simulator

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"selvage/node/api"
)

// What holds of whom nodes trust: who was dropped, quarantined or revoked, and by which charter they go.

func nobodyDropped(_ *story, _ Machine, n Agent, _ string) string {
	for _, a := range n.Status().Alerts {
		if strings.Contains(a, wasDropped) {
			return a
		}
	}
	return ""
}

// wasDropped is what alerts say of a peer that broke a rule.
const wasDropped = "was dropped"

func onlyDropped(t *story, _ Machine, n Agent, place string) string {
	for _, a := range n.Status().Alerts {
		if strings.Contains(a, wasDropped) && !t.speaksOf(a, place) {
			return a
		}
	}
	return ""
}

// speaksOf reports whether an alert is about a machine of a place: it begins with the name of whom it is about.
func (t *story) speaksOf(alert, place string) bool {
	return slices.ContainsFunc(t.suspects(place), func(m Machine) bool { return strings.HasPrefix(alert, m.NodeName()+" (") })
}

func chartersNeverGoBack(t *story, m Machine, n Agent, _ string) string {
	version, before := n.Status().Charter, t.shown[Place(m)]
	if version < before {
		return fmt.Sprintf("goes by charter %d after it went by %d", version, before)
	}
	t.shown[Place(m)] = version
	return ""
}

func hasCharter(t *story, m Machine, n Agent, _ string) string {
	if t.member(m) == nil {
		return ""
	}
	if version := n.Status().Charter; version != t.charter {
		return fmt.Sprintf("goes by charter %d, the newest is %d", version, t.charter)
	}
	return ""
}

func nobodyQuarantined(_ *story, _ Machine, n Agent, _ string) string {
	for _, o := range n.Nodes() {
		if o.Quarantined != "" && !o.Revoked {
			return fmt.Sprintf("holds that %s %s", o.Name, o.Quarantined)
		}
	}
	return ""
}

// nobodyRevoked is what is wrong with what has to hold of those who are.
const nobodyRevoked = "nobody is revoked"

// shutTime is how long a connection with a revoked node may last after the news of it: what nodes tell, they may
// tell a moment apart.
const shutTime = 2 * time.Second

func revokedShutOut(t *story, m Machine, n Agent, _ string) string {
	now, peers := t.trace.Now(), n.Status().Peers
	for _, o := range n.Nodes() {
		if !o.Revoked {
			continue
		}
		key := Place(m) + " " + o.Node.String()
		since, knew := t.knew[key]
		if !knew {
			t.knew[key], since = now, now
		}
		if now-since > shutTime && slices.ContainsFunc(peers, func(p api.Peer) bool { return p.Node == o.Node }) {
			return fmt.Sprintf("is connected to %s, which it knows to be revoked", o.Name)
		}
	}
	return ""
}

func revokedGetNothing(t *story, _ string) string {
	for _, r := range t.revoked {
		n := r.machine.Agent()
		if n == nil {
			continue
		}
		for _, d := range t.deploys {
			if runs := running(n, d.name); d.at >= r.at && runs.Release == d.release {
				return fmt.Sprintf("%s runs %s, declared after it was revoked", Place(r.machine), d.release)
			}
		}
	}
	return ""
}

func revokedKnowIt(t *story, _ string) string {
	if len(t.revoked) == 0 {
		return nobodyRevoked
	}
	for _, r := range t.revoked {
		if n := r.machine.Agent(); n == nil || n.Status().Revoked == "" {
			return Place(r.machine) + " is down, or does not know that it was revoked"
		}
	}
	return ""
}

func knowsRevoked(t *story, m Machine, n Agent, _ string) string {
	if t.member(m) == nil {
		return ""
	}
	if len(t.revoked) == 0 {
		return nobodyRevoked
	}
	for id, r := range t.revoked {
		if !slices.ContainsFunc(n.Nodes(), func(o api.Node) bool { return o.Node == id && o.Revoked }) {
			return "does not know that " + Place(r.machine) + " is revoked"
		}
	}
	return ""
}

func somebodyDropped(t *story, place string) string {
	for _, m := range t.Machines() {
		n := m.Agent()
		if n == nil {
			continue
		}
		for _, a := range n.Status().Alerts {
			if strings.Contains(a, wasDropped) && t.speaksOf(a, place) {
				return ""
			}
		}
	}
	return "nobody has dropped a peer"
}

// suspects are the machines of a place; "" is everywhere.
func (t *story) suspects(place string) []Machine {
	if place == "" {
		return t.Machines()
	}
	return Placed(t.Machines(), place)
}

func somebodyQuarantined(t *story, place string) string {
	for _, m := range t.Machines() {
		n := m.Agent()
		if n == nil {
			continue
		}
		for _, o := range n.Nodes() {
			if o.Quarantined != "" && slices.ContainsFunc(t.suspects(place), func(s Machine) bool { return s.ID() == o.Node }) {
				return ""
			}
		}
	}
	return "nobody is quarantined"
}
