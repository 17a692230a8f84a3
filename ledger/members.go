package ledger

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"time"

	"selvage/internal/ident"
	"selvage/ledger/trust"
)

// member is what the admission entries of a node say.
type member struct {
	admissions map[string]*admission // by the invite's serial; of several with one invite, the earliest
}

// admission is one credential of a node, judged. It is not changed: ledgers may share it.
type admission struct {
	trust.Member
	cred    trust.Credential
	digest  [32]byte
	current bool // it is good under the newest charter too, not only under one before it
}

// use is one node's use of an invite.
type use struct {
	bound time.Time
	node  ident.NodeID
}

func (u use) compare(o use) int { return cmp.Or(u.bound.Compare(o.bound), u.node.Compare(o.node)) }

// admission checks the credential in an admission entry, which the node that it names must have written.
func (f *fold) admission(e *Entry) (*admission, error) {
	if _, err := e.claim.read(); err != nil {
		return nil, err
	}
	return f.charters.admitClaim(e.claim)
}

// addAdmission takes an admission entry. A credential that no charter vouches for is kept in mind:
// the charter that does may be on its way.
func (f *fold) addAdmission(e *Entry) {
	cred, err := e.claim.read()
	if err != nil {
		return
	}
	a, err := f.charters.admitClaim(e.claim)
	if err != nil {
		f.unadmitted[sha256.Sum256(e.Body)] = cred
		return
	}
	f.admit(a)
}

// admitAgain judges every credential by a chain that has grown.
func (f *fold) admitAgain() {
	defer f.unsettle()
	for digest, cred := range f.unadmitted {
		if a, err := f.charters.admit(cred, sha256.Sum256(cred.Marshal())); err == nil {
			f.admit(a)
			delete(f.unadmitted, digest)
		}
	}
	for _, m := range f.members {
		for serial, a := range m.admissions {
			if again, err := f.charters.admit(a.cred, a.digest); err == nil {
				m.admissions[serial] = again
			}
		}
	}
}

// admit adds an admission to what is known of a node. Each use of an invite is kept in order.
func (f *fold) admit(a *admission) {
	id := a.Node
	m := f.members[id]
	if m == nil {
		m = &member{admissions: map[string]*admission{}}
		f.members[id] = m
	}
	users := f.uses[a.Serial]
	if old, ok := m.admissions[a.Serial]; ok {
		if a.rank() >= old.rank() {
			return
		}
		i, _ := slices.BinarySearchFunc(users, use{old.Bound, id}, use.compare)
		users = slices.Delete(users, i, i+1)
	}
	m.admissions[a.Serial] = a
	i, _ := slices.BinarySearchFunc(users, use{a.Bound, id}, use.compare)
	f.uses[a.Serial] = slices.Insert(users, i, use{a.Bound, id})
	f.doubted.uses[a.Serial] = true
	f.unsettle(id)
	for _, u := range f.uses[a.Serial][i:] { // who comes after it may be one too many now
		f.unsettle(u.node)
	}
}

// rank orders the credentials that one node made of one invite: the earliest stands.
func (a *admission) rank() string { return timeRank(a.Bound) + string(a.digest[:]) }

// timeRank is a text that sorts as the time does; times before 1970 sort alike.
func timeRank(t time.Time) string { return fmt.Sprintf("%020d", max(t.UnixMilli(), 0)) }

// standing returns the admission that counts for a node, and why nothing that the node says of
// itself is believed; "" if it is. Admissions that stand come before those that do not; among
// them the one whose credential lasts longest counts.
func (f *fold) standing(id ident.NodeID) (trust.Member, string) {
	if s, ok := f.stood[id]; ok {
		return s.admitted(), s.problem
	}
	s := f.judgeStanding(id)
	f.stood[id] = s
	return s.admitted(), s.problem
}

// standing is what fold.standing answers.
type standing struct {
	by      *admission // nil: none
	problem string
	revoked bool
}

func (s standing) admitted() trust.Member {
	if s.by == nil {
		return trust.Member{}
	}
	return s.by.Member
}

// unsettle has standing work out anew what it answers for nodes: none is all of them. What it
// rests on are a node's admissions and forks, the uses of its invites, the charters, and what is revoked.
func (f *fold) unsettle(ids ...ident.NodeID) {
	if len(ids) == 0 {
		ids = slices.Collect(maps.Keys(f.members))
	}
	for _, id := range ids {
		delete(f.stood, id)
		f.doubtRenewals(id)
		f.doubted.nodes[id] = true
		if f.spoke(id) {
			f.doubted.reports[id], f.doubted.beacons[id], f.doubted.leases[id], f.doubted.terms[id] = true, true, true, true
		}
	}
}

func (f *fold) judgeStanding(id ident.NodeID) standing {
	m := f.members[id]
	if m == nil {
		return standing{}
	}
	var best *admission
	var problem string
	for i, serial := range slices.Sorted(maps.Keys(m.admissions)) {
		a := m.admissions[serial]
		why := f.fault(a)
		stands, stood := why == "", problem == ""
		if i == 0 || stands && !stood || stands == stood && a.Expires.After(best.Expires) {
			best, problem = a, why
		}
	}
	if f.forked[id] {
		problem = "signed two different entries with one number: it was restored from a backup, or copied"
	}
	if s := f.revokedNode(id); s != nil {
		return standing{best, s.revocation.because("was revoked"), true}
	}
	return standing{best, problem, false}
}

// fault says why an admission does not stand; "" if it does.
func (f *fold) fault(a *admission) string {
	if !a.current {
		return "was invited by a key that the newest charter does not let invite"
	}
	if f.forsaken(a) {
		return byRevokedKey
	}
	// Whom a revocation keeps is vouched for: nobody who dates his joining back can push him out of his place.
	if revoked, kept, why := f.invited(a.Member); kept {
		return ""
	} else if revoked {
		return why
	}
	users := f.uses[a.Serial]
	i, ok := slices.BinarySearchFunc(users, use{a.Bound, a.Node}, use.compare)
	if !ok || i < a.Uses {
		return ""
	}
	last := users[a.Uses-1].node
	return fmt.Sprintf("joined with a ticket for %d that was used up by %s (%s)", a.Uses, f.nameOf(last, a.Serial), last.Short())
}

// forsaken reports whether an invite lacks signatures since keys were revoked.
func (f *fold) forsaken(a *admission) bool {
	if len(f.struck(a.Serial)) == 0 {
		return false
	}
	_, err := f.inForce(a.Serial).Admit(f.charters.fleet, a.cred, time.Time{})
	return err != nil
}

// nameOf returns the name under which a node joined with an invite.
func (f *fold) nameOf(id ident.NodeID, serial string) string {
	if m := f.members[id]; m != nil && m.admissions[serial] != nil {
		return m.admissions[serial].Name
	}
	return ""
}

// node returns what the fleet knows of a member.
func (f *fold) node(id ident.NodeID) Node {
	m, problem := f.standing(id)
	return Node{m, problem, f.stood[id].revoked, f.renewalsOf(m)}
}

// known is node for who may be none.
func (f *fold) known(id ident.NodeID) (Node, bool) { return f.node(id), f.members[id] != nil }

// usesOf returns who joined with an invite.
func (f *fold) usesOf(serial string) (uses, bool) {
	u := uses{serial: serial}
	for _, use := range f.uses[serial] {
		u.nodes = append(u.nodes, use.node)
	}
	return u, true
}
