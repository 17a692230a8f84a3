package node

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"selvage/distribute/media"
	"selvage/distribute/store"
	"selvage/ledger"
	"selvage/ledger/trust"
	"selvage/node/api"
)

// mediaFormat is what about.json says.
const mediaFormat = "selvage releases, version 1"

// about is about.json of a file of releases.
type about struct {
	Format string        `json:"format"`
	Fleet  trust.FleetID `json:"fleet"`
	Name   string        `json:"fleet_name"`
}

// PlanExport implements api.Backend.
func (n *Node) PlanExport(w api.ExportWish) (api.Media, error) {
	_, m, err := n.layOut(w)
	return m, err
}

// Export implements api.Backend.
func (n *Node) Export(ctx context.Context, w api.ExportWish, out io.Writer) error {
	plan, _, err := n.layOut(w)
	if err != nil {
		return err
	}
	if err := plan.Write(ctx, out); err != nil {
		return explainExport(err)
	}
	return nil
}

func explainExport(err error) error {
	if errors.Is(err, store.ErrDamaged) || errors.Is(err, store.ErrMissing) {
		return api.Refuse(err, "'selvage doctor --scrub' gets it again from other nodes; then export once more")
	}
	return err
}

// layOut plans a file of releases.
func (n *Node) layOut(w api.ExportWish) (*media.Plan, api.Media, error) {
	chain := n.ledger.Chain()
	if chain == nil {
		return nil, api.Media{}, notAdmitted(errNoCharter)
	}
	if len(w.Releases) == 0 {
		return nil, api.Media{}, api.Refuse(errors.New("export which release?"), "'selvage get releases' lists them")
	}
	e := &exporting{node: n, wish: w, blobs: map[store.Digest]*store.Object{}}
	for _, ref := range slices.Compact(slices.Sorted(slices.Values(w.Releases))) {
		if err := e.add(ref); err != nil {
			return nil, api.Media{}, err
		}
	}
	var err error
	if e.contents.About, err = json.Marshal(about{mediaFormat, chain.Fleet(), chain.Latest().Name}); err != nil {
		return nil, api.Media{}, err
	}
	if e.contents.Charters, err = charterDocuments(chain); err != nil {
		return nil, api.Media{}, err
	}
	if e.contents.Revocations, err = n.revocationDocuments(); err != nil {
		return nil, api.Media{}, err
	}
	plan, err := media.Lay(e.contents, e.sorted())
	if err != nil {
		return nil, api.Media{}, explainExport(err)
	}
	m := e.media
	m.Fleet, m.Root, m.Bytes, m.Blocks, m.Charter = chain.Fleet().String(), plan.Root.String(), plan.Bytes, plan.Blocks, chain.Latest().Version
	m.Revocations = len(e.contents.Revocations)
	m.Blobs = mediaBlobs(e.wants(), e.contents.Releases)
	return plan, m, nil
}

func charterDocuments(chain *trust.Chain) (docs []media.Document, err error) {
	for i, env := range chain.Envelopes() {
		data, err := json.Marshal(env)
		if err != nil {
			return nil, err
		}
		docs = append(docs, media.Document{Name: numbered(i + 1), Data: data})
	}
	return docs, nil
}

// revocationDocuments are all that counts here, so that who is cut off does not go on trusting what others do not trust any more.
func (n *Node) revocationDocuments() (docs []media.Document, err error) {
	for i, r := range n.ledger.Revocations() {
		env, ok := n.ledger.Signed(r.Digest)
		if !ok {
			return nil, fmt.Errorf("the revocation of %s %.12s is gone", r.Subject, r.ID)
		}
		data, err := json.Marshal(env)
		if err != nil {
			return nil, err
		}
		docs = append(docs, media.Document{Name: numbered(i + 1), Data: data})
	}
	return docs, nil
}

// numbered is the name of a document that goes by its place: of a charter that is its version.
func numbered(place int) string { return fmt.Sprintf("%05d.json", place) }

// releaseName is the name of a release's document.
func releaseName(ref string) string { return strings.ReplaceAll(ref, "/", "~") + ".json" }

// exporting is an export that is being laid out.
type exporting struct {
	node     *Node
	wish     api.ExportWish
	contents media.Contents
	blobs    map[store.Digest]*store.Object
	media    api.Media
}

func (e *exporting) sorted() []*store.Object {
	var all []*store.Object
	for _, o := range e.node.store.Objects() { // by digest
		if e.blobs[o.Digest] != nil {
			all = append(all, o)
		}
	}
	return all
}

func (e *exporting) wants() (all []store.Want) {
	for _, o := range e.sorted() {
		all = append(all, o.Want)
	}
	return all
}

// add puts a release into the file: its statement, the artifacts that are wanted, and those of their patches that are here.
func (e *exporting) add(ref string) error {
	r, ok := e.node.ledger.Release(ref)
	if !ok {
		return api.NotFound("no release is called "+ref+" here", "'selvage get releases' lists them")
	}
	env, ok := e.node.ledger.Signed(r.Digest)
	if !ok {
		return fmt.Errorf("the statement of %s is gone", ref)
	}
	data, err := json.Marshal(env)
	if err != nil {
		return err
	}
	artifacts := r.Artifacts
	if e.wish.Platform != "" {
		a, ok := r.For(e.wish.Platform)
		if !ok {
			return api.NotFound(fmt.Sprintf("release %s has nothing for %s", ref, e.wish.Platform), "name another with --platform")
		}
		artifacts = []ledger.Artifact{a}
	}
	for _, a := range artifacts {
		if err := e.addArtifact(ref, a); err != nil {
			return err
		}
	}
	e.contents.Releases = append(e.contents.Releases, media.Document{Name: releaseName(ref), Data: data})
	e.media.Releases = append(e.media.Releases, api.MediaRelease{Release: ref, Statement: r.Digest})
	return nil
}

func (e *exporting) addArtifact(ref string, a ledger.Artifact) error {
	if !e.addBlob(a.Digest) {
		return api.Refuse(fmt.Errorf("the blob of %s for %s is not whole here", ref, a.Platform),
			"'selvage who-has "+ref+"' says where it is; export there, or name the platforms that are here with --platform")
	}
	for _, p := range a.Patches {
		if !e.addBlob(p.Digest) {
			e.media.LeftOut = append(e.media.LeftOut, p.Digest)
		}
	}
	return nil
}

// addBlob reports whether the blob is here, whole.
func (e *exporting) addBlob(digest string) bool {
	d, err := store.ParseDigest(digest)
	if err != nil {
		return false
	}
	o, ok := e.node.store.Object(d)
	if !ok || !o.Complete() {
		return false
	}
	e.blobs[d] = o
	return true
}

// mediaBlobs says what the blobs of a file are of.
func mediaBlobs(blobs []store.Want, releases []media.Document) []api.MediaBlob {
	of := map[string][]string{}
	for _, doc := range releases {
		r, err := decodeRelease(doc.Data)
		if err != nil {
			continue // no file has one that cannot be read
		}
		for _, l := range listedBlobs(r) {
			of[l.Digest.String()] = append(of[l.Digest.String()], r.Ref())
		}
	}
	out := []api.MediaBlob{}
	for _, w := range blobs {
		refs := of[w.Digest.String()]
		slices.SortFunc(refs, cmp.Compare)
		out = append(out, api.MediaBlob{Digest: w.Digest.String(), Size: w.Size, Releases: slices.Compact(refs)})
	}
	return out
}
