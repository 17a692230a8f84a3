package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// roster knows which places there are, and from when.
type roster struct {
	sites  map[string]int // nodes that are there from the start
	joins  map[string]time.Duration
	joined map[string][]string // by site, in the order of joining
	names  []string            // of the sites
	seeded map[string]bool     // releases, whenever that is
	// deployed are those of which a deployment is declared, whenever that is.
	deployed map[string]bool
}

func (s Scenario) roster() roster {
	r := roster{sites: map[string]int{}, joins: map[string]time.Duration{}, joined: map[string][]string{},
		seeded: map[string]bool{}, deployed: map[string]bool{}}
	for _, site := range s.Sites {
		r.sites[site.Name] = site.Nodes
		r.names = append(r.names, site.Name)
	}
	for _, i := range inTime(s.Work) {
		if seed := s.Work[i].Seed; seed != nil {
			r.seeded[seed.Name+"@"+seed.Version] = true
		}
		if d := s.Work[i].Deploy; d != nil {
			r.deployed[d.Release] = true
		}
		if j := s.Work[i].Join; j != nil {
			place := j.Site + "/" + j.Name
			if _, twice := r.joins[place]; !twice {
				r.joins[place] = s.Work[i].At
				r.joined[j.Site] = append(r.joined[j.Site], place)
			}
		}
	}
	return r
}

// siteOf is the site of a place.
func siteOf(place string) string {
	site, _, _ := strings.Cut(place, "/")
	return site
}

// founding reports whether a node is there from the start.
func (r roster) founding(place string) bool {
	site, name, _ := strings.Cut(place, "/")
	return nodeNumber(name) >= 0 && nodeNumber(name) < r.sites[site]
}

// nodeNumber is 3 for n3, and -1 for a name that no node has from the start.
func nodeNumber(name string) int {
	digits, ok := strings.CutPrefix(name, "n")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || strconv.Itoa(n) != digits {
		return -1
	}
	return n
}

// missing says why a place is not there at a time; it is "" if the place is.
func (r roster) missing(place string, at time.Duration) string {
	site, name, inner := strings.Cut(place, "/")
	nodes, ok := r.sites[site]
	since, joins := r.joins[place]
	switch {
	case !ok:
		return fmt.Sprintf("there is no site %s; %s", site, hint(site, r.names))
	case !inner || r.founding(place) || joins && since <= at:
		return ""
	case joins:
		return fmt.Sprintf("%s is not there yet: it joins at %s", place, durationText(since))
	}
	known := slices.Clone(r.joined[site])
	for i := range min(nodes, maxListed) {
		known = append(known, site+"/n"+strconv.Itoa(i))
	}
	return fmt.Sprintf("site %s has no node %s; %s", site, name, hint(place, known))
}

// nodes lists the nodes of a place at a time.
func (r roster) nodes(place string, at time.Duration) []string {
	if strings.Contains(place, "/") {
		if r.missing(place, at) != "" {
			return nil
		}
		return []string{place}
	}
	var out []string
	for i := range r.sites[place] {
		out = append(out, place+"/n"+strconv.Itoa(i))
	}
	for _, node := range r.joined[place] {
		if r.joins[node] <= at {
			out = append(out, node)
		}
	}
	return out
}

// sides are the places that a random partition parts. A node goes with its site where that is one of them.
func (r roster) sides(random Random) []string {
	if len(random.On) == 0 {
		return r.names
	}
	var out []string
	for i, place := range random.On {
		site := siteOf(place)
		if !slices.Contains(random.On[:i], place) && (site == place || !slices.Contains(random.On, site)) {
			out = append(out, place)
		}
	}
	return out
}
