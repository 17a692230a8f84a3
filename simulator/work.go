package simulator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"selvage/ledger"
	"selvage/ledger/manifest"
	"selvage/node"
	"selvage/node/api"
	"selvage/node/runtime"
	"selvage/simulator/scenario"
)

// blobFile is the name of the one file in every release of a story.
const blobFile = "content"

// do carries out what a person does.
func (w *world) do(k scenario.Work) error {
	switch {
	case k.Seed != nil:
		return w.seed(*k.Seed)
	case k.Deploy != nil:
		return w.deploy(*k.Deploy)
	case k.Join != nil:
		return w.join(*k.Join)
	case k.Uplink != nil:
		return w.uplink(*k.Uplink)
	}
	return nil
}

// at returns the node that a person works at.
func (w *world) at(name string) (*node.Node, error) {
	m := w.byName[name]
	if m == nil {
		return nil, fmt.Errorf("there is no node %s", name)
	}
	n := m.node()
	if n == nil {
		return nil, fmt.Errorf("node %s is down", name)
	}
	return n, nil
}

// seed makes a release, signs it and offers it from a node.
func (w *world) seed(s scenario.Seed) error {
	n, err := w.at(s.From)
	if err != nil {
		return err
	}
	ref := s.Name + "@" + s.Version
	content := w.content(s)
	added, err := n.AddBlob(context.Background(), bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("seed %s: %w", ref, err)
	}
	env, err := ledger.SignRelease(ledger.Release{Name: s.Name, Version: s.Version, Type: runtime.TypeBundle, Created: n.Status().Time.UTC(),
		Artifacts: []ledger.Artifact{{Platform: ledger.AnyPlatform, Digest: added.Digest, Size: added.Size, Root: added.Root, File: blobFile}}}, w.operator)
	if err != nil {
		return err
	}
	if err := publish(n, api.KindRelease, env); err != nil {
		return fmt.Errorf("seed %s: %w", ref, err)
	}
	sum := sha256.Sum256(content)
	w.releases[ref] = release{content, hex.EncodeToString(sum[:]), w.byName[s.From].site}
	w.latest[s.Name] = ref
	w.trace.add(s.From, "seed", "%s, %d bytes", ref, len(content))
	return nil
}

// content is the bytes of a release: those of the one before it, with a run of them replaced at random.
func (w *world) content(s scenario.Seed) []byte {
	out := make([]byte, s.Size)
	fresh := s.Size
	if before, ok := w.releases[w.latest[s.Name]]; ok {
		fresh = max(s.Size-int64(copy(out, before.content)), int64(s.Change*float64(s.Size)))
	}
	at := w.rand.Int64N(s.Size - fresh + 1)
	if old := int64(len(w.releases[w.latest[s.Name]].content)); old < s.Size {
		at = min(old, s.Size-fresh) // what the old one lacks is among what is new
	}
	_, _ = chacha(w.rand.Uint64(), s.Name).Read(out[at : at+fresh]) // a generator never ends
	return out
}

// deploy declares that a release run.
func (w *world) deploy(d scenario.Deploy) error {
	n, err := w.at(d.From)
	if err != nil {
		return err
	}
	spec, err := json.Marshal(manifest.Spec{Release: d.Release, Selector: manifest.Selector{MatchLabels: d.Selector}})
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
	if err := publish(n, api.KindDeployment, env); err != nil {
		return fmt.Errorf("deploy %s: %w", d.Name, err)
	}
	w.deploys = append(w.deploys, &deploy{name: d.Name, release: d.Release, selector: d.Selector, at: time.Since(w.trace.begin)})
	w.trace.add(d.From, "deploy", "%s: %s", d.Name, d.Release)
	return nil
}

func publish(n *node.Node, kind string, envelope any) error {
	data, err := json.Marshal(envelope)
	if err != nil {
		return err
	}
	_, err = n.Publish(kind, data)
	return err
}

// join adds a machine to a site, and starts it.
func (w *world) join(j scenario.Join) error {
	var labels map[string]string
	for _, s := range w.scenario.Sites {
		if s.Name == j.Site {
			labels = s.Labels
		}
	}
	ticket, err := w.ticket(j.Site, labels, 1)
	if err != nil {
		return err
	}
	m, err := w.addMachine(j.Site, j.Name)
	if err != nil {
		return err
	}
	w.trace.add(m.String(), "join", "")
	if err := m.enrol(ticket); err != nil {
		return fmt.Errorf("enrol %s: %w", m, err)
	}
	return m.start()
}

// uplink holds, lets go or limits the uplink of the nodes at a place, as a technician does.
func (w *world) uplink(u scenario.UplinkWork) error {
	change := api.UplinkChange{Held: u.Held, UpLimit: bytesOf(u.Up), DownLimit: bytesOf(u.Down)}
	w.trace.add(u.On, "uplink", "%s", describe(u))
	for _, m := range w.placed(u.On) {
		n := m.node()
		if n == nil {
			continue // a node that is down is told nothing
		}
		w.wg.Go(func() {
			if _, err := n.SetUplink(context.Background(), change); err != nil {
				w.trace.add(m.String(), "uplink refused", "%v", err)
			}
		})
	}
	return nil
}

// bytesOf turns bits a second into bytes.
func bytesOf(bits *int64) *int64 {
	if bits == nil {
		return nil
	}
	n := *bits / 8
	return &n
}

func describe(u scenario.UplinkWork) string {
	var words []string
	if u.Held != nil {
		words = append(words, fmt.Sprintf("held %v", *u.Held))
	}
	if u.Up != nil {
		words = append(words, fmt.Sprintf("up %d bit/s", *u.Up))
	}
	if u.Down != nil {
		words = append(words, fmt.Sprintf("down %d bit/s", *u.Down))
	}
	return strings.Join(words, ", ")
}

// placed returns the machines of a place: a node, or a site.
func (w *world) placed(place string) []*machine {
	if m := w.byName[place]; m != nil {
		return []*machine{m}
	}
	var out []*machine
	for _, m := range w.machines {
		if m.site == place {
			out = append(out, m)
		}
	}
	return out
}
