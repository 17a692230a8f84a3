package ledger

import (
	"cmp"
	"time"

	"selvage/internal/ident"
	"selvage/ledger/trust"
)

// fold turns entries into what they mean. It does no I/O. Its answers depend on the set of entries
// that were added, not on their order, nor on how often each was added; the package comment names
// the one exception. The entries of one durable feed are added in their order.
type fold struct {
	charters charters
	members  map[ident.NodeID]*member
	uses     map[string][]use // by invite serial: who joined with it, the earliest first
	forked   map[ident.NodeID]bool

	statements map[string]*statement // by digest
	taken      map[string]int        // by feed: statement entries taken
	heads      map[string]head       // by feed: its newest entry
	raised     time.Time             // the latest time in a statement that counts

	lists lists
}

// head is the newest entry of a feed.
type head struct {
	seq    uint64
	time   Timestamp
	report *Report // if the newest report of the feed is known
}

// maxStatementsPerFeed bounds what one author can make others keep in memory and check anew with
// each charter. The first of a feed count, so the bound is the same whatever the order of arrival.
const maxStatementsPerFeed = 4096

func newFold(fleet trust.FleetID) *fold {
	return &fold{charters: newCharters(fleet), members: map[ident.NodeID]*member{}, uses: map[string][]use{}, forked: map[ident.NodeID]bool{},
		statements: map[string]*statement{}, taken: map[string]int{}, heads: map[string]head{}}
}

// believes reports whether entries of the author can be judged: it is a member, or e makes it one.
func (f *fold) believes(e *Entry) bool {
	if _, ok := f.members[e.Author]; ok {
		return true
	}
	if e.Kind != KindAdmission {
		return false
	}
	_, err := f.admission(e)
	return err == nil
}

// add takes an entry in whose author the fold believes. What it cannot read it passes over.
func (f *fold) add(e *Entry, received time.Time) {
	switch e.Kind {
	case KindAdmission:
		if a, err := f.admission(e); err == nil {
			f.admit(e.Author, a)
		}
	case KindCharter:
		if env, err := readEnvelope(e.Body); err == nil {
			f.addCharter(env, true)
		}
	case KindRelease, KindDeployment:
		f.addStatement(e)
	}
	f.addHead(e, received)
}

// addHead notes the newest entry of a feed, and the report in it. Later is what has the higher
// number: an author may lie about the time, but not about the number without being found out.
func (f *fold) addHead(e *Entry, received time.Time) {
	key := e.Feed().Key()
	h := f.heads[key]
	if e.Kind == KindReport && (h.report == nil || e.Seq >= h.report.Seq) {
		h.report = &Report{e.Author, e.Seq, e.Time, received, e.Body}
	}
	if e.Seq >= h.seq {
		h.seq, h.time = e.Seq, e.Time
	}
	f.heads[key] = h
}

// feedsOf calls yield with the newest entries of an author's feeds that this fold can know: those
// of the whole fleet and those of its own site.
func (f *fold) feedsOf(id ident.NodeID, yield func(head)) {
	scopes := []string{""}
	if m := f.members[id]; m != nil {
		scopes = append(scopes, m.sites()...)
	}
	for _, scope := range scopes {
		for _, lane := range []Lane{Durable, Register} {
			if h, ok := f.heads[Feed{id, lane, scope}.Key()]; ok {
				yield(h)
			}
		}
	}
}

// lastOf returns the time of an author's newest entry; 0 for one that forked, as what it wrote
// last depends on whom one asks.
func (f *fold) lastOf(id ident.NodeID) Timestamp {
	var last Timestamp
	if !f.forked[id] {
		f.feedsOf(id, func(h head) { last = max(last, h.time) })
	}
	return last
}

// reportOf returns the newest report of an author, if it has written any.
func (f *fold) reportOf(id ident.NodeID) (Report, bool) {
	var newest *Report
	f.feedsOf(id, func(h head) {
		if h.report != nil && (newest == nil || cmp.Or(cmp.Compare(h.report.Time, newest.Time), cmp.Compare(h.report.Seq, newest.Seq)) > 0) {
			newest = h.report
		}
	})
	if newest == nil {
		return Report{}, false
	}
	return *newest, true
}

// addCharter takes a charter; if the chain grows by it, everything is judged anew.
func (f *fold) addCharter(env trust.Envelope, keep bool) {
	if !f.charters.add(env, keep) {
		return
	}
	f.lists = lists{}
	for _, m := range f.members {
		for serial, a := range m.admissions {
			if again, err := f.charters.admit(a.cred); err == nil {
				m.admissions[serial] = again
			}
		}
	}
	for _, s := range f.statements {
		f.judge(s)
	}
}

func (f *fold) chain() *trust.Chain { return f.charters.chain }
