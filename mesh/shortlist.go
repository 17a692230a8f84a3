package mesh

// shortlist collects the candidates that can make a difference to choose, patient and surplus: in a large fleet nearly none do. Of
// nodes of other sites to which there is no connection those are left out that come after enough others. Candidates are added by rank.
type shortlist struct {
	site    string
	room    int             // sites of which something is to be ready: more than are reached, now or by what is dialled
	all     []candidate     // by rank
	ready   map[string]bool // sites with a node that may be dialled
	vouched map[string]bool // sites with a node of which there is more than hearsay
}

// newShortlist is for a host of a site that has, or is about to have, so many connections. The candidates go into all, from its beginning.
func newShortlist(site string, connections int, all []candidate) *shortlist {
	return &shortlist{site: site, room: connections + 2*neighbours, all: all[:0], ready: map[string]bool{}, vouched: map[string]bool{}}
}

// full reports whether no more nodes of other sites are wanted, unless they are connected.
func (s *shortlist) full() bool { return len(s.ready) >= s.room && len(s.vouched) >= neighbours }

func (s *shortlist) add(c candidate) {
	if c.site != "" && c.site != s.site && !c.linked() {
		if s.full() {
			return
		}
		if c.ready {
			s.ready[c.site] = true
		}
		if !c.hearsay {
			s.vouched[c.site] = true
		}
	}
	s.all = append(s.all, c)
}
