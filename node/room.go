package node

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"selvage/distribute/room"
	"selvage/distribute/store"
	"selvage/ledger"
	"selvage/node/api"
	"selvage/node/home"
)

// tidyEvery is how often it is looked whether the disk is filling up. A blob that is about to come has it looked at once.
const tidyEvery = 15 * time.Second

// tidy keeps the disk from filling up.
func (n *Node) tidy() {
	for sleep(n.ctx, tidyEvery) {
		n.makeRoom(0)
	}
}

// makeRoom gives blobs up if the disk is filling up, or has less than so many bytes free. What it cannot do is said in the status.
func (n *Node) makeRoom(need int64) {
	n.tidying.Lock()
	defer n.tidying.Unlock()
	free, total, err := n.store.Disk()
	if err != nil {
		n.log.Warn("node: cannot see how full the disk is", "err", err)
		return
	}
	disk := room.Disk{Free: free, Total: total, Need: uint64(max(0, need))}
	if disk.Short(room.Usual) == 0 {
		return
	}
	why, err := n.keptWhy()
	if err != nil {
		n.alert(fmt.Sprintf("the disk is filling up, and no blob is given up: %v", err))
		return
	}
	gone, short := room.GiveUp(n.roomBlobs(why), disk, room.Usual)
	for _, b := range gone {
		if n.swarm.Fetching(b.Digest) {
			continue // it is wanted since it was looked at
		}
		if err := n.store.Remove(b.Digest); err != nil {
			n.log.Warn("node: cannot give a blob up", "blob", store.Digest(b.Digest).String(), "err", err)
			continue
		}
		n.log.Info("node: blob given up", "blob", store.Digest(b.Digest).String(), "bytes", b.Bytes, "wanted", b.Wanted)
	}
	if len(gone) > 0 {
		n.poke()
	}
	if short > 0 {
		n.alert("the disk is filling up, and all blobs on it are needed")
	}
}

// roomBlobs are the blobs of the store as room sees them.
func (n *Node) roomBlobs(why map[string][]string) (all []room.Blob) {
	for _, o := range n.store.Objects() {
		i := o.Info()
		all = append(all, room.Blob{Digest: i.Digest, Bytes: o.Held(), Kept: len(why[i.Digest.String()]) > 0, Wanted: o.Used()})
	}
	return all
}

// keptWhy says why blobs are kept however full the disk is, by digest, hex.
func (n *Node) keptWhy() (map[string][]string, error) {
	why := map[string][]string{}
	note := func(digest, word string) {
		if !slices.Contains(why[digest], word) {
			why[digest] = append(why[digest], word)
		}
	}
	needs, err := n.deployer.Needs()
	if err != nil {
		return nil, err
	}
	for digest, word := range needs {
		note(digest, word)
		n.noteSources(digest, note)
	}
	newest := map[string]ledger.SignedRelease{}
	for _, r := range n.ledger.Releases() { // by name and time
		newest[r.Name] = r
	}
	for _, r := range newest {
		for _, a := range r.Artifacts {
			note(a.Digest, "newest of "+r.Name)
		}
	}
	for _, o := range n.store.Objects() {
		if n.swarm.Fetching(o.Digest) {
			note(o.Digest.String(), "on its way")
		}
	}
	for _, d := range n.lately() {
		note(d.String(), "added lately")
	}
	n.notePins(note)
	return why, nil
}

// noteSources keeps what a blob that is wanted and not here can be patched from, and the patches.
func (n *Node) noteSources(digest string, note func(digest, word string)) {
	d, err := store.ParseDigest(digest)
	if err != nil || n.complete(d) {
		return
	}
	for _, p := range n.patchesTo(d) {
		note(p.from.String(), "source of a patch")
		note(p.Digest.String(), "patch to be applied")
	}
}

func (n *Node) notePins(note func(digest, word string)) {
	for _, pin := range n.pinned() {
		if r, ok := n.ledger.Release(pin); ok {
			for _, a := range r.Artifacts {
				note(a.Digest, api.KeptPinned)
			}
		} else if !strings.Contains(pin, "@") {
			note(pin, api.KeptPinned)
		}
	}
}

func (n *Node) pinned() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pins
}

// Pin implements api.Backend.
func (n *Node) Pin(c api.PinChange) ([]string, error) {
	n.pinning.Lock()
	defer n.pinning.Unlock()
	n.tidying.Lock() // who makes room has looked at the pins before
	defer n.tidying.Unlock()
	next := slices.Clone(n.pinned())
	for _, name := range c.Add {
		pin, err := n.pinOf(name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(next, pin) {
			next = append(next, pin)
		}
	}
	for _, name := range c.Remove {
		pin, err := pinNamed(next, name)
		if err != nil {
			return nil, err
		}
		next = slices.DeleteFunc(next, func(p string) bool { return p == pin })
	}
	if len(next) > home.MaxPins {
		return nil, api.Refuse(fmt.Errorf("%d pins, at most %d can be", len(next), home.MaxPins), "'selvage unpin' what is not needed")
	}
	slices.Sort(next)
	if err := n.home.SavePins(next); err != nil {
		return nil, explainStorage(err)
	}
	n.mu.Lock()
	n.pins = next
	n.mu.Unlock()
	return append([]string{}, next...), nil
}

// pinNamed returns which of the pins is named: that of a release, or of a blob by its digest, which may be cut short.
func pinNamed(pins []string, name string) (string, error) {
	if slices.Contains(pins, name) {
		return name, nil
	}
	var found []string
	for _, p := range pins {
		if !strings.Contains(p, "@") && namesBlob(name, p) {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 0:
		return "", api.NotFound(name+" is not pinned", "'selvage pin' lists what is")
	case 1:
		return found[0], nil
	}
	return "", ambiguousBlob(name, found)
}

// ambiguousBlob refuses the beginning of a digest that several blobs have.
func ambiguousBlob(name string, found []string) error {
	return api.Refuse(fmt.Errorf("%s can be %s", name, strings.Join(found, " or ")), "give more of the digest")
}

// minPrefix is how much of a digest names a blob.
const minPrefix = 4

// namesBlob reports whether a name, with or without the name of the hash before it, can be that of a blob.
func namesBlob(name, digest string) bool {
	name = strings.TrimPrefix(name, "sha256:")
	return len(name) >= minPrefix && strings.HasPrefix(digest, name)
}

// pinOf returns what is pinned by a name: that of a release, or the digest of a blob of the store, which may be cut short.
func (n *Node) pinOf(name string) (string, error) {
	if strings.Contains(name, "@") {
		if _, ok := n.ledger.Release(name); !ok {
			return "", api.NotFound("no release is called "+name+" here", "'selvage get releases' lists them")
		}
		return name, nil
	}
	var found []string
	for _, o := range n.store.Objects() {
		if d := o.Digest.String(); namesBlob(name, d) {
			found = append(found, d)
		}
	}
	switch len(found) {
	case 0:
		return "", api.NotFound("no blob here is called "+name, "'selvage get blobs' lists them; a release is named NAME@VERSION")
	case 1:
		return found[0], nil
	}
	return "", ambiguousBlob(name, found)
}
