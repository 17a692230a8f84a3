package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ipfs/go-cid"

	"selvage/distribute"
	"selvage/distribute/store"
	"selvage/ledger"
	"selvage/node/api"
)

// MakePatches implements api.Backend. An old version from which no patch can be made is passed over:
// the release is good without.
func (n *Node) MakePatches(ctx context.Context, w api.PatchWish) ([]api.Patch, error) {
	to, err := store.ParseDigest(w.Digest)
	if err != nil {
		return nil, api.Refuse(err, "")
	}
	if !n.complete(to) {
		return nil, api.NotFound(fmt.Sprintf("blob %.12s is not here", w.Digest), "add it first")
	}
	done, err := n.patchAlone(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	out := []api.Patch{}
	for _, old := range n.earlier(w, to) {
		o, err := distribute.MakePatch(ctx, n.store, old.digest, to)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil {
			err = n.keepAdded(o.Digest)
		}
		if err != nil {
			n.log.Info("node: no patch", "from", old.release, "err", err)
			continue
		}
		n.swarm.Tell(o.Digest)
		out = append(out, api.Patch{FromRelease: old.release, From: old.digest.String(), Digest: o.Digest.String(), Size: o.Size, Root: o.Root.String(), Print: distribute.PatchPrint()})
	}
	n.poke()
	return out, nil
}

// patchAlone waits until no other patch is made or applied, for the memory that takes, and keeps others waiting until done is called. Patches
// of large blobs take minutes: who is not wanted any more does not wait for them.
func (n *Node) patchAlone(ctx context.Context) (done func(), err error) {
	select {
	case n.patching <- struct{}{}:
		return func() { <-n.patching }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// earlierBlob is that of a release.
type earlierBlob struct {
	release string
	created time.Time
	digest  store.Digest
}

// earlier lists the newest versions of a release whose blobs for the platform are here, each blob once.
func (n *Node) earlier(w api.PatchWish, to store.Digest) (all []earlierBlob) {
	for _, r := range n.ledger.Releases() {
		for _, a := range r.Artifacts {
			d, err := store.ParseDigest(a.Digest)
			if r.Name == w.Name && a.Platform == w.Platform && err == nil && d != to && n.complete(d) {
				all = append(all, earlierBlob{r.Ref(), r.Created, d})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b earlierBlob) int {
		return cmp.Or(b.created.Compare(a.created), cmp.Compare(a.release, b.release))
	})
	seen := map[store.Digest]bool{}
	all = slices.DeleteFunc(all, func(e earlierBlob) bool {
		twice := seen[e.digest]
		seen[e.digest] = true
		return twice
	})
	return all[:min(len(all), max(w.Versions, 0), api.MaxPatches)]
}

func (n *Node) complete(d store.Digest) bool {
	o, ok := n.store.Object(d)
	return ok && o.Complete()
}

// listedPatch is a patch of a release, as the store and the swarm know it.
type listedPatch struct {
	store.Want
	from store.Digest
}

// patchesTo lists the patches to a blob that could be applied here: those that begin at a blob which is
// here, count on this program's deflate, and have not failed before.
func (n *Node) patchesTo(blob store.Digest) (all []listedPatch) {
	for _, r := range n.ledger.Releases() {
		for _, a := range r.Artifacts {
			if a.Digest != blob.String() {
				continue
			}
			for _, p := range a.Patches {
				l, err := readPatch(p)
				if err == nil && p.Print == distribute.PatchPrint() && n.complete(l.from) && !n.failedBefore(blob, l.Digest) {
					all = append(all, l)
				}
			}
		}
	}
	return all
}

func readPatch(p ledger.Patch) (l listedPatch, err error) {
	l.Size = p.Size
	if l.from, err = store.ParseDigest(p.From); err != nil {
		return l, err
	}
	if l.Digest, err = store.ParseDigest(p.Digest); err != nil {
		return l, err
	}
	l.Root, err = cid.Decode(p.Root)
	return l, err
}

// cheapestPatch picks the patch that costs fewer bytes than what is missing of the blob's chunks, and
// the fewest; nil if there is none. Before the chunk list is here, the whole stands for what is missing:
// that a patch is less than the chunks that its old blob lacks is what the release says by listing it.
// What a node of the site has costs no uplink, so a patch that none of them has is not worth it then.
func (n *Node) cheapestPatch(want store.Want) *listedPatch {
	least := n.toCome(want)
	near := n.mateHas(want.Digest)
	var best *listedPatch
	for _, p := range n.patchesTo(want.Digest) {
		cost := n.toCome(p.Want)
		if cost >= least || near && cost > 0 && !n.mateHas(p.Digest) {
			continue
		}
		best, least = &p, cost
	}
	return best
}

// toCome is how many bytes of a blob are to be fetched, as far as that is known.
func (n *Node) toCome(w store.Want) int64 {
	if o, ok := n.store.Object(w.Digest); ok {
		if missing, known := o.Missing(); known {
			return missing
		}
	}
	return w.Size
}

// mateHas reports whether a connected node of the site is to be asked for the whole blob.
func (n *Node) mateHas(d store.Digest) bool {
	near := n.providers(d)
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, id := range near {
		if n.local[id] {
			return true
		}
	}
	return false
}

// fetchPatched makes a blob from an older one and a patch. A patch that proves bad is not tried again
// for this blob while the node is up.
func (n *Node) fetchPatched(ctx context.Context, want store.Want, p listedPatch, class distribute.Class) error {
	if err := n.fetchPatch(ctx, want, p.Want, class); err != nil {
		return n.noteBad(want.Digest, p.Digest, err)
	}
	done, err := n.patchAlone(ctx)
	if err != nil {
		return err
	}
	defer done()
	if n.complete(want.Digest) {
		return nil // another deployment wanted it too
	}
	if err := distribute.ApplyPatch(ctx, n.store, p.from, p.Digest, want); err != nil {
		return n.noteBad(want.Digest, p.Digest, err)
	}
	n.swarm.Tell(want.Digest)
	n.poke()
	return nil
}

// How long a patch that does not come is waited for.
const (
	patchPause   = 30 * time.Second // how often it is looked whether it comes
	patchPatient = 20               // such pauses on end after which it is given up, whoever says to have it
	mirrorPauses = 4                // such pauses on end after which a mirror counts: peers come first
)

var errNoPatch = errors.New("nobody gives the patch")

// fetchPatch gets a patch, and gives up with errNoPatch when it does not come while others have some of the blob, or a mirror has it.
func (n *Node) fetchPatch(ctx context.Context, blob, p store.Want, class distribute.Class) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if n.hopeless(ctx, blob, p) {
			cancel(errNoPatch)
		}
	})
	err := n.swarm.FetchAs(ctx, p, class)
	cancel(nil)
	wg.Wait()
	if err != nil && errors.Is(context.Cause(ctx), errNoPatch) {
		return errNoPatch
	}
	return err
}

// hopeless returns true when a patch does not come and the blob would, false when ctx ends before.
func (n *Node) hopeless(ctx context.Context, blob, by store.Want) bool {
	var last int64
	for idle := 1; ; idle++ {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(n.patchPause):
		}
		if o, ok := n.store.Object(by.Digest); ok && o.Info().Have > last {
			idle, last = 0, o.Info().Have
			continue
		}
		if why, _ := n.bulkHeld(len(n.mates())); why != "" || n.swarm.GivesWay(by.Digest) {
			idle = 0
			continue
		}
		given := func(w store.Want) bool {
			return len(n.swarm.WhoHas(ctx, w.Digest)) > 0 || idle >= mirrorPauses && n.swarm.Mirrored(ctx, w)
		}
		if given(blob) && (idle >= patchPatient || !given(by)) {
			return ctx.Err() == nil
		}
	}
}

// fault is a patch that does not make a blob.
type fault struct{ blob, patch store.Digest }

// noteBad remembers a patch that is at fault.
func (n *Node) noteBad(blob, by store.Digest, err error) error {
	if errors.Is(err, distribute.ErrBadPatch) || errors.Is(err, store.ErrCorrupt) {
		n.mu.Lock()
		n.faults[fault{blob, by}] = true
		n.mu.Unlock()
	}
	return fmt.Errorf("patch %.12s: %w", by, err)
}

func (n *Node) failedBefore(blob, by store.Digest) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.faults[fault{blob, by}]
}

// way is how a blob came here: by what, and how many bytes that took.
type way struct {
	by    string
	bytes int64
}

// noteWay remembers, and logs, how a blob came.
func (n *Node) noteWay(d store.Digest, w way) {
	n.mu.Lock()
	n.ways[d] = w
	n.mu.Unlock()
	n.log.Info("node: blob fetched", "blob", d.String(), "by", w.by, "bytes", w.bytes)
}

// chunksWay is how a blob came that was fetched by chunks.
func (n *Node) chunksWay(d store.Digest) way {
	w := way{by: api.ByWhole}
	if o, ok := n.store.Object(d); ok && o.Info().Local > 0 {
		w.by = api.ByChunks
	}
	if p, ok := n.swarm.Progress(d); ok {
		w.bytes = p.FromSite + p.FromUplink + p.FromMirror
	}
	return w
}
