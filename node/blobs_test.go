package node

import (
	"slices"
	"testing"

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
