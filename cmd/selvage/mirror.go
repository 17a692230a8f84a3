package main

import (
	"slices"

	"selvage/distribute"
	"selvage/distribute/httpmirror"
	"selvage/node"
)

// maxMirrors bounds how many a node has: each is tried in turn.
const maxMirrors = 8

// mirrorsAt returns what makes the mirrors at some URLs, each once.
func mirrorsAt(urls []string) (func(node.DialFunc) []distribute.Mirror, error) {
	var names []string
	for _, raw := range urls {
		u, err := httpmirror.Parse(raw)
		if err != nil {
			return nil, usage("--mirror %q: %v; write it like https://mirror.example/store, where blobs/sha256 is", raw, err)
		}
		if name := u.String(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) > maxMirrors {
		return nil, usage("--mirror is given for %d mirrors, at most %d can be", len(names), maxMirrors)
	}
	return func(dial node.DialFunc) (all []distribute.Mirror) {
		for _, name := range names {
			if m, err := httpmirror.New(name, httpmirror.Dial(dial)); err == nil { // it was read before
				all = append(all, m)
			}
		}
		return all
	}, nil
}
