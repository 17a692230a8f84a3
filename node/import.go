package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ipfs/go-cid"

	"selvage/distribute/media"
	"selvage/distribute/store"
	"selvage/ledger"
	"selvage/ledger/trust"
	"selvage/node/api"
)

// Import implements api.Backend. A file is read to its end and found to be right before anything of it is kept; then
// the charters and revocations are that are news, then its blobs, then the releases. What is kept of an import that fails
// in between is what the file holds, and importing it again goes on from there.
func (n *Node) Import(ctx context.Context, r io.Reader) (api.Imported, error) {
	if err := n.refuseRevoked(); err != nil {
		return api.Imported{}, err
	}
	n.importing.Lock()
	defer n.importing.Unlock()
	j := &judging{node: n}
	in, err := media.Read(ctx, n.store, r, j.judge)
	if err != nil {
		return api.Imported{}, explainImport(fmt.Errorf("import: %w", err))
	}
	defer in.Close()
	revoked, err := n.takeTrust(j)
	if err != nil {
		return api.Imported{}, err
	}
	defer n.keepArriving(in.Blobs)()
	kept, err := in.Keep()
	for _, o := range kept {
		n.swarm.Tell(o.Digest)
	}
	n.poke()
	if err != nil {
		return api.Imported{}, explainStorage(fmt.Errorf("import: %w", err))
	}
	out := api.Imported{Bytes: in.Bytes, Blocks: in.Blocks, Revocations: len(j.revocations), NewRevocations: revoked, Blobs: mediaBlobs(in.Blobs, in.Contents.Releases), Releases: []api.MediaRelease{}}
	for _, o := range kept {
		out.NewBytes += o.Size
	}
	for _, doc := range in.Contents.Releases {
		item, err := n.takeRelease(doc.Data)
		if err != nil {
			return api.Imported{}, err
		}
		out.Releases = append(out.Releases, item)
	}
	return out, nil
}

// keepArriving keeps blobs from being given up until done is called: before the releases are known that they are of, nothing else does.
// Room may be made at that moment, by who has looked at what is kept already: so it waits for that.
func (n *Node) keepArriving(all []store.Want) (done func()) {
	n.tidying.Lock()
	defer n.tidying.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	var noted []store.Digest
	for _, w := range all {
		if _, ok := n.added[w.Digest]; !ok {
			n.added[w.Digest] = now
			noted = append(noted, w.Digest)
		}
	}
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, d := range noted {
			if n.added[d].Equal(now) { // or else it was added here meanwhile
				delete(n.added, d)
			}
		}
	}
}

// explainImport says what to do about a file that cannot be taken in.
func explainImport(err error) error {
	switch {
	case errors.Is(err, media.ErrTruncated), errors.Is(err, media.ErrDamaged):
		return api.Refuse(err, "nothing was changed; copy the file again, or export it again")
	case errors.Is(err, media.ErrForm), errors.Is(err, store.ErrDAG), errors.Is(err, store.ErrCorrupt):
		return api.Refuse(err, "nothing was changed; only what 'selvage export' writes can be imported")
	case errors.Is(err, store.ErrDamaged):
		return &api.Error{Code: http.StatusInternalServerError, Text: err.Error(), Hint: "nothing was changed; 'selvage doctor --scrub' mends what went bad on this disk"}
	}
	return explainStorage(err)
}

// judging is how a file's documents are held against what this node knows of its fleet.
type judging struct {
	node        *Node
	charters    []trust.Envelope
	revocations [][]byte                    // envelopes
	listed      map[store.Digest]store.Want // by the file's releases
}

// judge implements media's judge.
func (j *judging) judge(c media.Contents) ([]store.Want, error) {
	var a about
	if err := json.Unmarshal(c.About, &a); err != nil || a.Format != mediaFormat {
		return nil, fmt.Errorf("%w: about.json says %.80q, want %q", media.ErrForm, a.Format, mediaFormat)
	}
	if fleet := j.node.home.Fleet; a.Fleet != fleet {
		return nil, api.Refuse(fmt.Errorf("the file is of another fleet, %.40q (%.12s); this node's is %.12s", a.Name, a.Fleet, fleet), "export it at a node of this fleet")
	}
	if err := j.readCharters(c.Charters); err != nil {
		return nil, err
	}
	if err := j.readRevocations(c.Revocations); err != nil {
		return nil, err
	}
	j.listed = map[store.Digest]store.Want{}
	here := map[store.Digest]bool{}
	for _, b := range c.Blobs {
		here[b.Digest] = true
	}
	for _, doc := range c.Releases {
		if err := j.readRelease(doc, here); err != nil {
			return nil, err
		}
	}
	var out []store.Want
	for _, b := range c.Blobs {
		w, ok := j.listed[b.Digest]
		if !ok {
			return nil, fmt.Errorf("%w: blob %.12s is of none of its releases", media.ErrForm, b.Digest)
		}
		out = append(out, w)
	}
	j.node.makeRoomFor(out)
	return out, nil
}

// makeRoomFor makes room for the blobs of a file that are not here.
func (n *Node) makeRoomFor(all []store.Want) {
	var need int64
	for _, w := range all {
		if !n.complete(w.Digest) {
			need += w.Size
		}
	}
	n.makeRoom(need)
}

// readCharters checks the file's chain against the fleet that this node was enrolled in. What of it is news is judged by
// with each statement; where it says something else than this node's own charters, those stand.
func (j *judging) readCharters(docs []media.Document) error {
	for i, doc := range docs {
		var env trust.Envelope
		if err := json.Unmarshal(doc.Data, &env); err != nil || doc.Name != numbered(i+1) {
			return fmt.Errorf("%w: charters/%.80s is no charter, or out of its place", media.ErrForm, doc.Name)
		}
		j.charters = append(j.charters, env)
	}
	if _, err := trust.VerifyChain(j.node.home.Fleet, j.charters); err != nil {
		return api.Refuse(fmt.Errorf("the file's charters: %w", err), "nothing was changed; export it at a node of this fleet that can be trusted")
	}
	return nil
}

// readRevocations checks that operators have signed them. One by a key that this node knows to be revoked is none the less what an
// export holds where that was not known.
func (j *judging) readRevocations(docs []media.Document) error {
	for i, doc := range docs {
		if doc.Name != numbered(i+1) {
			return fmt.Errorf("%w: revocations/%.80s is out of its place", media.ErrForm, doc.Name)
		}
		with := ledger.Supposed{Charters: j.charters, Forgiving: true}
		if _, err := j.node.ledger.JudgeWith(with, ledger.KindRevocation, doc.Data); err != nil {
			return api.Refuse(fmt.Errorf("revocations/%s in the file: %w", doc.Name, err), "nothing was changed; a revocation counts if keys signed it that a charter of this fleet gives the role")
		}
		j.revocations = append(j.revocations, doc.Data)
	}
	return nil
}

// readRelease judges a statement, and notes what it lists.
func (j *judging) readRelease(doc media.Document, here map[store.Digest]bool) error {
	if _, err := j.node.ledger.JudgeWith(ledger.Supposed{Charters: j.charters, Revocations: j.revocations}, ledger.KindRelease, doc.Data); err != nil {
		return api.Refuse(fmt.Errorf("releases/%.200s in the file: %w", doc.Name, err), "nothing was changed; a release counts if keys signed it that this fleet's charter gives the role")
	}
	r, err := decodeRelease(doc.Data)
	if err != nil {
		return err
	}
	if doc.Name != releaseName(r.Ref()) {
		return fmt.Errorf("%w: it is the statement of %s", media.ErrForm, r.Ref())
	}
	if err := j.node.sameAsKnown(r); err != nil {
		return err
	}
	whole := false
	for _, a := range r.Artifacts {
		d, err := store.ParseDigest(a.Digest)
		whole = whole || err == nil && here[d]
	}
	if !whole {
		return fmt.Errorf("%w: no blob of %s is in it", media.ErrForm, r.Ref())
	}
	for _, w := range listedBlobs(r) {
		j.listed[w.Digest] = w
	}
	return nil
}

// decodeRelease reads a release in its envelope, and says nothing of who signed it.
func decodeRelease(envelope []byte) (ledger.Release, error) {
	payload, err := payloadOf(envelope)
	if err != nil {
		return ledger.Release{}, err
	}
	return ledger.DecodeRelease(payload)
}

// listedBlobs are the artifacts and patches of a release.
func listedBlobs(r ledger.Release) (all []store.Want) {
	add := func(digest, root string, size int64) {
		d, err := store.ParseDigest(digest)
		c, err2 := cid.Decode(root)
		if err == nil && err2 == nil {
			all = append(all, store.Want{Digest: d, Size: size, Root: c})
		}
	}
	for _, a := range r.Artifacts {
		add(a.Digest, a.Root, a.Size)
		for _, p := range a.Patches {
			add(p.Digest, p.Root, p.Size)
		}
	}
	return all
}

// takeCharters makes those charters known that are news. As entries, they reach the nodes of the site too.
func (n *Node) takeCharters(all []trust.Envelope) error {
	if n.ledger.Chain() == nil {
		if err := n.feeds.learn(all); err != nil {
			return fmt.Errorf("import: learn charters: %w", err)
		}
	}
	if err := n.admitSelf(); err != nil {
		return err
	}
	for i, env := range all {
		if uint64(i+1) != n.ledger.Chain().Latest().Version+1 {
			continue
		}
		data, err := json.Marshal(env)
		if err != nil {
			return err
		}
		if _, err := n.publishCharter(data); err != nil {
			return err
		}
	}
	return nil
}

// takeTrust makes those of a file's charters and revocations known that are news here, and returns how many of the latter were. If this
// node is among what was revoked, that is all that it takes.
func (n *Node) takeTrust(j *judging) (revoked int, err error) {
	if err := n.takeCharters(j.charters); err != nil {
		return 0, err
	}
	known := map[string]bool{}
	for _, r := range n.ledger.Revocations() {
		known[r.Digest] = true
	}
	for _, envelope := range j.revocations {
		digest, err := n.ledger.Judge(ledger.KindRevocation, envelope)
		if err != nil || known[digest] { // it does not count here: see readRevocations
			continue
		}
		if err := n.takeRevocation(envelope); err != nil {
			return revoked, err
		}
		revoked++
	}
	n.expel()
	return revoked, n.refuseRevoked()
}

// takeRevocation writes a revocation down that counts; one of this node itself too.
func (n *Node) takeRevocation(envelope []byte) error {
	payload, err := payloadOf(envelope)
	if err != nil {
		return err
	}
	r, err := ledger.DecodeRevocation(payload)
	if err != nil {
		return err
	}
	if _, err := n.feeds.publish(ledger.KindRevocation, "", r.ID, envelope); err != nil {
		return explainPublish(err)
	}
	return nil
}

// takeRelease publishes a release that is news.
func (n *Node) takeRelease(envelope []byte) (api.MediaRelease, error) {
	r, err := decodeRelease(envelope)
	if err != nil {
		return api.MediaRelease{}, err
	}
	_, known := n.ledger.Release(r.Ref())
	digest, err := n.Publish(api.KindRelease, envelope)
	return api.MediaRelease{Release: r.Ref(), Statement: digest, New: !known}, err
}
