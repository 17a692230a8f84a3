package ledger

import (
	"fmt"
	"slices"
	"time"

	"selvage/internal/ident"
	"selvage/ledger/trust"
)

const (
	// renewalSkew is how far ahead of this node's time a renewal may have been issued: clocks of edge machines lie.
	renewalSkew = 24 * time.Hour
	// graceShare of a renewed credential's life is how long after its end a credential may still be renewed, and dueShare of its own is
	// what it has left when it should be.
	graceShare, dueShare = 3, 3
)

// Grace is how long after a credential has expired its issuer may still renew it: a third of the life that it may give.
func (is Issuer) Grace() time.Duration { return time.Duration(is.Life) / graceShare }

// heldRenewal is a renewal that an issuer's feed holds.
type heldRenewal struct {
	seq     uint64
	renewal trust.Renewal
}

// renewals are those that the ledger holds: of each member, by who issued them. Each feed holds the newest of its author for a member.
type renewals struct {
	of map[ident.NodeID]map[ident.NodeID]heldRenewal
	at map[ident.NodeID]map[uint64]ident.NodeID // whose credential it is, by author and number
}

func newRenewals() renewals {
	return renewals{map[ident.NodeID]map[ident.NodeID]heldRenewal{}, map[ident.NodeID]map[uint64]ident.NodeID{}}
}

func (r renewals) put(author ident.NodeID, h heldRenewal) {
	node := h.renewal.Node
	if r.of[node] == nil {
		r.of[node] = map[ident.NodeID]heldRenewal{}
	}
	if r.at[author] == nil {
		r.at[author] = map[uint64]ident.NodeID{}
	}
	if old, ok := r.of[node][author]; ok && old.seq > h.seq {
		return
	}
	r.of[node][author], r.at[author][h.seq] = h, node
}

func (r renewals) remove(author ident.NodeID, seq uint64) (node ident.NodeID, ok bool) {
	if node, ok = r.at[author][seq]; !ok {
		return node, false
	}
	delete(r.at[author], seq)
	if r.of[node][author].seq == seq {
		delete(r.of[node], author)
	}
	return node, true
}

// addRenewal takes a renewal that its issuer has written. What right it had is judged when it is asked for.
func (f *fold) addRenewal(e *Entry) {
	r, err := trust.ParseRenewal(e.Body, f.charters.verify)
	if err != nil || r.Issuer != e.Author || r.Fleet != f.charters.fleet || e.Scope != "" || e.Key != r.Node.String() {
		return
	}
	f.renewals.put(e.Author, heldRenewal{e.Seq, r})
	f.doubted.nodes[r.Node] = true
}

// forgetRenewal drops one that has been replaced.
func (f *fold) forgetRenewal(feed Feed, seq uint64) {
	if feed.Scope != "" {
		return
	}
	if node, ok := f.renewals.remove(feed.Author, seq); ok {
		f.doubted.nodes[node] = true
	}
}

// doubtRenewals has what the renewals of an issuer mean worked out anew.
func (f *fold) doubtRenewals(issuer ident.NodeID) {
	for _, node := range f.renewals.at[issuer] {
		f.doubted.nodes[node] = true
	}
}

// noteSite has the renewals of a site judged anew: what operators want of it is another.
func (f *fold) noteSite(s *statement) {
	for _, c := range f.configs[s.site.Site] {
		for _, is := range c.site.Issuers {
			f.doubtRenewals(is.Node)
		}
	}
}

// renewalsOf returns the renewals of a member's credential that count, the one that counts most first. A renewal that is shown, if
// there is one, is among them if it counts.
func (f *fold) renewalsOf(m trust.Member, shown ...trust.Renewal) []trust.Renewal {
	var out []trust.Renewal
	for _, h := range f.renewals.of[m.Node] {
		shown = append(shown, h.renewal)
	}
	for _, r := range shown {
		if f.renews(r, m) && !slices.ContainsFunc(out, func(o trust.Renewal) bool { return o.Compare(r) == 0 }) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b trust.Renewal) int { return b.Compare(a) })
	return out
}

// renews reports whether a renewal is of a member's credential, and its issuer had the right to give it.
func (f *fold) renews(r trust.Renewal, m trust.Member) bool {
	if r.Node != m.Node || r.Serial != m.Serial || r.Ends.Before(m.Expires.Truncate(time.Millisecond)) {
		return false
	}
	for _, s := range f.configs[m.Site] {
		if s.signers != nil && f.grants(s, r) {
			return true
		}
	}
	return false
}

// grants reports whether a site config gave the issuer of a renewal the right to it when it was issued. That the right has ended
// since takes nothing back: a site would lose its members with the node that led it. It ends with the next config, with the
// revocation of the issuer, and with that of an operator's key without whose signature the config would not count.
func (f *fold) grants(s *statement, r trust.Renewal) bool {
	is, ok := s.site.Issuer(r.Issuer)
	if !ok || r.Issued.Before(s.site.Declared.Truncate(time.Millisecond)) || r.Expires.After(is.Expires) ||
		r.Expires.Sub(r.Issued) > time.Duration(is.Life) || r.Issued.Sub(r.Ends) > is.Grace() {
		return false
	}
	return f.mayIssue(s, is, r.Issued)
}

// mayIssue reports whether an issuer that a site config names has that right still at a time.
func (f *fold) mayIssue(s *statement, is Issuer, at time.Time) bool {
	before := func(end time.Time) bool { return at.Before(end) }
	for _, o := range f.configs[s.site.Site] {
		if o.signers != nil && slices.Contains(o.site.Supersedes, s.digest) && !before(o.site.Declared) {
			return false
		}
	}
	m, problem := f.standing(is.Node)
	if m.Site != s.site.Site {
		return false
	}
	if rev := f.revokedNode(is.Node); rev != nil {
		return before(rev.revocation.Declared) && before(is.Expires)
	}
	// One that forked has led honestly before that, as far as anybody knows; all else that is wrong was so from the start.
	if problem != "" && !f.forked[is.Node] {
		return false
	}
	return before(is.Expires) && before(f.signedUntil(s))
}

// signedUntil is when the revocation of operators' keys has taken so many signatures from a site config that it would not count but
// for what these revocations keep: until then it gives rights. If they have not, that is far ahead.
func (f *fold) signedUntil(s *statement) time.Time {
	end := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	var gone []string
	for t := range f.revoked {
		if t.subject == SubjectKey {
			gone = append(gone, t.id)
		}
	}
	if len(gone) == 0 {
		return end
	}
	if _, _, err := f.verify(s, gone...); err == nil {
		return end
	}
	for t, all := range f.revoked {
		if _, signed := s.good[t.id]; t.subject == SubjectKey && signed && all[0].revocation.Declared.Before(end) {
			end = all[0].revocation.Declared
		}
	}
	return end
}

// GoodUntil returns until when a member's credential is good, as it is at a time, and the renewal that says so, if one does.
func (n Node) GoodUntil(now time.Time) (time.Time, trust.Renewal, bool) {
	return goodUntil(n.Member, n.Renewals, now)
}

// goodUntil is until when a credential is good. Of renewals that have not expired the first counts, however long others are good for:
// who gave them did not lead any more.
func goodUntil(m trust.Member, renewals []trust.Renewal, now time.Time) (until time.Time, by trust.Renewal, renewed bool) {
	until = m.Expires
	for _, r := range renewals {
		if r.Issued.After(now.Add(renewalSkew)) {
			continue
		}
		if now.Before(r.Expires) {
			if r.Expires.After(until) {
				return r.Expires, r, true
			}
			return until, trust.Renewal{}, false
		}
		if r.Expires.After(until) {
			until, by, renewed = r.Expires, r, true
		}
	}
	return until, by, renewed
}

// RenewalDue returns when a member's credential should be renewed by an issuer, and until when it is good then; false if it
// should not: the member is put out, is gone for longer than the issuer's grace, or would gain nothing.
func (n Node) RenewalDue(is Issuer, now time.Time) (due, until time.Time, ok bool) {
	ends, r, renewed := n.GoodUntil(now)
	life := n.Life
	if renewed {
		life = r.Expires.Sub(r.Issued)
	}
	due = ends.Add(-life / dueShare)
	until = now.Add(time.Duration(is.Life)).Truncate(time.Millisecond)
	if until.After(is.Expires) {
		until = is.Expires
	}
	return due, until, n.Quarantined == "" && now.Sub(ends) <= is.Grace() && until.After(ends)
}

// MayIssue returns the right of a node to renew credentials at a site at a time; false if it has none. It waits for the change that
// is under way.
func (l *Ledger) MayIssue(id ident.NodeID, site string, now time.Time) (Issuer, bool) {
	digest := l.SiteConfig(site).Digest
	l.writing.Lock()
	defer l.writing.Unlock()
	s, ok := l.fold.statements[digest]
	if !ok || s.signers == nil {
		return Issuer{}, false
	}
	is, ok := s.site.Issuer(id)
	return is, ok && l.fold.mayIssue(s, is, now)
}

// checkExpiry says that a credential is over, if it is, and returns until when it is good otherwise.
func (f *fold) checkExpiry(m trust.Member, cred trust.Credential, now time.Time) (time.Time, error) {
	var shown []trust.Renewal
	if r, ok := cred.Renewal(f.charters.verify); ok {
		shown = append(shown, r)
	}
	until, _, _ := goodUntil(m, f.renewalsOf(m, shown...), now)
	if !now.Before(until) {
		return until, fmt.Errorf("credential has %w on %s", trust.ErrExpired, until.UTC().Format("2006-01-02 15:04 UTC"))
	}
	return until, nil
}
