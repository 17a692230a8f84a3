package ledger_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"selvage/ledger"
	"selvage/ledger/memlog"
	"selvage/ledger/trust"
)

// program is a random history of a fleet: the records that its members wrote, in the order in
// which they wrote them. The last operator is let in by the second charter only.
type program struct {
	*fleet
	rt        *rapid.T
	lanes     []ledger.Lane // in which authors may fork
	scopes    []string
	later     []trust.Envelope // charters from version 2 on
	tickets   []trust.Ticket
	authors   []*author // each once for every copy of it
	heads     map[string][]string
	digests   []string // of statements, for revocations to keep
	records   []ledger.Record
	operators []string
}

// draw makes a program whose authors may fork in some lanes and write to some scopes.
func draw(t *testing.T, rt *rapid.T, lanes []ledger.Lane, scopes ...string) *program {
	threshold := rapid.IntRange(1, 2).Draw(rt, "threshold")
	first := operators(threshold, "o1", "o2")
	p := &program{rt: rt, lanes: lanes, scopes: append([]string{""}, scopes...), heads: map[string][]string{}, operators: []string{"o1", "o2", "o3"}}
	p.fleet = newFleet(t, first)
	second := operators(threshold, "o1", "o2", "o3")
	third := operators(threshold, "o2", "o3")
	p.later = []trust.Envelope{signCharter(t, second.charter(2), "o1", "o2", "o3"), signCharter(t, third.charter(3), "o2", "o3")}
	p.tickets = []trust.Ticket{p.ticket("s1", 2, "o1", "o2")} // one that is good from the start
	for range rapid.IntRange(0, 2).Draw(rt, "tickets") {
		p.tickets = append(p.tickets, p.ticket(pick(rt, []string{"s1", "s2"}, "site"), rapid.IntRange(1, 2).Draw(rt, "uses"), p.signers()...))
	}
	for i := range rapid.IntRange(2, 4).Draw(rt, "authors") {
		a := p.author(fmt.Sprintf("n%d", i))
		p.authors = append(p.authors, a)
		if i == 0 {
			p.admitWith(a, p.tickets[0])
		} else {
			p.admit(a)
		}
	}
	for range rapid.IntRange(5, 40).Draw(rt, "steps") {
		p.step(pick(rt, p.authors, "author"))
	}
	return p
}

// pick draws by number, which keeps what a failure prints short.
func pick[T any](rt *rapid.T, from []T, label string) T {
	return from[rapid.IntRange(0, len(from)-1).Draw(rt, label)]
}

func (p *program) signers() []string {
	names := rapid.SliceOfNDistinct(rapid.SampledFrom(p.operators), 1, 3, rapid.ID).Draw(p.rt, "signers")
	slices.Sort(names)
	return names
}

func (p *program) scope() string { return pick(p.rt, p.scopes, "scope") }

func (p *program) hour() time.Duration {
	return time.Duration(rapid.IntRange(0, 5).Draw(p.rt, "hour")) * time.Hour
}

func (p *program) add(a *author, kind ledger.Kind, key string, body []byte) {
	p.records = append(p.records, a.write(kind, p.scope(), key, body))
}

func (p *program) admit(a *author) {
	p.admitWith(a, pick(p.rt, p.tickets, "ticket"))
}

func (p *program) admitWith(a *author, t trust.Ticket) {
	p.records = append(p.records, a.write(ledger.KindAdmission, "", "", a.credential(t, p.hour())))
}

// step has an author write something.
func (p *program) step(a *author) {
	switch rapid.IntRange(0, 19).Draw(p.rt, "step") {
	case 0:
		if len(p.lanes) > 0 {
			p.authors = append(p.authors, a.backup(p.lanes...))
		}
	case 1, 2:
		p.admit(a)
	case 3, 4:
		p.charter(a)
	case 5, 6:
		version := pick(p.rt, []string{"1", "2"}, "version")
		blob := pick(p.rt, []string{"x", "y"}, "blob")
		body := p.release("app", version, blob, p.hour(), p.signers()...)
		env, err := ledger.ReadEnvelope(body)
		must(p.t, err)
		digest, err := ledger.Digest(env)
		must(p.t, err)
		p.digests = append(p.digests, digest)
		p.add(a, ledger.KindRelease, "", body)
	case 7, 8:
		p.deployment(a)
	case 9, 10, 11:
		kind := pick(p.rt, []ledger.Kind{ledger.KindReport, ledger.KindBeacon}, "register")
		p.add(a, kind, pick(p.rt, []string{"k1", "k2"}, "key"), rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(p.rt, "body"))
	case 12:
		kind := ledger.Kind(rapid.IntRange(0, 10).Draw(p.rt, "kind"))
		p.add(a, kind, "", rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(p.rt, "garbage"))
	case 13, 14, 15:
		p.revocation(a)
	case 16, 17:
		p.siteConfig(a)
	case 18, 19:
		p.renewal(a)
	}
}

// charter writes a charter, maybe before the one that it follows, maybe without all its signatures.
func (p *program) charter(a *author) {
	env := pick(p.rt, p.later, "charter")
	if rapid.Bool().Draw(p.rt, "short") {
		env.Signatures = env.Signatures[:1]
	}
	p.add(a, ledger.KindCharter, "", marshal(p.t, env))
}

// revocation writes a revocation, that keeps some of what there is.
func (p *program) revocation(a *author) {
	r := ledger.Revocation{Declared: epoch.Add(p.hour()), Keeps: []string{}, Reason: pick(p.rt, []string{"", "stolen"}, "reason")}
	keep := func(from []string) {
		if len(from) > 0 {
			r.Keeps = rapid.SliceOfNDistinct(rapid.SampledFrom(from), 0, len(from), rapid.ID).Draw(p.rt, "keeps")
		}
	}
	switch r.Subject = pick(p.rt, []ledger.Subject{ledger.SubjectNode, ledger.SubjectKey, ledger.SubjectInvite}, "subject"); r.Subject {
	case ledger.SubjectNode:
		r.ID, r.Site = pick(p.rt, p.authors, "whom").id.String(), pick(p.rt, []string{"", "s1", "s2"}, "where")
	case ledger.SubjectKey:
		r.ID = keyID(pick(p.rt, p.operators, "key"))
		keep(append(p.serials(), p.digests...))
	case ledger.SubjectInvite:
		r.ID, r.Site = pick(p.rt, p.serials(), "serial"), pick(p.rt, []string{"", "s1", "s2"}, "where")
		var nodes []string
		for _, o := range p.authors {
			if !slices.Contains(nodes, o.id.String()) {
				nodes = append(nodes, o.id.String())
			}
		}
		keep(nodes)
	}
	body, digest := p.revoke(r, p.signers()...)
	p.digests = append(p.digests, digest)
	p.add(a, ledger.KindRevocation, "", body)
}

func (p *program) serials() (out []string) {
	for _, t := range p.tickets {
		inv, err := t.Peek()
		must(p.t, err)
		out = append(out, inv.Serial)
	}
	return out
}

// siteConfig writes a site config that takes the place of some that came before it.
func (p *program) siteConfig(a *author) {
	site := pick(p.rt, []string{"s1", "s2"}, "site")
	c := ledger.SiteConfig{Site: site, Generation: rapid.Uint64Range(1, 3).Draw(p.rt, "generation"), Declared: epoch.Add(p.hour())}
	for _, o := range p.authors {
		if rapid.Bool().Draw(p.rt, "named") && !slices.Contains(c.Witnesses, o.id) && len(c.Witnesses) < ledger.MaxWitnesses {
			c.Witnesses = append(c.Witnesses, o.id)
			c.Issuers = append(c.Issuers, ledger.Issuer{Node: o.id, Life: trust.Lifetime(100 * day), Expires: epoch.Add(200 * day)})
		}
	}
	old := p.heads["site "+site]
	if len(old) > 0 {
		c.Supersedes = rapid.SliceOfNDistinct(rapid.SampledFrom(old), 0, len(old), rapid.ID).Draw(p.rt, "supersedes")
	}
	body, digest := p.site(c, p.signers()...)
	if !slices.Contains(old, digest) {
		p.heads["site "+site] = append(old, digest)
		p.digests = append(p.digests, digest)
	}
	p.add(a, ledger.KindSiteConfig, "", body)
}

// renewal renews a credential, with or without the right to.
func (p *program) renewal(a *author) {
	of := pick(p.rt, p.authors, "whose")
	r, err := trust.SignRenewal(trust.Renewal{Fleet: p.id, Serial: pick(p.rt, p.serials(), "serial"), Node: of.id, Fence: rapid.Uint64Range(1, 2).Draw(p.rt, "fence"),
		Ends: epoch.Add(90 * day), Issued: epoch.Add(p.hour()), Expires: epoch.Add(95 * day)}, a.key)
	must(p.t, err)
	p.records = append(p.records, a.write(ledger.KindRenewal, "", of.id.String(), r.Marshal()))
}

// deployment writes a deployment that takes the place of some that came before it.
func (p *program) deployment(a *author) {
	name := pick(p.rt, []string{"app", "db"}, "name")
	d := ledger.Deployment{Name: name, Generation: rapid.Uint64Range(1, 3).Draw(p.rt, "generation"), Declared: epoch.Add(p.hour()),
		Spec: json.RawMessage(fmt.Sprintf(`{"release":"app@%d"}`, len(p.records)%2+1))}
	if old := p.heads[name]; len(old) > 0 {
		for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(old)-1), 0, len(old), rapid.ID).Draw(p.rt, "supersedes") {
			d.Supersedes = append(d.Supersedes, old[i])
		}
	}
	body, digest := p.deploy(d, p.signers()...)
	if !slices.Contains(p.heads[name], digest) {
		p.heads[name] = append(p.heads[name], digest)
		p.digests = append(p.digests, digest)
	}
	p.add(a, ledger.KindDeployment, "", body)
}

// view is all that queries answer and that must not depend on how the entries came.
type view struct {
	Nodes       []ledger.Node
	Releases    []ledger.SignedRelease
	Deployments []ledger.DeploymentState
	Revocations []ledger.SignedRevocation
	Sites       []ledger.SiteState
	Reports     []ledger.Report
	Charters    []string
	Forks       []string
	Root        [32]byte
}

func viewOf(t testing.TB, l *ledger.Ledger, scopes ...string) view {
	t.Helper()
	v := view{Nodes: l.Nodes(), Releases: l.Releases(), Deployments: l.Deployments(), Revocations: l.Revocations(), Sites: l.SiteConfigs(), Reports: slices.Clone(l.Reports()), Forks: l.Forks(), Root: l.Root(append(scopes, ""))}
	for i := range v.Reports {
		v.Reports[i].Received = time.Time{}
	}
	for _, env := range l.Chain().Envelopes() {
		digest, err := ledger.Digest(env)
		must(t, err)
		v.Charters = append(v.Charters, digest)
	}
	return v
}

// machine is a ledger that can be restarted.
type machine struct {
	*ledger.Ledger
	f   *fleet
	log *memlog.Log
}

func (f *fleet) machine() *machine {
	log := new(memlog.Log)
	return &machine{f.open("watcher", log), f, log}
}

func (m *machine) restart() { m.Ledger = m.f.openBare("watcher", m.log) }

// feed offers records in batches of random sizes, with restarts in between if those are wanted.
func (m *machine) feed(rt *rapid.T, records []ledger.Record, restarts bool) {
	for len(records) > 0 {
		n := rapid.IntRange(1, min(len(records), 8)).Draw(rt, "batch")
		for i, err := range second(m.OfferAll(records[:n])) {
			if err != nil {
				rt.Fatalf("record %d of a batch: %v", i, err)
			}
		}
		records = records[n:]
		m.Releases() // answers that are kept must not outlive what they rest on
		m.Deployments()
		m.SiteConfigs()
		if restarts && rapid.IntRange(0, 3).Draw(rt, "restart") == 0 {
			m.restart()
		}
	}
}

func second[A, B any](_ A, b B) B { return b }

// settle offers all records again and again, as neighbours would, until none is news. What waited
// when a machine was restarted comes back to it in this way.
func (m *machine) settle(rt *rapid.T, records []ledger.Record) {
	for range 20 {
		outcomes, _ := m.OfferAll(records)
		if !slices.Contains(outcomes, ledger.Stored) {
			return
		}
	}
	rt.Fatal("records are news for ever")
}
