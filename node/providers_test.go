package node

import (
	"fmt"
	"slices"
	"testing"

	"selvage/distribute/store"
	"selvage/internal/ident"
)

func TestFollowing(t *testing.T) {
	a, b, c := ident.NodeID{1}, ident.NodeID{2}, ident.NodeID{3}
	for _, test := range []struct {
		id         ident.NodeID
		all, wants []ident.NodeID
	}{
		{b, []ident.NodeID{a, c}, []ident.NodeID{c, a}},
		{c, []ident.NodeID{a, b}, []ident.NodeID{a, b}},
		{a, []ident.NodeID{b, c}, []ident.NodeID{b, c}},
		{a, nil, nil},
	} {
		if got := following(test.id, test.all); !slices.Equal(got, test.wants) {
			t.Errorf("after %v of %v: %v", test.id, test.all, got)
		}
	}
}

// Who has more blobs than a report names is asked for all of them that it carries a release with, as long as it counts; and for none,
// while its report names all.
func TestProvidersOfMany(t *testing.T) {
	f := found(t)
	m := f.join("b", "b1")
	var all []store.Digest
	for i := range maxReportItems + 8 {
		ref := fmt.Sprintf("app%d@1", i)
		added, err := f.seed(f.founder, ref, fmt.Appendf(nil, "blob %d", i))
		if err != nil {
			t.Fatal(err)
		}
		d, err := store.ParseDigest(added.Digest)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	reported := func() (r report) {
		for _, x := range m.ledger.Reports() {
			if x.Node == f.founder.home.Node {
				r, _ = m.decodedReport(x)
			}
		}
		return r
	}
	eventually(t, "all is known", func() bool { return len(m.Releases()) == len(all) && len(reported().Blobs) == maxReportItems })
	for i, d := range all {
		if got := m.providers(d); !slices.Equal(got, []ident.NodeID{f.founder.home.Node}) {
			t.Errorf("blob %d is had by %v", i, got)
		}
	}
	for _, d := range all[:16] {
		if err := f.founder.store.Remove(d); err != nil {
			t.Fatal(err)
		}
	}
	f.founder.poke()
	eventually(t, "fewer are reported", func() bool { return len(reported().Blobs) == len(all)-16 })
	if gone, there := m.providers(all[0]), m.providers(all[16]); len(gone) != 0 || len(there) != 1 {
		t.Errorf("what it has not got is had by %v, what it has by %v", gone, there)
	}
}
