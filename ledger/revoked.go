package ledger

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"selvage/internal/ident"
	"selvage/internal/mutant"
	"selvage/ledger/trust"
)

// target is what is revoked.
type target struct {
	subject Subject
	id      string
}

func (r Revocation) target() target { return target{r.Subject, r.ID} }

// revoked has the revocations that count, by what they are about; of one target the earliest comes first.
//
// Whether a revocation of a key counts depends on root keys only, of which no revocation takes the power away. So
// there is no circle: keys are judged first, and everything else by them.
type revoked map[target][]*statement

// put adds or takes away a revocation.
func (r revoked) put(s *statement, counts bool) {
	t := s.revocation.target()
	list := slices.DeleteFunc(slices.Clone(r[t]), func(o *statement) bool { return o == s })
	if counts {
		list = append(list, s)
		slices.SortFunc(list, compareRevocations)
	}
	if r[t] = list; len(list) == 0 {
		delete(r, t)
	}
}

func compareRevocations(a, b *statement) int {
	return cmp.Or(a.revocation.Declared.Compare(b.revocation.Declared), strings.Compare(a.digest, b.digest))
}

// keeps reports whether any of them leaves something in force.
func keeps(all []*statement, what string) bool {
	return slices.ContainsFunc(all, func(s *statement) bool { return slices.Contains(s.revocation.Keeps, what) })
}

// struck returns the keys whose signatures on something do not count.
func (f *fold) struck(what string) (ids []string) {
	for t, all := range f.revoked {
		if t.subject == SubjectKey && !keeps(all, what) {
			ids = append(ids, t.id)
		}
	}
	return ids
}

// inForce returns the newest charter as it holds for a statement or an invite, named by its digest or serial: without
// the keys that are revoked, unless the revocation keeps just this.
func (f *fold) inForce(what string) *trust.Charter {
	return f.chain().Latest().Without(f.struck(what)...)
}

// verify returns who signed a statement, if they are enough of those who may; newest says that they are by the newest
// charter. A revocation counts by any charter of the chain: what was revoked must not come back because an operator
// has left, and with him his signature.
func (f *fold) verify(s *statement, less ...string) (signers []string, newest bool, err error) {
	if fleet, named := s.fleet(); named && fleet != f.charters.fleet {
		return nil, false, fmt.Errorf("%s is %w", s.kind, trust.ErrForeignFleet)
	}
	less = append(f.struck(s.digest), less...)
	for i, c := range slices.Backward(f.charters.versions) {
		newest = i == len(f.charters.versions)-1
		signers, why := s.verify(c.Without(less...))
		if why == nil {
			return signers, newest, nil
		}
		if newest {
			err = why
		}
		if s.kind != KindRevocation {
			break
		}
	}
	return nil, false, cmp.Or(err, errNoCharter)
}

// revoke has what follows from a revocation that counts now, or does not any more.
func (f *fold) revoke(s *statement, counts bool) {
	r := s.revocation
	f.revoked.put(s, counts)
	switch r.Subject {
	case SubjectNode:
		if id, err := ident.Parse(r.ID); err == nil {
			f.unsettle(id)
		}
	case SubjectInvite:
		for _, u := range f.uses[r.ID] {
			f.unsettle(u.node)
		}
	case SubjectKey:
		for _, o := range f.statements {
			if o.kind != KindRevocation || o.revocation.Subject != SubjectKey {
				f.judge(o)
			}
		}
		f.unsettle()
	}
}

// revokedNode returns the revocation of a node that counts, nil if there is none: one that is signed by who may admit
// to a site that the node was ever admitted to, or to those that are named.
func (f *fold) revokedNode(id ident.NodeID, sites ...string) *statement {
	if len(f.revoked) == 0 {
		return nil
	}
	if m := f.members[id]; m != nil {
		for _, a := range m.admissions {
			sites = append(sites, a.Site)
		}
	}
	for _, s := range f.revoked[target{SubjectNode, id.String()}] {
		if s.revocation.Site == "" || slices.Contains(sites, s.revocation.Site) {
			return s
		}
	}
	return nil
}

// invited says what the revocations of an invite mean for a node that joined with it: nothing, if there are none.
func (f *fold) invited(m trust.Member) (revoked, kept bool, why string) {
	all := slices.DeleteFunc(slices.Clone(f.revoked[target{SubjectInvite, m.Serial}]), func(s *statement) bool {
		return s.revocation.Site != "" && s.revocation.Site != m.Site
	})
	if len(all) == 0 {
		return false, false, ""
	}
	return true, keeps(all, m.Node.String()), all[0].revocation.because("joined with a ticket that was revoked")
}

const byRevokedKey = "was invited by a key that was revoked"

// RevokedError says that a node was revoked, and lets it check that for itself.
type RevokedError struct {
	Text     string
	Envelope []byte // the revocation, as JSON
}

func (e *RevokedError) Error() string { return e.Text }

// refused makes the error of a revocation.
func (s *statement) refused() error {
	data, err := json.Marshal(s.sealed(func(string) bool { return true }))
	if err != nil { // an envelope is strings
		panic(err)
	}
	return &RevokedError{"node " + s.revocation.because("was revoked"), data}
}

// SignedRevocation is a revocation that counts.
type SignedRevocation struct {
	Revocation
	Digest  string
	Signers []string // key IDs
}

// Revocations returns every revocation that counts, the earliest first.
func (l *Ledger) Revocations() []SignedRevocation { return slices.Clone(l.view().revocations) }

// revocations lists those that count, the earliest first.
func (f *fold) revocations() []SignedRevocation {
	if f.revokedList != nil {
		return f.revokedList
	}
	var all []*statement
	for _, list := range f.revoked {
		all = append(all, list...)
	}
	slices.SortFunc(all, compareRevocations)
	out := make([]SignedRevocation, 0, len(all))
	for _, s := range all {
		out = append(out, SignedRevocation{s.revocation, s.digest, s.signers})
	}
	f.revokedList = out
	return out
}

// Overtakes reports whether the records of a feed go before all others. It looks at the name alone.
func Overtakes(feed string) bool {
	f, err := ParseFeed(feed)
	return err == nil && f.Lane == Urgent
}

// Admit judges the credential that a node shows: by the newest charter at a time, by what was revoked, and by what is
// known of the node, of its invite, and of renewals, of which it may show one. The member's Expires is until when it is good with
// these. The error is a *RevokedError if the node itself was revoked. It waits for the
// change that is under way.
func (l *Ledger) Admit(cred trust.Credential, now time.Time) (trust.Member, error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.fold.chain() == nil {
		return trust.Member{}, errNoCharter
	}
	return l.fold.admitAtDoor(cred, now)
}

func (f *fold) admitAtDoor(cred trust.Credential, now time.Time) (trust.Member, error) {
	m, err := f.chain().Latest().Admit(f.charters.fleet, cred, time.Time{})
	if err != nil {
		return trust.Member{}, err
	}
	if m.Expires, err = f.checkExpiry(m, cred, now); err != nil {
		return trust.Member{}, err
	}
	s := f.revokedNode(m.Node, m.Site)
	if s != nil && !mutant.On(mutant.ForgetRevocation) {
		return trust.Member{}, s.refused()
	}
	if f.members[m.Node] != nil {
		if _, problem := f.standing(m.Node); problem != "" && s == nil {
			return trust.Member{}, fmt.Errorf("node is quarantined: it %s", problem)
		}
		return m, f.returning(m, cred)
	}
	return m, f.newcomer(m, cred, now)
}

// returning says why a member cannot come with a credential, though another of its own stands.
func (f *fold) returning(m trust.Member, cred trust.Credential) error {
	a, ok := f.members[m.Node].admissions[m.Serial]
	if !ok {
		return f.unused(m, cred)
	}
	if why := f.fault(a); why != "" {
		return fmt.Errorf("node %s", why)
	}
	return nil
}

// newcomer says why a node that the ledger does not know yet cannot join.
func (f *fold) newcomer(m trust.Member, cred trust.Credential, now time.Time) error {
	if now.After(m.InviteExpires) {
		return fmt.Errorf("ticket has expired on %s", m.InviteExpires.UTC().Format("2006-01-02 15:04 UTC"))
	}
	return f.unused(m, cred)
}

// unused says why a ticket is good for nobody who is not known to have joined with it.
func (f *fold) unused(m trust.Member, cred trust.Credential) error {
	if _, err := f.inForce(m.Serial).Admit(f.charters.fleet, cred, time.Time{}); err != nil {
		return fmt.Errorf("node %s", byRevokedKey)
	}
	revoked, kept, why := f.invited(m)
	switch users := f.uses[m.Serial]; {
	case kept:
	case revoked:
		return fmt.Errorf("node %s", why)
	case len(users) >= m.Uses:
		first := users[0].node
		return fmt.Errorf("ticket is used up: it was for %d, and %s (%s) joined with it", m.Uses, f.nameOf(first, m.Serial), first.Short())
	}
	return nil
}
