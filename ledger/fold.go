package ledger

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"selvage/internal/ident"
	"selvage/ledger/trust"
)

// fold turns entries into what they mean. It does no I/O. Its answers depend on the set of entries
// that were added, not on their order, nor on how often each was added.
type fold struct {
	fleet trust.FleetID
	chain *trust.Chain // nil until a charter is known

	members map[ident.NodeID]member
	uses    map[string][]ident.NodeID // by invite serial: who joined with it, the earliest first
	forked  map[ident.NodeID]bool

	statements map[string]*statement // by digest
	pending    []trust.Envelope      // charters whose predecessors are missing
	reports    map[ident.NodeID]Report
	raised     time.Time // the latest time in a statement that counts
}

// member is what the admission entries of a node say; of several, the one whose credential lasts longest counts.
type member struct {
	trust.Member
	last Timestamp
}

// statement is something that operators may have signed.
type statement struct {
	kind       Kind
	digest     string
	envelope   trust.Envelope
	release    Release
	deployment Deployment
	signers    []string // who of the charter's signed it; none: it does not count
}

const (
	maxPending    = 64
	maxStatements = 1 << 16
	maxSignatures = 64 // of one statement
)

func newFold(fleet trust.FleetID) *fold {
	return &fold{fleet: fleet, members: map[ident.NodeID]member{}, uses: map[string][]ident.NodeID{}, forked: map[ident.NodeID]bool{},
		statements: map[string]*statement{}, reports: map[ident.NodeID]Report{}}
}

// believes reports whether entries of the author can be judged: it is a member, or e makes it one.
func (f *fold) believes(e *Entry) bool {
	if _, ok := f.members[e.Author]; ok {
		return true
	}
	if e.Kind != KindAdmission || f.chain == nil {
		return false
	}
	_, err := f.admitted(e)
	return err == nil
}

// admitted checks the credential in an admission entry. Whether it has expired by now is not
// asked: the entry says that the node was admitted once.
func (f *fold) admitted(e *Entry) (trust.Member, error) {
	cred, err := trust.ParseCredential(e.Body)
	if err != nil {
		return trust.Member{}, err
	}
	if cred.Node() != e.Author {
		return trust.Member{}, errors.New("credential of another node")
	}
	return f.chain.Latest().Admit(f.fleet, cred, time.Time{})
}

// add takes an entry in whose author the fold believes. What it cannot read it passes over.
func (f *fold) add(e *Entry, received time.Time) {
	switch e.Kind {
	case KindAdmission:
		if m, err := f.admitted(e); err == nil {
			f.addMember(m)
		}
	case KindCharter:
		var env trust.Envelope
		if json.Unmarshal(e.Body, &env) == nil {
			f.addCharter(env)
		}
	case KindRelease, KindDeployment:
		f.addStatement(e)
	case KindReport:
		if old, ok := f.reports[e.Author]; !ok || e.Seq > old.Seq {
			f.reports[e.Author] = Report{e.Author, e.Seq, e.Time, received, e.Body}
		}
	}
	if m, ok := f.members[e.Author]; ok && e.Time > m.last {
		m.last = e.Time
		f.members[e.Author] = m
	}
}

func (f *fold) addMember(m trust.Member) {
	old, known := f.members[m.Node]
	if !known || later(m, old.Member) {
		f.members[m.Node] = member{m, old.last}
	}
	users := f.uses[m.Serial]
	if !slices.Contains(users, m.Node) {
		f.uses[m.Serial] = append(users, m.Node)
	}
}

// later orders a node's credentials: by expiry, and by serial so that the order is total.
func later(a, b trust.Member) bool {
	return cmp.Or(a.Expires.Compare(b.Expires), strings.Compare(a.Serial, b.Serial), a.Bound.Compare(b.Bound)) > 0
}

// addCharter extends the chain if the charter is the next one, and then judges everything anew.
func (f *fold) addCharter(env trust.Envelope) {
	f.pending = append(f.pending, env)
	for again := true; again && f.chain != nil; {
		again = false
		for _, p := range f.pending {
			if longer, err := f.chain.Extend(p); err == nil {
				f.chain, again = longer, true
			}
		}
	}
	if len(f.pending) > maxPending {
		f.pending = f.pending[1:]
	}
	f.judgeAll()
}

// setChain takes a chain that was verified elsewhere, if it is longer.
func (f *fold) setChain(c *trust.Chain) bool {
	if f.chain != nil && c.Latest().Version <= f.chain.Latest().Version {
		return false
	}
	f.chain = c
	f.judgeAll()
	return true
}

func (f *fold) judgeAll() {
	for _, s := range f.statements {
		f.judge(s)
	}
}

func (f *fold) addStatement(e *Entry) {
	var env trust.Envelope
	if json.Unmarshal(e.Body, &env) != nil || len(f.statements) >= maxStatements {
		return
	}
	s, err := readStatement(e.Kind, env)
	if err != nil {
		return
	}
	if known, ok := f.statements[s.digest]; ok {
		s.envelope.Signatures = mergeSignatures(known.envelope.Signatures, s.envelope.Signatures)
	}
	f.judge(s)
	f.statements[s.digest] = s
}

// mergeSignatures returns the distinct signatures of both, in order, so that several operators can
// sign one payload each on their own, and entries can come in any order.
func mergeSignatures(a, b []dsse.Signature) []dsse.Signature {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(a, b dsse.Signature) int {
		return cmp.Or(strings.Compare(a.KeyID, b.KeyID), strings.Compare(a.Sig, b.Sig))
	})
	all = slices.Compact(all)
	return all[:min(len(all), maxSignatures)]
}

// readStatement decodes a payload that nobody has judged yet.
func readStatement(kind Kind, env trust.Envelope) (*statement, error) {
	payload, err := env.DecodeB64Payload()
	if err != nil {
		return nil, err
	}
	s := &statement{kind: kind, digest: digestOf(payload), envelope: env}
	if kind == KindRelease {
		s.release, err = decodeRelease(payload)
	} else {
		s.deployment, err = decodeDeployment(payload)
	}
	return s, err
}

// judge asks the newest charter who signed s.
func (f *fold) judge(s *statement) {
	s.signers = nil
	if f.chain == nil {
		return
	}
	signers, err := s.verify(f.chain.Latest())
	if err != nil {
		return
	}
	s.signers = signers
	if t := s.time(); t.After(f.raised) && t.Before(f.chain.Latest().Expires) {
		f.raised = t
	}
}

func (s *statement) verify(c *trust.Charter) ([]string, error) {
	if s.kind == KindRelease {
		_, signers, err := c.Verify(s.envelope, TypeRelease, trust.RoleRelease, s.release.Name)
		return signers, err
	}
	_, signers, err := c.Verify(s.envelope, TypeDeployment, trust.RoleDeploy, s.deployment.Name)
	return signers, err
}

func (s *statement) time() time.Time {
	if s.kind == KindRelease {
		return s.release.Created
	}
	return s.deployment.Declared
}

// quarantined says why nothing that a node says of itself is believed; "" if it is.
func (f *fold) quarantined(m trust.Member) string {
	if f.forked[m.Node] {
		return "signed two different entries with one number: it was restored from a backup, or copied"
	}
	users := slices.SortedFunc(slices.Values(f.uses[m.Serial]), func(a, b ident.NodeID) int {
		return cmp.Or(f.members[a].Bound.Compare(f.members[b].Bound), a.Compare(b))
	})
	if i := slices.Index(users, m.Node); i >= m.Uses {
		first := f.members[users[0]]
		return fmt.Sprintf("joined with a ticket for %d that was used up by %s (%s)", m.Uses, first.Name, first.Node.Short())
	}
	return ""
}
