package simulator

import (
	"fmt"
	"testing"
	"time"

	"selvage/node/api"
	"selvage/simulator/scenario"
)

// TestBudgetWithoutAnIdeal: what a release cost a site that does not have it in the end is not within any bound.
func TestBudgetWithoutAnIdeal(t *testing.T) {
	const digest = "d1"
	s, n0, n1 := pair()
	s.scenario = scenario.Scenario{Sites: []scenario.Site{{Name: "s"}, {Name: "hq"}}, Budget: scenario.Budget{BlobRatio: 1.1, UplinkRatio: 1.5}}
	s.releases = map[string]release{"app@1": {digest: digest, site: "hq"}}
	d := &deploy{name: "app", release: "app@1"}
	s.deploys = []*deploy{d}
	whole := api.Blob{Digest: digest, Size: 1000, Complete: true, FromUplinkBytes: 1000}
	part := api.Blob{Digest: digest, Size: 1000, FromUplinkBytes: 220}
	for _, c := range []struct {
		what   string
		change func()
		ok     bool
	}{
		{"all of it came", func() { n0.agent.blobs = []api.Blob{whole} }, true},
		{"a part came", func() { n0.agent.blobs = []api.Blob{part} }, false},
		{"it came, and all are down", func() { n0.agent.blobs = []api.Blob{whole}; n0.agent, n1.agent = nil, nil }, false},
		{"nobody there was meant", func() { d.selector = map[string]string{"tier": "pos"} }, true},
		{"it was seeded there", func() { d.selector = nil; s.releases["app@1"] = release{digest: digest, site: "s"} }, true},
		{"another took its place, which came from elsewhere", func() {
			s.releases["app@2"] = release{digest: "d2", site: "hq"}
			s.deploys = append(s.deploys, &deploy{name: "app", release: "app@2"})
		}, false},
		{"that one contradicts itself", func() { s.releases["app@2"] = release{digest: "d2", site: "hq", wrong: true} }, true},
	} {
		c.change()
		u := Uplink{Site: "s"}
		if need, ok := s.needed("s", "app@1"); ok {
			u = Uplink{Site: "s", DownBytes: 1200, BlobBytes: 1000, IdealBytes: need}
		}
		for _, b := range s.budget(Result{Uplinks: []Uplink{u, {Site: "hq"}}}) {
			if b.OK != c.ok {
				t.Errorf("%s: %+v", c.what, b)
			}
		}
	}
}

// TestBudgetOfWhatNobodyNeeded: blobs that came to a site which had to get none are over any bound.
func TestBudgetOfWhatNobodyNeeded(t *testing.T) {
	s, _, _ := pair()
	s.scenario = scenario.Scenario{Sites: []scenario.Site{{Name: "s"}}, Budget: scenario.Budget{BlobRatio: 1.1, UplinkRatio: 1.5}}
	for _, c := range []struct {
		u  Uplink
		ok bool
	}{{Uplink{Site: "s", DownBytes: 1000}, true}, {Uplink{Site: "s", DownBytes: 1000, BlobBytes: 500}, false}} {
		for _, b := range s.budget(Result{Uplinks: []Uplink{c.u}}) {
			if want := c.ok || b.Name == "uplink_ratio"; b.OK != want { // gossip comes anyway
				t.Errorf("%+v: %+v", c.u, b)
			}
		}
	}
}

// TestBound: whichever of the links allows least.
func TestBound(t *testing.T) {
	const mbit = 1_000_000
	const size = 1_000_000
	for _, c := range []struct {
		what          string
		first, others scenario.Uplink
		sites         int
		bound         time.Duration
	}{
		{"no link has a limit", scenario.Uplink{}, scenario.Uplink{}, 3, 0},
		{"one copy goes up the first", scenario.Uplink{Up: 2 * mbit, Link: scenario.Link{Latency: time.Second}}, scenario.Uplink{Up: 8 * mbit, Down: 8 * mbit}, 3, 5 * time.Second},
		{"the slowest downlink", scenario.Uplink{Up: 8 * mbit}, scenario.Uplink{Up: 8 * mbit, Down: mbit, Link: scenario.Link{Latency: time.Second}}, 3, 9 * time.Second},
		{"all copies go up all links", scenario.Uplink{Up: 5 * mbit}, scenario.Uplink{Up: mbit, Down: 8 * mbit}, 3, 3 * time.Second},
		{"of these some have no limit", scenario.Uplink{Up: 4 * mbit}, scenario.Uplink{Down: 8 * mbit}, 3, 2 * time.Second},
		{"nobody needed it", scenario.Uplink{Up: mbit, Link: scenario.Link{Latency: time.Second}}, scenario.Uplink{}, 0, 0},
	} {
		t.Run(c.what, func(t *testing.T) {
			s, _, _ := pair()
			holds := &agent{blobs: []api.Blob{{Digest: "d", Size: size, Complete: true}}}
			s.releases = map[string]release{"app@1": {digest: "d", site: "hq"}}
			s.scenario.Sites = []scenario.Site{{Name: "hq", Uplink: c.first}}
			var machines []*machine
			for i := range c.sites {
				name := fmt.Sprint("s", i)
				s.scenario.Sites = append(s.scenario.Sites, scenario.Site{Name: name, Uplink: c.others})
				machines = append(machines, &machine{site: name, name: "n0", agent: holds})
			}
			s.Stage = &stage{machines: machines}
			if got := s.bound("app@1"); got != c.bound {
				t.Errorf("got %s, not %s", got, c.bound)
			}
		})
	}
}
