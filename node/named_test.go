package node

import (
	"slices"
	"testing"
	"time"

	"selvage/distribute/store"
	"selvage/ledger"
)

// byNumber are digests, by digest.
func byNumber(n int) (all []store.Digest) {
	for i := range n {
		all = append(all, store.Digest{byte(i >> 8), byte(i)})
	}
	return all
}

// releasing is a release of a blob, made so many minutes after the first, with patches.
func releasing(d store.Digest, minute int, patches ...store.Digest) ledger.Release {
	a := ledger.Artifact{Platform: ledger.AnyPlatform, Digest: d.String()}
	for _, p := range patches {
		a.Patches = append(a.Patches, ledger.Patch{Digest: p.String()})
	}
	return ledger.Release{Name: "app", Version: d.String(), Created: today.Add(time.Duration(minute) * time.Minute), Artifacts: []ledger.Artifact{a}}
}

// Of too many blobs a report names those that deployments ask for, with their patches, and the first of the others.
func TestNamed(t *testing.T) {
	all := byNumber(1000)
	asked := []ledger.Release{releasing(all[990], 0, all[980]), releasing(all[970], 1)}
	want := slices.Concat(all[:maxReportItems-3], []store.Digest{all[970], all[980], all[990]})
	if got := named(slices.Clone(all), asked); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if got := named(slices.Clone(all[:999]), asked); !slices.Equal(got, want) {
		t.Error("a blob that nobody asks for changes the report")
	}
}

// Of too many that are asked for it names those of the newest releases.
func TestNamedNewest(t *testing.T) {
	all := byNumber(1000)
	var asked []ledger.Release
	for i, d := range all {
		asked = append(asked, releasing(d, i))
	}
	if got := named(slices.Clone(all), asked); !slices.Equal(got, all[1000-maxReportItems:]) {
		t.Errorf("got %v", got)
	}
}
