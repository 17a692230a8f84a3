package planner

// checkSets compares the sets with the pieces that belong into them, found the dumb way.
func (n *simNode) checkSets() {
	p, t := n.plan, n.s.t
	if p.Done() {
		return
	}
	whole := false
	var bytes int64
	for _, q := range p.order {
		whole = whole || q.trader() && q.all
	}
	for at := range p.pieces {
		pc := &p.pieces[at]
		var locals, partly, trading, seeds int
		for _, q := range p.order {
			offers := q.trusted() && (q.all || p.useful(q, pc))
			switch {
			case !q.all && q.gives.has(pc.turns[q.kind()]) != p.useful(q, pc):
				t.Fatalf("piece %d of %v: it is not in gives as it should be", at, q.id)
			case !offers:
			case q.mirror:
				// it counts for nothing
			case q.local:
				locals++
				partly += kindOf(!q.all)
			case !q.all || whole: // then it is expected of traders anyway
				trading++
			default:
				seeds++
			}
		}
		far := none
		switch {
		case pc.idle == 0 || locals > 0:
		case trading+seeds == 0:
			if pc.before == 0 && !pc.forsaken {
				far = farLast
			}
		case pc.before == 0:
			far = farMine + kindOf(trading > 0)
			bytes += pc.bytes * int64(pc.idle-pc.claimed) / int64(pc.count)
		case pc.before == 1:
			far = farHelped + kindOf(trading > 0)
		case trading == 0:
			far = farRare
		}
		for k := range p.sets.far {
			if p.sets.far[k].has(pc.turns[0]) != (k == far) {
				t.Fatalf("piece %d belongs into set %d of what is beyond the uplink, and %d has it or has it not", at, far, k)
			}
		}
		for k := range p.sets.near {
			if in := pc.idle > 0 && min(partly, rarities-1) == k; p.sets.near[k].has(pc.turns[1]) != in {
				t.Fatalf("piece %d, which %d local peers offer: in the set of %d is %v", at, partly, k, !in)
			}
		}
		if bare := pc.idle > 0 && (pc.forsaken || locals+trading+seeds == 0); p.sets.bare.has(pc.turns[1]) != bare {
			t.Fatalf("piece %d: that it is offered by nobody is %v", at, bare)
		}
		if left := pc.idle > 0 && pc.forsaken && pc.before == 0; p.sets.left.has(pc.turns[0]) != left {
			t.Fatalf("piece %d: that it is left to mirrors is %v", at, left)
		}
	}
	if bytes != p.sets.mine {
		t.Fatalf("%d bytes to ask for, counted %d", bytes, p.sets.mine)
	}
}
