package mesh

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"selvage/internal/ident"
)

// TestShortlist: what is chosen of the short list is what is chosen of all.
func TestShortlist(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		self := idOf("self")
		all := drawCandidates(t, self)
		most, linked := rapid.SampledFrom([]int{0, 1, 2, 3, 5, 8, 20}).Draw(t, "connections"), 0
		for i := range all {
			c := &all[i]
			if c.spare = i%3 > 0; !c.linked() {
				continue
			}
			if linked == most { // with many of them nobody is left out
				c.connected, c.dialling, c.ready = false, false, true
				continue
			}
			linked++
		}
		site := rapid.SampledFrom([]string{"s0", "alone"}).Draw(t, "site")
		list := newShortlist(site, linked, nil)
		for _, c := range all {
			list.add(c)
		}
		held, due := rapid.Bool().Draw(t, "held"), rapid.Bool().Draw(t, "due")
		pick := func(all []candidate) []ident.NodeID { return patient(site, all, choose(site, all, held), due) }
		if got, want := pick(list.all), pick(all); !slices.Equal(got, want) {
			t.Fatalf("of %d candidates %v are dialled, of all %d %v", len(list.all), got, len(all), want)
		}
		got, ok := surplus(site, list.all)
		if want, also := surplus(site, all); got != want || ok != also {
			t.Fatalf("of %d candidates %v is closed, of all %d %v", len(list.all), got, len(all), want)
		}
	})
}

// TestShortlistIsShort: a host of a large fleet looks at few of it.
func TestShortlistIsShort(t *testing.T) {
	list := newShortlist("s0", 0, nil)
	for i := range 4000 {
		list.add(candidate{id: idOf(fmt.Sprint(i)), site: fmt.Sprint("s", 1+i%800), ready: true})
	}
	if len(list.all) != 2*neighbours {
		t.Errorf("%d of 4000 are on the list", len(list.all))
	}
}
