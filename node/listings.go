package node

import (
	"fmt"
	"slices"
	"time"

	"selvage/distribute/store"
	"selvage/ledger"
	"selvage/ledger/manifest"
	"selvage/node/api"
)

// Nodes implements api.Backend.
func (n *Node) Nodes() []api.Node {
	out := []api.Node{}
	for _, s := range n.census() {
		out = append(out, api.Node{
			Node: s.Node.Node, Name: s.Name, Site: s.Site, Labels: s.Labels, LastSeen: s.lastSeen, Reachable: s.reachable,
			UplinkHeld: s.Held, Quarantined: s.Quarantined, Revoked: s.Revoked, Deployments: s.running(),
		})
	}
	return out
}

// Sites implements api.Backend.
func (n *Node) Sites() []api.Site {
	out := []api.Site{}
	for _, s := range n.census() { // by site
		if len(out) == 0 || out[len(out)-1].Site != s.Site {
			out = append(out, api.Site{Site: s.Site})
		}
		site := &out[len(out)-1]
		site.Nodes++
		if s.reachable {
			site.Reachable++
		}
		if s.lastSeen.After(site.LastSeen) {
			site.LastSeen = s.lastSeen
		}
	}
	return out
}

// Releases implements api.Backend.
func (n *Node) Releases() []api.Release {
	out := []api.Release{}
	for _, r := range n.ledger.Releases() {
		item := api.Release{Release: r.Ref(), Type: r.Type, Statement: r.Digest, Created: r.Created, Signers: r.Signers, Artifacts: []api.Artifact{}}
		for _, a := range r.Artifacts {
			item.Artifacts = append(item.Artifacts, artifactOf(a))
		}
		if len(r.Rivals) > 0 {
			item.Conflict = fmt.Sprintf("%d other statements say something else of this version; the one created first stands", len(r.Rivals))
		}
		out = append(out, item)
	}
	return out
}

func artifactOf(a ledger.Artifact) api.Artifact {
	item := api.Artifact{Platform: a.Platform, Digest: a.Digest, Size: a.Size, Root: a.Root, File: a.File}
	for _, p := range a.Patches {
		item.Patches = append(item.Patches, api.Patch{From: p.From, Digest: p.Digest, Size: p.Size, Root: p.Root, Print: p.Print})
	}
	return item
}

// Deployments implements api.Backend.
func (n *Node) Deployments() []api.Deployment {
	out := []api.Deployment{}
	census := n.census()
	for _, d := range n.ledger.Deployments() {
		item := api.Deployment{Name: d.Name, Generation: d.Generation, Statement: d.Digest, Declared: d.Declared, Heads: d.Heads, Conflict: len(d.Heads) > 1}
		if spec, err := manifest.DecodeSpec(d.Spec); err == nil {
			r := tally(d, spec, census)
			item.Release, item.Targets, item.Ready, item.Unreachable = spec.Release, r.Targets, r.Ready, len(r.Unreachable)
			item.Scheduled, item.OpensAt = r.Scheduled, r.OpensAt
			if spec.Urgent() {
				item.Priority = spec.Priority
			}
			item.Singleton, item.Standby = r.Singleton, len(r.Standby)
			for _, on := range r.RunsOn {
				item.RunsOn = append(item.RunsOn, on.Name)
			}
		}
		out = append(out, item)
	}
	return out
}

// Blobs implements api.Backend.
func (n *Node) Blobs() []api.Blob {
	shared := n.store.Shared()
	why, err := n.keptWhy()
	if err != nil {
		n.log.Warn("node: cannot say why blobs are kept", "err", err)
	}
	out := n.Holdings()
	for i := range out {
		b := &out[i]
		b.Kept = append(b.Kept, slices.Sorted(slices.Values(why[b.Digest]))...)
		b.Pinned = slices.Contains(b.Kept, api.KeptPinned)
		if d, err := store.ParseDigest(b.Digest); err == nil {
			b.SharedBytes = shared[d]
		}
	}
	return out
}

// Holdings is Blobs without what needs a look at everything: why they are kept, and what they share.
func (n *Node) Holdings() []api.Blob {
	releases := n.releasesOf()
	out := []api.Blob{}
	for _, o := range n.store.Objects() {
		b := n.blob(o)
		b.Releases, b.Kept = append([]string{}, releases[b.Digest]...), []string{}
		out = append(out, b)
	}
	return out
}

// releasesOf returns the releases of each blob, artifact or patch, that they list.
func (n *Node) releasesOf() map[string][]string {
	releases := map[string][]string{}
	for _, r := range n.ledger.Releases() {
		for _, digest := range blobsOf(r.Release) {
			releases[digest] = append(releases[digest], r.Ref())
		}
	}
	return releases
}

func (n *Node) blob(o *store.Object) api.Blob {
	i := o.Info()
	b := api.Blob{Digest: i.Digest.String(), Size: i.Size, HaveBytes: i.Have, Complete: i.Complete, FromLocalBytes: i.Local}
	if i.Complete {
		at := i.CompletedAt
		b.CompletedAt = &at
	}
	used := o.Used().UTC()
	b.LastWanted = &used
	if p, ok := n.swarm.Progress(i.Digest); ok {
		b.FromSiteBytes, b.FromUplinkBytes, b.FromMirrorBytes = p.FromSite, p.FromUplink, p.FromMirror
		if !i.Complete {
			b.BytesPerSecond = p.Rate
			if p.Fetching {
				b.Class, b.Waits = p.Class.String(), p.Waits
			}
		}
	}
	n.mu.Lock()
	w := n.ways[i.Digest]
	n.mu.Unlock()
	b.By, b.ByBytes = w.by, w.bytes
	return b
}

// Entries implements api.Backend.
func (n *Node) Entries() ([]api.Entry, error) {
	all, err := n.ledger.Entries()
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, m := range n.ledger.Nodes() {
		names[m.Node.String()] = m.Name
	}
	out := make([]api.Entry, 0, len(all))
	for _, e := range all {
		out = append(out, entryOf(e, names[e.Author.String()]))
	}
	return out, nil
}

// lastTime is the last that RFC 3339 can write, to the millisecond.
var lastTime = time.UnixMilli(maxReportTime*1000 + 999).UTC()

// entryOf shows an entry. What its author says of the time may be anything; what cannot be written would keep all from being listed.
func entryOf(e ledger.EntryInfo, name string) api.Entry {
	at := e.Time.Time().UTC().Truncate(time.Millisecond)
	if at.After(lastTime) {
		at = lastTime
	}
	return api.Entry{Author: e.Author, Name: name, Feed: e.Feed().String(), Seq: e.Seq, Time: at,
		Kind: e.Kind.String(), Scope: e.Scope, Key: e.Key, Bytes: e.Size}
}
