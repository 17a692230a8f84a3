package ledger

import (
	"cmp"
	"slices"
	"time"

	"selvage/internal/ident"
	"selvage/ledger/trust"
)

// fold turns entries into what they mean. It does no I/O. Its answers depend on the set of entries
// that were added, not on their order, nor on how often each was added; the package comment names
// the one exception. The entries of one durable feed are added in their order.
type fold struct {
	charters   charters
	members    map[ident.NodeID]*member
	unadmitted map[[32]byte]trust.Credential // of members, good under no charter so far; by digest
	uses       map[string][]use              // by invite serial: who joined with it, the earliest first
	forked     map[ident.NodeID]bool

	renewals renewals
	configs  map[string]map[string]*statement // site configs, whether they count or not, by site and digest

	statements map[string]*statement // by digest
	revoked    revoked
	taken      map[takenKey]int
	heads      map[Feed]head
	stood      map[ident.NodeID]standing // what standing has worked out; see unsettle
	raised     time.Time                 // the latest time in a statement that counts

	bounds      bounds
	doubted     doubted
	releaseList []SignedRelease    // what releases answers; nil: to be worked out
	wantedList  []DeploymentState  // likewise deployments
	revokedList []SignedRevocation // likewise revocations
	siteList    []SiteState        // likewise siteConfigs
}

// takenKey counts what one author can make others keep in memory and check anew with each charter.
type takenKey struct {
	feed string
	kind Kind
}

// bounds say how many entries of a feed and kind are looked into. The first of a feed count, so
// the answer is the same whatever the order of arrival; the others are kept and passed on only.
type bounds struct {
	statements int // of each kind that operators sign
	grants     int // admissions, and charters
}

var usualBounds = bounds{statements: 1 << 14, grants: trust.MaxCharters}

func (b bounds) of(k Kind) int {
	if isStatement(k) {
		return b.statements
	}
	return b.grants
}

// head is what a register feed says of its author: reports, beacons and lease records that are kept, at most maxRegisters. Of most
// authors that is one.
type head []saying

type saying struct {
	kind Kind
	Report
}

// isHead reports whether a kind is one of those that a head has.
func isHead(k Kind) bool {
	return k == KindReport || k == KindBeacon || k == KindLease || k == KindTerms
}

func newFold(fleet trust.FleetID, verify trust.VerifyFunc) *fold {
	return &fold{charters: newCharters(fleet, verify), members: map[ident.NodeID]*member{}, unadmitted: map[[32]byte]trust.Credential{},
		uses: map[string][]use{}, forked: map[ident.NodeID]bool{}, statements: map[string]*statement{}, revoked: revoked{}, renewals: newRenewals(), configs: map[string]map[string]*statement{},
		stood: map[ident.NodeID]standing{}, taken: map[takenKey]int{}, heads: map[Feed]head{}, bounds: usualBounds, doubted: newDoubted()}
}

// believes reports whether entries of the author can be judged: it is a member, or e makes it one.
func (f *fold) believes(e *Entry) bool {
	if f.members[e.Author] != nil {
		return true
	}
	if e.Kind != KindAdmission {
		return false
	}
	_, err := f.admission(e)
	return err == nil
}

// fork notes that a member has forked a feed.
func (f *fold) fork(id ident.NodeID) {
	f.forked[id] = true
	f.releaseList = nil // who carries them
	f.unsettle(id)
}

// full reports whether another entry of a feed and kind would not be looked into.
func (f *fold) full(feed string, k Kind) bool {
	return vouched(k) && f.taken[takenKey{feed, k}] >= f.bounds.of(k)
}

// add takes an entry in whose author the fold believes. What it cannot read it passes over.
func (f *fold) add(e *Entry, received time.Time) {
	f.addHead(e, received)
	if e.Kind == KindRenewal {
		f.addRenewal(e)
	}
	feed := e.feedKey()
	if !vouched(e.Kind) || f.full(feed, e.Kind) {
		return
	}
	f.taken[takenKey{feed, e.Kind}]++
	switch {
	case e.Kind == KindAdmission:
		f.addAdmission(e)
	case e.Kind == KindCharter:
		if p, err := readProposal(e.Body); err == nil {
			f.addCharter(p, true)
		}
	case isStatement(e.Kind):
		f.addStatement(e)
	}
}

// addHead notes a report, a beacon or a lease record. Newest is what has the highest number: an author may lie about
// the time, but not about the number without being found out.
func (f *fold) addHead(e *Entry, received time.Time) {
	if !isHead(e.Kind) {
		return
	}
	feed := e.Feed()
	h := slices.DeleteFunc(f.heads[feed], func(s saying) bool { return s.Seq == e.Seq })
	f.heads[feed] = append(h, saying{e.Kind, Report{e.Author, e.Seq, e.Time, received, e.Body}})
	f.doubted.heads(e.Kind)[e.Author] = true
}

// forget drops a register entry that has been replaced.
func (f *fold) forget(feed Feed, seq uint64) {
	f.forgetRenewal(feed, seq)
	h := f.heads[feed]
	if i := slices.IndexFunc(h, func(s saying) bool { return s.Seq == seq }); i >= 0 {
		f.doubted.heads(h[i].kind)[feed.Author] = true
		f.heads[feed] = slices.Delete(h, i, i+1)
	}
}

// eachHead calls do with the heads of an author's feeds that count: those of the whole fleet and
// those of the sites that it was admitted to. One may come twice.
func (f *fold) eachHead(id ident.NodeID, do func(head)) {
	in := func(scope string) {
		if h := f.heads[Feed{id, Register, scope}]; len(h) > 0 {
			do(h)
		}
	}
	in("")
	if m := f.members[id]; m != nil {
		for _, a := range m.admissions {
			in(a.Site)
		}
	}
}

// spoke reports whether there is anything in an author's heads that count. In a fleet that starts nodes are admitted by the
// thousand that have not reported yet.
func (f *fold) spoke(id ident.NodeID) (any bool) {
	f.eachHead(id, func(head) { any = true })
	return any
}

// newestOf returns the newest entry of one of a head's kinds of an author, if it has written any.
func (f *fold) newestOf(id ident.NodeID, k Kind) (Report, bool) {
	var newest *Report
	f.eachHead(id, func(h head) {
		var last *Report
		for i := range h {
			if r := &h[i].Report; h[i].kind == k && (last == nil || r.Seq > last.Seq) {
				last = r
			}
		}
		if last != nil && (newest == nil || cmp.Or(cmp.Compare(last.Time, newest.Time), cmp.Compare(last.Seq, newest.Seq)) > 0) {
			newest = last
		}
	})
	if newest == nil {
		return Report{}, false
	}
	return *newest, true
}

// report returns the newest report of a member that is not quarantined.
func (f *fold) report(id ident.NodeID) (Report, bool) { return f.believed(id, KindReport) }

// beacon is report for beacons.
func (f *fold) beacon(id ident.NodeID) (Report, bool) { return f.believed(id, KindBeacon) }

// lease is report for lease records.
func (f *fold) lease(id ident.NodeID) (Report, bool) { return f.believed(id, KindLease) }

// terms is report for records of terms.
func (f *fold) terms(id ident.NodeID) (Report, bool) { return f.believed(id, KindTerms) }

func (f *fold) believed(id ident.NodeID, k Kind) (Report, bool) {
	r, ok := f.newestOf(id, k)
	_, problem := f.standing(id)
	return r, ok && problem == "" && f.members[id] != nil
}

// addCharter takes a charter; if the chain grows by it, everything is judged anew.
func (f *fold) addCharter(p proposal, keep bool) {
	if !f.charters.add(p, keep) {
		return
	}
	f.admitAgain()
	for _, s := range f.statements {
		s.resolve(f.charters.keys)
		f.judge(s)
	}
}

func (f *fold) chain() *trust.Chain { return f.charters.chain }
