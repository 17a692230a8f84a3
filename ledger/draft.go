package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"selvage/ledger/trust"
)

var (
	// ErrLastKey: without the key a role would have fewer keys than have to sign.
	ErrLastKey = errors.New("the charter cannot do without the key")
	// ErrKeepsTooMany: more nodes joined with an invite than its revocation can keep.
	ErrKeepsTooMany = errors.New("too many nodes joined with the invite")
)

// Draft returns the revocation of something as it is to be signed: what it keeps is all that this node knows to be in
// force. left is how many statements of a key it has no room for, the oldest. Reason is the caller's to fill in.
// It waits for the change that is under way.
func (l *Ledger) Draft(subject Subject, id, site string) (r Revocation, left int, err error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.fold.chain() == nil {
		return Revocation{}, 0, errNoCharter
	}
	r = Revocation{Fleet: l.cfg.Fleet, Subject: subject, ID: id, Site: site, Keeps: []string{}, Declared: l.now().UTC().Truncate(time.Millisecond)}
	switch subject {
	case SubjectInvite:
		r.Keeps, err = l.fold.joined(id)
	case SubjectKey:
		if err = l.fold.dispensable(id); err == nil {
			r.Keeps = l.fold.saidBy(id)
			left = max(0, len(r.Keeps)-MaxKeeps)
			r.Keeps = r.Keeps[:len(r.Keeps)-left]
		}
	}
	if err == nil {
		err = r.check()
	}
	return r, left, err
}

// joined returns the nodes that joined with an invite and stand.
func (f *fold) joined(serial string) ([]string, error) {
	out := []string{}
	for _, u := range f.uses[serial] {
		if f.fault(f.members[u.node].admissions[serial]) == "" {
			out = append(out, u.node.String())
		}
	}
	if len(out) > MaxKeeps {
		return nil, fmt.Errorf("%w: %d, and it can keep %d", ErrKeepsTooMany, len(out), MaxKeeps)
	}
	return out, nil
}

// dispensable says which role cannot do without a key, if any.
func (f *fold) dispensable(id string) error {
	c := f.chain().Latest()
	gone := append(f.struck(""), id)
	for _, role := range slices.Sorted(maps.Keys(c.Roles)) {
		g := c.Roles[role]
		left := len(slices.DeleteFunc(slices.Clone(g.Keys), func(k string) bool { return slices.Contains(gone, k) }))
		if slices.Contains(g.Keys, id) && left < g.Threshold {
			return fmt.Errorf("%w: role %s would have %d of the %d that have to sign", ErrLastKey, role, left, g.Threshold)
		}
	}
	return nil
}

// saidBy lists what counts only because a key signed it, the weightiest first: revocations, invites, site configs, deployments, then
// releases from the newest on. Deployments that others superseded are among them, lest what they superseded comes back.
func (f *fold) saidBy(id string) []string {
	var said []*statement
	for _, s := range f.statements {
		if s.signers == nil {
			continue
		}
		if _, _, err := f.verify(s, id); err != nil {
			said = append(said, s)
		}
	}
	weight := func(s *statement) int {
		return slices.Index([]Kind{KindRevocation, KindSiteConfig, KindDeployment, KindRelease}, s.kind)
	}
	slices.SortFunc(said, func(a, b *statement) int {
		return cmp.Or(cmp.Compare(weight(a), weight(b)), b.time().Compare(a.time()), strings.Compare(a.digest, b.digest))
	})
	var out, rest []string
	for _, s := range said {
		if s.kind == KindRevocation {
			out = append(out, s.digest)
		} else {
			rest = append(rest, s.digest)
		}
	}
	return slices.Concat(out, f.invitedBy(id), rest)
}

// invitedBy lists the invites that somebody has joined with, and that count only because a key signed them.
func (f *fold) invitedBy(id string) (serials []string) {
	for serial, users := range f.uses {
		a := f.members[users[0].node].admissions[serial]
		if !a.current || f.forsaken(a) {
			continue
		}
		if _, err := f.inForce(serial).Without(id).Admit(f.charters.fleet, a.cred, time.Time{}); err != nil {
			serials = append(serials, serial)
		}
	}
	slices.Sort(serials)
	return serials
}

// Keys returns the keys that any charter of the chain names, with the roles that the newest gives them, and whether
// they are revoked, by ID.
func (l *Ledger) Keys() []OperatorKey {
	v := l.view()
	if v.chain == nil {
		return nil
	}
	revoked := map[string]bool{}
	for _, r := range v.revocations {
		if r.Subject == SubjectKey {
			revoked[r.ID] = true
		}
	}
	c := v.chain.Latest()
	out := []OperatorKey{}
	for _, id := range slices.Sorted(maps.Keys(v.keys)) {
		k := OperatorKey{ID: id, Revoked: revoked[id]}
		for _, role := range slices.Sorted(maps.Keys(c.Roles)) {
			if slices.Contains(c.Roles[role].Keys, id) {
				k.Roles = append(k.Roles, role)
			}
		}
		out = append(out, k)
	}
	return out
}

// OperatorKey is an operator's key.
type OperatorKey struct {
	ID      string
	Roles   []trust.Role // by the newest charter
	Revoked bool         // then only root is left of them
}
