package native

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"selvage/internal/ident"
	"selvage/ledger"
	"selvage/ledger/trust"
	"selvage/node"
	"selvage/node/api"
	"selvage/node/runtime"
	"selvage/simulator"
	"selvage/simulator/scenario"
)

// at returns the node that a person works at, who waits for one that is about to start.
func (w *world) at(name string) (*node.Node, error) {
	m := w.byName[name]
	if m == nil {
		return nil, fmt.Errorf("there is no node %s", name)
	}
	m.mu.Lock()
	l := m.life
	m.mu.Unlock()
	if l != nil {
		<-l.started
	}
	n := m.node()
	if n == nil {
		return nil, fmt.Errorf("node %s is down", name)
	}
	return n, nil
}

// patchedVersions is from how many earlier versions patches are made: what the command line has for a default.
const patchedVersions = 3

// Seed implements simulator.Stage.
func (w *world) Seed(s scenario.Seed, content []byte) error {
	n, err := w.at(s.From)
	if err != nil {
		return err
	}
	added, err := n.AddBlob(context.Background(), bytes.NewReader(content))
	if err != nil {
		return err
	}
	patches, err := n.MakePatches(context.Background(), api.PatchWish{Name: s.Name, Platform: ledger.AnyPlatform, Digest: added.Digest, Versions: patchedVersions})
	if err != nil {
		return err
	}
	says, err := w.says(n, s, added)
	if err != nil {
		return err
	}
	env, err := ledger.SignRelease(ledger.Release{Name: s.Name, Version: s.Version, Type: runtime.TypeBundle, Created: n.Status().Time.UTC(), Artifacts: []ledger.Artifact{
		{Platform: ledger.AnyPlatform, Digest: says.Digest, Size: says.Size, Root: says.Root, File: simulator.BlobFile, Patches: api.Listing(patches)}}}, w.operator)
	if err != nil {
		return err
	}
	return publish(n, api.KindRelease, env)
}

// says is what a release says of its blob, which may be wrong.
func (w *world) says(n *node.Node, s scenario.Seed, added api.Added) (api.Added, error) {
	switch s.Wrong {
	case scenario.WrongSize:
		added.Size++
	case scenario.WrongDigest:
		sum := sha256.Sum256([]byte(added.Digest))
		added.Digest = hex.EncodeToString(sum[:])
	case scenario.WrongRoot:
		other, err := n.AddBlob(context.Background(), strings.NewReader(added.Digest))
		added.Root = other.Root
		return added, err
	}
	return added, nil
}

// Deploy implements simulator.Stage.
func (w *world) Deploy(d scenario.Deploy) error {
	n, err := w.at(d.From)
	if err != nil {
		return err
	}
	spec, err := json.Marshal(simulator.Spec(d))
	if err != nil {
		return err
	}
	statement := ledger.Deployment{Name: d.Name, Generation: 1, Declared: n.Status().Time.UTC(), Spec: spec}
	for _, old := range n.Deployments() {
		if old.Name == d.Name {
			statement.Generation, statement.Supersedes = old.Generation+1, old.Heads
		}
	}
	env, err := ledger.SignDeployment(statement, w.operator)
	if err != nil {
		return err
	}
	return publish(n, api.KindDeployment, env)
}

func publish(n *node.Node, kind string, envelope any) error {
	data, err := json.Marshal(envelope)
	if err != nil {
		return err
	}
	_, err = n.Publish(kind, data)
	return err
}

// Charter implements simulator.Stage.
func (w *world) Charter(c scenario.Charter) (version uint64, err error) {
	n, err := w.at(c.From)
	if err != nil {
		return 0, err
	}
	next := *w.chain.Latest()
	key := w.newKey().Public().(ed25519.PublicKey)
	next.Version, next.Issued = next.Version+1, n.Status().Time.UTC().Truncate(time.Second)
	next.Keys, next.Roles = maps.Clone(next.Keys), maps.Clone(next.Roles)
	next.Keys[trust.KeyID(key)] = key
	grant := next.Roles[trust.RoleRelease]
	grant.Keys = append(slices.Clip(grant.Keys), trust.KeyID(key))
	next.Roles[trust.RoleRelease] = grant
	env, err := trust.SignCharter(next, w.operator)
	if err != nil {
		return 0, err
	}
	longer, err := w.chain.Extend(env)
	if err != nil {
		return 0, err
	}
	if err := publish(n, api.KindCharter, env); err != nil {
		return 0, err
	}
	w.chain = longer
	return next.Version, nil
}

// Revoke implements simulator.Stage.
func (w *world) Revoke(r scenario.Revoke) error {
	n, err := w.at(r.From)
	if err != nil {
		return err
	}
	draft, err := n.Draft(string(ledger.SubjectNode), w.byName[r.Node].ID().String(), "")
	if err != nil {
		return err
	}
	rev, err := ledger.DecodeRevocation(draft.Revocation)
	if err != nil {
		return err
	}
	rev.Reason = r.Reason
	env, err := ledger.SignRevocation(rev, w.operator)
	if err != nil {
		return err
	}
	return publish(n, api.KindRevocation, env)
}

// Witness implements simulator.Stage.
func (w *world) Witness(v scenario.Witness) error {
	id := w.byName[v.Node].ID()
	return w.changeSite(v.From, v.Site, func(c *ledger.SiteConfig) {
		c.Witnesses = slices.DeleteFunc(c.Witnesses, func(o ident.NodeID) bool { return o == id })
		if !v.Remove {
			c.Witnesses = append(c.Witnesses, id)
		}
	})
}

// issuerFor is how long the right to renew credentials lasts: what the command line has for a default.
const issuerFor = 5 * 365 * 24 * time.Hour

// Issuer implements simulator.Stage. A node that is one already is one anew, as with 'selvage site issuer add'.
func (w *world) Issuer(i scenario.Issuer) error {
	m := w.byName[i.Node]
	return w.changeSite(i.From, m.Site(), func(c *ledger.SiteConfig) {
		c.Issuers = slices.DeleteFunc(c.Issuers, func(o ledger.Issuer) bool { return o.Node == m.ID() })
		c.Issuers = append(c.Issuers, ledger.Issuer{Node: m.ID(), Life: trust.Lifetime(i.Life), Expires: c.Declared.Add(issuerFor)})
	})
}

// changeSite changes what operators want of a site, as 'selvage site' does.
func (w *world) changeSite(from, site string, change func(*ledger.SiteConfig)) error {
	n, err := w.at(from)
	if err != nil {
		return err
	}
	draft, err := n.DraftSite(site)
	if err != nil {
		return err
	}
	next, err := ledger.DecodeSite(draft)
	if err != nil {
		return err
	}
	change(&next)
	env, err := ledger.SignSite(next, w.operator)
	if err != nil {
		return err
	}
	return publish(n, api.KindSite, env)
}

// Yield implements simulator.Stage.
func (w *world) Yield(name string) error {
	n, err := w.at(name)
	if err != nil {
		return err
	}
	w.wg.Go(func() {
		if _, err := n.YieldLease(context.Background()); err != nil {
			w.trace.Note(name, "yield refused", "%v", err)
		}
	})
	return nil
}

// Join implements simulator.Stage.
func (w *world) Join(j scenario.Join) error {
	var labels map[string]string
	for _, s := range w.scenario.Sites {
		if s.Name == j.Site {
			labels = s.Labels
		}
	}
	ticket, err := w.ticket(j.Site, labels, 1, nil)
	if err != nil {
		return err
	}
	m, err := w.addMachine(j.Site, j.Name)
	if err != nil {
		return err
	}
	if err := m.enrol(ticket); err != nil {
		return fmt.Errorf("enrol %s: %w", m, err)
	}
	return m.start()
}

// Uplink implements simulator.Stage.
func (w *world) Uplink(u scenario.UplinkWork) error {
	change := simulator.UplinkChange(u)
	for _, m := range w.placed(u.On) {
		n := m.node()
		if n == nil {
			continue // a node that is down is told nothing
		}
		w.wg.Go(func() {
			if _, err := n.SetUplink(context.Background(), change); err != nil {
				w.trace.Note(m.String(), "uplink refused", "%v", err)
			}
		})
	}
	return nil
}

// placed returns the machines of a place: a node, or a site.
func (w *world) placed(place string) []*machine { return simulator.Placed(w.machines, place) }
