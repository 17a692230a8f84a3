package simulator

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"selvage/internal/calendar"
	"selvage/simulator/scenario"
)

// release is what the operator knows of a release.
type release struct {
	content []byte
	digest  string // hex
	site    string // where it was seeded
	wrong   bool   // nobody can get the whole of it: it contradicts itself
}

// deploy is a declaration on its way.
type deploy struct {
	name, release string
	selector      map[string]string
	singleton     bool
	atOnce        int
	start         calendar.Start // when nodes may change to it
	at            time.Duration
	fetched       time.Duration // until every target had it; 0 until then
	took          time.Duration // until every target ran it; 0 until then
}

// do has the stage carry out what a person does.
func (t *story) do(k scenario.Work) error {
	switch {
	case k.Seed != nil:
		return t.seed(*k.Seed)
	case k.Deploy != nil:
		return t.deploy(*k.Deploy)
	case k.Join != nil:
		t.trace.Note(k.Join.Site+"/"+k.Join.Name, "join", "")
		return t.Join(*k.Join)
	case k.Charter != nil:
		return t.amend(*k.Charter)
	case k.Lock != nil:
		t.trace.Note(k.Lock.On, "lock", "%s, %s at a time", k.Lock.Name, k.Lock.Hold)
		return t.Lock(*k.Lock)
	case k.Revoke != nil:
		return t.revoke(*k.Revoke)
	case k.Witness != nil:
		return t.witness(*k.Witness)
	case k.Yield != nil:
		return t.yield(*k.Yield)
	case k.Issuer != nil:
		return t.issuer(*k.Issuer)
	case k.Mirror != nil:
		return t.mirror(*k.Mirror)
	case k.Uplink != nil:
		t.trace.Note(k.Uplink.On, "uplink", "%s", DescribeUplink(*k.Uplink))
		return t.Uplink(*k.Uplink)
	}
	return nil
}

// up returns the node at which somebody wants to work, or says that it is not there.
func (t *story) up(place string) (Machine, error) {
	at := Placed(t.Machines(), place)
	switch {
	case len(at) == 0:
		return nil, fmt.Errorf("there is no node %s", place)
	case at[0].Agent() == nil && !busy(at[0]):
		return nil, fmt.Errorf("node %s is down", place)
	}
	return at[0], nil
}

// seed makes a release at a node.
func (t *story) seed(s scenario.Seed) error {
	ref := s.Name + "@" + s.Version
	m, err := t.up(s.From)
	if err != nil {
		return fmt.Errorf("seed %s: %w", ref, err)
	}
	content := t.content(s)
	if err := t.Seed(s, content); err != nil {
		return fmt.Errorf("seed %s: %w", ref, err)
	}
	sum := sha256.Sum256(content)
	t.releases[ref] = release{content, hex.EncodeToString(sum[:]), m.Site(), s.Wrong != ""}
	t.latest[s.Name] = ref
	t.trace.Note(s.From, "seed", "%s, %d bytes", ref, len(content))
	return nil
}

// amend has the charter amended.
func (t *story) amend(c scenario.Charter) error {
	if _, err := t.up(c.From); err != nil {
		return fmt.Errorf("amend the charter: %w", err)
	}
	version, err := t.Charter(c)
	if err != nil {
		return fmt.Errorf("amend the charter: %w", err)
	}
	t.charter = version
	t.trace.Note(c.From, "charter", "version %d", version)
	return nil
}

// revocation is when, and where, a node was revoked.
type revocation struct {
	at      time.Duration
	machine Machine
}

// revoke has a node put out of the fleet.
func (t *story) revoke(r scenario.Revoke) error {
	if _, err := t.up(r.From); err != nil {
		return fmt.Errorf("revoke %s: %w", r.Node, err)
	}
	at := Placed(t.Machines(), r.Node)
	if len(at) != 1 {
		return fmt.Errorf("revoke %s: there is no such node", r.Node)
	}
	if err := t.Revoke(r); err != nil {
		return fmt.Errorf("revoke %s: %w", r.Node, err)
	}
	t.revoked[at[0].ID()] = revocation{t.trace.Now(), at[0]}
	t.trace.Note(r.From, "revoke", "%s: %s", r.Node, r.Reason)
	return nil
}

// witness names a witness for a site, or takes that back.
func (t *story) witness(v scenario.Witness) error {
	if _, err := t.up(v.From); err != nil {
		return fmt.Errorf("witness %s: %w", v.Node, err)
	}
	if err := t.Witness(v); err != nil {
		return fmt.Errorf("witness %s: %w", v.Node, err)
	}
	t.trace.Note(v.From, "witness", "%s", DescribeWitness(v))
	return nil
}

// yield has who leads give that up.
func (t *story) yield(y scenario.Yield) error {
	m := t.leader(y.On)
	if m == nil {
		t.trace.Note(y.On, "yield", "nobody here leads")
		return nil
	}
	t.trace.Note(Place(m), "yield", "")
	if err := t.Yield(Place(m)); err != nil {
		return fmt.Errorf("yield %s: %w", y.On, err)
	}
	return nil
}

// issuer lets a node renew credentials.
func (t *story) issuer(i scenario.Issuer) error {
	if _, err := t.up(i.From); err != nil {
		return fmt.Errorf("issuer %s: %w", i.Node, err)
	}
	if err := t.Issuer(i); err != nil {
		return fmt.Errorf("issuer %s: %w", i.Node, err)
	}
	t.trace.Note(i.From, "issuer", "%s", DescribeIssuer(i))
	return nil
}

// mirror puts a copy of a node's blobs behind a web server.
func (t *story) mirror(m scenario.Mirror) error {
	if _, err := t.up(m.Of); err != nil {
		return fmt.Errorf("mirror %s: %w", m.Of, err)
	}
	if err := t.Mirror(m); err != nil {
		return fmt.Errorf("mirror %s: %w", m.Of, err)
	}
	t.trace.Note(m.Of, "mirror", "%s", DescribeMirror(m))
	return nil
}

// deploy declares that a release run.
func (t *story) deploy(d scenario.Deploy) error {
	if _, err := t.up(d.From); err != nil {
		return fmt.Errorf("deploy %s: %w", d.Name, err)
	}
	if err := t.Deploy(d); err != nil {
		return fmt.Errorf("deploy %s: %w", d.Name, err)
	}
	start, err := Spec(d).Start()
	if err != nil {
		return fmt.Errorf("deploy %s: %w", d.Name, err)
	}
	t.deploys = append(t.deploys, &deploy{name: d.Name, start: start, release: d.Release, selector: d.Selector, singleton: d.Singleton, atOnce: d.AtOnce, at: t.trace.Now()})
	t.trace.Note(d.From, "deploy", "%s: %s", d.Name, d.Release)
	return nil
}
