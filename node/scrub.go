package node

import (
	"context"
	"fmt"
	"time"

	"selvage/distribute"
	"selvage/distribute/store"
	"selvage/node/api"
)

// How the store is scrubbed.
const (
	scrubRate    = 64 << 20         // bytes a second: what a disk does beside its work
	scrubStep    = 8 << 20          // bytes between two pauses
	scrubPatient = 15 * time.Second // how long it is waited for more of what has to be fetched again
	mendPause    = time.Second      // before mending is tried again; each time twice as long
	mendPauseMax = 5 * time.Minute
)

// mendSpoilt goes on with what went bad before the node came up.
func (n *Node) mendSpoilt() {
	for _, o := range n.store.Objects() {
		if d, ok := o.Spoilt(); ok {
			n.mend(o, d)
		}
	}
}

// mend says what went bad of a blob, and has it got again. It never blocks.
func (n *Node) mend(o *store.Object, d store.Damage) {
	what := fmt.Sprintf("%d chunks (%d bytes) of blob %.12s went bad", d.Chunks, d.Bytes, o.Digest)
	switch {
	case d.Missing:
		what = fmt.Sprintf("the file of blob %.12s is gone", o.Digest)
	case d.Chunks == 0:
		what = fmt.Sprintf("the file of blob %.12s has become longer", o.Digest)
	}
	n.alert(what + " on this disk; it is mended from other nodes")
	n.swarm.Anew(o.Digest)
	n.mu.Lock()
	delete(n.ways, o.Digest)
	n.mu.Unlock()
	n.poke()
	n.fetchAgain(o)
}

// fetchAgain gets again what went bad of a blob, for as long as the node is up and the blob is not given up. It never blocks.
func (n *Node) fetchAgain(o *store.Object) {
	n.mu.Lock()
	busy := n.mending[o.Digest]
	n.mending[o.Digest] = true
	n.mu.Unlock()
	if busy || n.ctx.Err() != nil {
		return
	}
	n.wg.Go(func() {
		pause := mendPause
		for n.stillSpoilt(o) {
			err := n.fetch(n.ctx, o.Want, distribute.Normal)
			if err == nil || n.ctx.Err() != nil {
				break
			}
			if pause == mendPause {
				n.log.Warn("node: a blob that went bad is not mended yet", "blob", o.Digest.String(), "err", err)
			}
			sleep(n.ctx, pause)
			pause = min(2*pause, mendPauseMax)
		}
		n.mu.Lock()
		delete(n.mending, o.Digest)
		n.mu.Unlock()
		n.poke()
		if n.stillSpoilt(o) { // anew, since it was whole: who has found it took it for being mended
			n.fetchAgain(o)
		}
	})
}

// stillSpoilt reports whether a blob that went bad is here, and not whole.
func (n *Node) stillSpoilt(o *store.Object) bool {
	here, ok := n.store.Object(o.Digest)
	_, spoilt := o.Spoilt()
	return ok && here == o && spoilt && n.ctx.Err() == nil
}

// Scrub implements api.Backend: all blobs are read at a bounded pace, and what went bad on this disk, now or before, is fetched again.
func (n *Node) Scrub(ctx context.Context, told func(api.Scrub)) (api.Scrub, error) {
	n.scrubbing.Lock()
	defer n.scrubbing.Unlock()
	var all, spoilt []*store.Object
	out := api.Scrub{Damaged: []api.Damaged{}}
	for _, o := range n.store.Objects() {
		if o.Complete() {
			all = append(all, o)
			out.Bytes += o.Size
		} else if _, ok := o.Spoilt(); ok {
			spoilt = append(spoilt, o)
		}
	}
	pace := n.pacer(ctx, &out, told)
	releases := n.releasesOf()
	var bad []*store.Object
	note := func(o *store.Object, d store.Damage, err error) {
		item := api.Damaged{Digest: o.Digest.String(), Releases: releases[o.Digest.String()], Chunks: d.Chunks, Bytes: d.Bytes, Missing: d.Missing}
		if err != nil {
			item.Error = err.Error()
		}
		out.Damaged, bad = append(out.Damaged, item), append(bad, o)
		told(out)
	}
	for _, o := range spoilt {
		if d, ok := o.Spoilt(); ok {
			note(o, d, nil)
			n.fetchAgain(o)
		}
	}
	for _, o := range all {
		d, err := o.Scrub(ctx, pace)
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
		out.Blobs++
		if err != nil || d != (store.Damage{}) {
			note(o, d, err)
		}
	}
	for i, o := range bad {
		n.awaitMended(ctx, o)
		out.Damaged[i].Mended = o.Complete() && out.Damaged[i].Error == ""
		if !o.Complete() {
			out.Damaged[i].ToCome = n.toCome(o.Want)
		}
		told(out)
	}
	out.Done = true
	return out, ctx.Err()
}

// pacer returns what a scrub calls before it reads so many bytes.
func (n *Node) pacer(ctx context.Context, out *api.Scrub, told func(api.Scrub)) func(int) error {
	since := 0
	return func(bytes int) error {
		out.Read += int64(bytes)
		if since += bytes; since < scrubStep {
			return nil
		}
		told(*out)
		pause := time.Duration(since) * time.Second / scrubRate
		since = 0
		if !sleep(ctx, pause) {
			return ctx.Err()
		}
		return nil
	}
}

// awaitMended waits until a blob is whole again, or nothing more of it comes.
func (n *Node) awaitMended(ctx context.Context, o *store.Object) {
	last, since := o.Info().Have, time.Now()
	for !o.Complete() && time.Since(since) < scrubPatient && sleep(ctx, 100*time.Millisecond) {
		if have := o.Info().Have; have != last {
			last, since = have, time.Now()
		}
	}
}
