package node

import (
	"context"
	"fmt"

	"github.com/ipfs/go-cid"

	"selvage/distribute"
	"selvage/distribute/store"
	"selvage/node/api"
	"selvage/node/deploy"
	"selvage/node/runtime"
)

// blobs is where the deployer gets artifacts: from the store, by way of the swarm.
type blobs struct{ n *Node }

var _ deploy.Blobs = blobs{}

// Have implements deploy.Blobs.
func (b blobs) Have(a deploy.Artifact) bool {
	d, err := store.ParseDigest(a.Digest)
	if err != nil {
		return false
	}
	o, ok := b.n.store.Object(d)
	return ok && o.Complete()
}

// Fetch implements deploy.Blobs.
func (b blobs) Fetch(ctx context.Context, a deploy.Artifact, h deploy.Haste) error {
	d, err := store.ParseDigest(a.Digest)
	if err != nil {
		return err
	}
	root, err := cid.Decode(a.Root)
	if err != nil {
		return fmt.Errorf("root of %s: %w", a.Digest, err)
	}
	return b.n.fetch(ctx, store.Want{Digest: d, Size: a.Size, Root: root}, classOf(h))
}

// classOf is how a fetch stands beside others.
func classOf(h deploy.Haste) distribute.Class {
	switch {
	case h.Urgent:
		return distribute.Urgent
	case h.Ahead:
		return distribute.Later
	}
	return distribute.Normal
}

// fetch gets a blob in the way that takes the fewest bytes. Where a patch does not work out, chunks do.
func (n *Node) fetch(ctx context.Context, want store.Want, class distribute.Class) error {
	if n.complete(want.Digest) {
		return nil
	}
	n.makeRoom(n.toCome(want) + want.Size) // a driver puts its own copy beside it
	if p := n.cheapestPatch(want); p != nil {
		err := n.fetchPatched(ctx, want, *p, class)
		if err == nil {
			n.noteWay(want.Digest, way{api.ByPatch, p.Size})
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n.log.Warn("node: going on with chunks", "blob", want.Digest.String(), "err", err)
	}
	if err := n.swarm.FetchAs(ctx, want, class); err != nil {
		return err
	}
	n.noteWay(want.Digest, n.chunksWay(want.Digest))
	return nil
}

// Open implements deploy.Blobs.
func (b blobs) Open(a deploy.Artifact) (runtime.BlobReader, error) {
	d, err := store.ParseDigest(a.Digest)
	if err != nil {
		return nil, err
	}
	return b.n.store.OpenChecked(d)
}
