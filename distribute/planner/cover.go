package planner

// A seed's mates get the blob from it over their LAN. What they have comes to this site by the uplink of the seed, and that has it
// to give already: if they were asked as traders are, each site asked for whatever it lacks, and what another had got of the seed
// went up that uplink again.

// cover finds out who of other sites is asked for nothing, and need not tell what it has, because a seed of its site is asked. One that
// failed since it gave something covers nobody; and if nothing comes from anywhere nobody is covered.
func (p *Planner) cover(wide bool) {
	seeded := map[string]bool{}
	for _, q := range p.order {
		if q.seeds() && q.rests == 0 {
			seeded[q.site] = true
		}
	}
	for _, q := range p.order {
		covered := !wide && q.far() && q.wanted && seeded[q.site]
		p.change(q, func() { q.covered = covered })
	}
}
