package scenario

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"selvage/internal/calendar"
	"selvage/ledger/manifest"
)

// Epoch is what the clocks show when a story starts.
var Epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// drawable are the kinds that random faults can be of. Degrade is not: what an uplink becomes has to be said.
var drawable = []FaultKind{Partition, Cut, Isolate, Crash, PowerCut, Pause, Suspend, Clock, DiskFull, SlowDisk, Poison, Forge, Restore}

func checkText(s string) error {
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > 200 {
		return errors.New("want a text of at most 200 characters")
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("%q has characters that cannot be printed", s)
	}
	return nil
}

func checkPlace(s string) error {
	site, node, inner := strings.Cut(s, "/")
	if manifest.CheckName(site) != nil || inner && manifest.CheckName(node) != nil {
		return fmt.Errorf("%q names no place: write SITE or SITE/NODE, like s1 or s1/n0", s)
	}
	return nil
}

func checkNode(s string) error {
	site, node, _ := strings.Cut(s, "/")
	if manifest.CheckName(site) != nil || manifest.CheckName(node) != nil {
		return fmt.Errorf("%q names no node: write SITE/NODE, like s1/n0", s)
	}
	return nil
}

func checkRelease(s string) error {
	_, _, err := manifest.SplitRelease(s)
	return err
}

// place is a site or a node. Whether it is there shows when all has been read.
func place() codec[string] { return word("a SITE or SITE/NODE", checkPlace) }

func node() codec[string] { return word("a SITE/NODE", checkNode) }

// kind makes a field of a fault that is the choice of a kind.
func kind[V any](k FaultKind, c codec[V], get func(*Fault) *V, doc string) field[Fault] {
	f := needed(string(k), c, get, doc)
	read, write := f.read, f.write
	f.need, f.choice = false, true
	f.read = func(r *reader, n *yaml.Node, path string, into *Fault) {
		into.Kind = k
		read(r, n, path, into)
	}
	f.write = func(w *writer, v, base *Fault) string {
		if v.Kind != k {
			return ""
		}
		return write(w, v, base)
	}
	return f
}

// part makes a field of a fault from the fields of the fault that say more of it.
func part(k FaultKind, doc string, fields ...field[Fault]) field[Fault] {
	m := mapping[Fault]{fields: fields}
	c := m.codec()
	c.read = m.read // on top of what is known of the fault, not on a new one
	return kind(k, c, same, doc)
}

func on(f *Fault) *string { return &f.On }

func faultFields() mapping[Fault] {
	jump, drift := clockFields()
	groups := list(list(place(), maxPlaces), maxPlaces)
	return mapping[Fault]{line: func(f *Fault) *int { return &f.Line }, fields: []field[Fault]{
		needed("at", duration(0, MaxDuration), func(f *Fault) *time.Duration { return &f.At }, "when it begins"),
		of("for", duration(0, MaxDuration), func(f *Fault) *time.Duration { return &f.For }, "how long it lasts").
			or("0s, which is for good; what is restored goes on at once"),
		kind(Partition, groups, func(f *Fault) *[][]string { return &f.Groups }, "sets of places, two at least, that cannot reach each other"),
		part(Cut, "nothing gets from one place to another; the other way it does",
			needed("from", place(), func(f *Fault) *string { return &f.From }, "where it is sent"),
			needed("to", place(), func(f *Fault) *string { return &f.To }, "where it does not arrive")),
		kind(Isolate, place(), on, "a place that can reach nobody beyond it"),
		kind(Crash, place(), on, "a place that stops as if killed, and starts again in the end"),
		kind(PowerCut, place(), on, "likewise, and what was not synced to disk may be lost"),
		part(Clock, "a place whose clock is wrong", needed("on", place(), on, "whose"), jump, setField(), drift),
		kind(Pause, place(), on, "a place that stands still; what comes for it meanwhile waits"),
		kind(Suspend, place(), on, "likewise; what comes for it meanwhile is lost"),
		kind(DiskFull, place(), on, "a place that cannot write"),
		part(SlowDisk, "a place that is slow to make anything durable", needed("on", place(), on, "what"),
			needed("sync", duration(time.Millisecond, maxSync), func(f *Fault) *time.Duration { return &f.Sync }, "how long each sync takes")),
		part(Degrade, "a site whose uplink becomes another", needed("on", name(), on, "which site"), degradedField()),
		kind(Poison, place(), on, "a place that serves corrupt chunks"),
		kind(Rot, place(), on, "a place where a byte of every blob on the disk becomes another, at once"),
		kind(Forge, place(), on, "a place that hands out what others wrote with signatures that do not hold"),
		part(Restore, "a place that is stopped, and goes on from a backup in the end", needed("on", place(), on, "what"),
			needed("from", duration(0, MaxDuration), func(f *Fault) *time.Duration { return &f.Backup },
				"when the backup was made; not after at")),
	}}
}

func clockFields() (jump, drift field[Fault]) {
	jump = of("jump", duration(-maxJump, maxJump), func(f *Fault) *time.Duration { return &f.Jump }, "how far it is put forward")
	drift = of("drift", scaled("ppm", 1e6, -maxDrift, maxDrift, "a drift, -500000ppm to 500000ppm", "200ppm"),
		func(f *Fault) *float64 { return &f.Drift }, "what it gains of the time that passes")
	return jump, drift
}

// setField reads the time that a clock is put to, as the jump that gets it there. It is never written.
func setField() field[Fault] {
	const says = "a time: a year, a date like 1970-01-31, or one like 1970-01-31T12:00:00Z"
	parse := func(s string) (time.Time, error) {
		for _, layout := range []string{"2006", time.DateOnly, time.RFC3339} {
			if t, err := time.Parse(layout, s); err == nil {
				return t, nil
			}
		}
		return time.Time{}, fmt.Errorf("%q is not %s", s, says)
	}
	c := scalar(parse, time.Time.String, shape{says: says, schema: schema{"type": []string{"string", "integer"}}})
	return field[Fault]{
		name: "set", doc: "what it is put to, instead of jump", shape: c.shape,
		read: func(r *reader, n *yaml.Node, path string, into *Fault) {
			var t time.Time
			before := len(r.found)
			c.read(r, n, path, &t)
			jump := t.Sub(Epoch.Add(into.At))
			switch {
			case len(r.found) > before:
			case into.Jump != 0:
				r.add(n, path, "stands beside jump: write one of them")
			case jump.Abs() > maxJump:
				r.add(n, path, "%s is more than %s away", n.Value, durationText(maxJump))
			default:
				into.Jump = jump
			}
		},
		write: func(*writer, *Fault, *Fault) string { return "" },
	}
}

// degradedField is an uplink of which only what changes is written; the rest stays the site's.
func degradedField() field[Fault] {
	m := mapping[Uplink]{fields: changeable()}
	return field[Fault]{
		name: "uplink", need: true, doc: "what changes; the rest stays as the site has it", shape: m.shape(),
		read: func(r *reader, n *yaml.Node, path string, into *Fault) {
			into.Link = r.uplinks[into.On]
			m.read(r, n, path, &into.Link)
		},
		write: func(w *writer, v, _ *Fault) string {
			return "{" + strings.Join(m.pairs(w, v.Link, w.uplinks[v.On]), ", ") + "}"
		},
	}
}

// job makes a field of work that is the choice of what is done.
func job[V any](name string, m mapping[V], get func(*Work) **V, doc string) field[Work] {
	f := of(name, maybe(m.codec()), get, doc)
	f.choice = true
	return f
}

func workFields() mapping[Work] {
	return mapping[Work]{line: func(w *Work) *int { return &w.Line }, fields: []field[Work]{
		needed("at", duration(0, MaxDuration), func(w *Work) *time.Duration { return &w.At }, "when it is done"),
		job("seed", seedFields(), func(w *Work) **Seed { return &w.Seed }, "a release is made"),
		job("deploy", deployFields(), func(w *Work) **Deploy { return &w.Deploy }, "a release is declared to run"),
		job("join", joinFields(), func(w *Work) **Join { return &w.Join }, "a node joins a site"),
		job("uplink", heldFields(), func(w *Work) **UplinkWork { return &w.Uplink }, "the use of an uplink is held, let go or limited"),
		job("charter", charterFields(), func(w *Work) **Charter { return &w.Charter }, "the fleet's charter is amended: one more key may sign releases"),
		job("lock", lockFields(), func(w *Work) **Lock { return &w.Lock }, "programs take a lock of their site, over and over, from then on: one on each node of a place"),
		job("revoke", revokeFields(), func(w *Work) **Revoke { return &w.Revoke }, "a node is revoked: put out of the fleet"),
		job("witness", witnessFields(), func(w *Work) **Witness { return &w.Witness }, "a node of another site may vote on who leads a site, or not any more"),
		job("yield", yieldFields(), func(w *Work) **Yield { return &w.Yield }, "the node that leads a site is told to give that up"),
		job("mirror", mirrorFields(), func(w *Work) **Mirror { return &w.Mirror }, "a web server has a copy of a node's blobs from then on, for who can get them from no node; it is no part of the network, whose faults do not concern it"),
		job("issuer", issuerFields(), func(w *Work) **Issuer { return &w.Issuer }, "a node may renew the credentials of its site's members, while it leads"),
	}}
}

func seedFields() mapping[Seed] {
	return mapping[Seed]{base: Seed{Change: 1, Places: 1}, fields: []field[Seed]{
		needed("size", size(1, maxBlob), func(s *Seed) *int64 { return &s.Size }, "of its blob"),
		of("from", node(), func(s *Seed) *string { return &s.From }, "at which node").or("the first node"),
		needed("name", word("a name", manifest.CheckPath), func(s *Seed) *string { return &s.Name }, "of the release"),
		needed("version", word("a version", manifest.CheckVersion), func(s *Seed) *string { return &s.Version }, "of the release"),
		of("change", share(), func(s *Seed) *float64 { return &s.Change },
			"how much is new of the last release of this name; all of it if this is the first").or("100%"),
		of("places", whole(1, maxStrewn), func(s *Seed) *int { return &s.Places },
			"in how many places that is, as far from each other as they can be").or("1, at random"),
		of("repeats", share(), func(s *Seed) *float64 { return &s.Repeats },
			"how much of what is new repeats what went before, as in programs, and can be packed").or("0, which is noise"),
		of("wrong", oneOf(WrongDigest, WrongSize, WrongRoot), func(s *Seed) *Wrong { return &s.Wrong }, "what its release says wrongly of it").or("nothing"),
	}}
}

func deployFields() mapping[Deploy] {
	return mapping[Deploy]{fields: []field[Deploy]{
		of("name", word("a name", manifest.CheckPath), func(d *Deploy) *string { return &d.Name }, "of the deployment").or("the release's"),
		needed("release", word("a NAME@VERSION", checkRelease), func(d *Deploy) *string { return &d.Release },
			"which release; it was seeded before"),
		of("from", node(), func(d *Deploy) *string { return &d.From }, "at which node it is declared").or("that which seeded it"),
		of("selector", labels(), func(d *Deploy) *map[string]string { return &d.Selector }, "labels of the nodes that run it").or("all nodes"),
		of("singleton", boolean(), func(d *Deploy) *bool { return &d.Singleton }, "whether it runs in each site on the node that leads it alone").or("false"),
		of("at_once", whole(0, maxAtOnce), func(d *Deploy) *int { return &d.AtOnce }, "how many nodes of a site may change to it at once").or("0, all of them"),
		of("healthy", duration(0, time.Hour), func(d *Deploy) *time.Duration { return &d.Healthy }, "how long a node that changed has to stay healthy to count").or("0s"),
		of("urgent", boolean(), func(d *Deploy) *bool { return &d.Urgent }, "whether its blobs come before all others").or("false"),
		of("windows", windows(), func(d *Deploy) *[]string { return &d.Windows }, "when nodes may change to it; they fetch it ahead").or("at any time"),
		of("not_before", duration(0, MaxDuration), func(d *Deploy) *time.Duration { return &d.NotBefore }, "when they may at the earliest").or("0s, at once"),
	}}
}

// windows are when something may be, by the clock of a story, which begins at midnight.
func windows() codec[[]string] {
	check := func(s string) error {
		_, err := calendar.ParseWindow(s)
		return err
	}
	return list(word("a window, MINUTE HOUR DAY MONTH WEEKDAY DURATION [ZONE]", check), calendar.MaxWindows)
}

const maxAtOnce = 1000

func joinFields() mapping[Join] {
	return mapping[Join]{fields: []field[Join]{
		needed("site", name(), func(j *Join) *string { return &j.Site }, "which site"),
		needed("name", name(), func(j *Join) *string { return &j.Name }, "what the node is called"),
	}}
}

func charterFields() mapping[Charter] {
	return mapping[Charter]{fields: []field[Charter]{
		needed("from", node(), func(c *Charter) *string { return &c.From }, "at which node"),
	}}
}

func lockFields() mapping[Lock] {
	return mapping[Lock]{fields: []field[Lock]{
		needed("name", word("a name", manifest.CheckPath), func(l *Lock) *string { return &l.Name }, "of the lock"),
		needed("on", place(), func(l *Lock) *string { return &l.On }, "where"),
		needed("hold", duration(time.Millisecond, time.Hour), func(l *Lock) *time.Duration { return &l.Hold }, "how long they hold it each time, unless they lose it"),
		of("rest", duration(0, time.Hour), func(l *Lock) *time.Duration { return &l.Rest }, "how long they do without it after that"),
	}}
}

func revokeFields() mapping[Revoke] {
	return mapping[Revoke]{fields: []field[Revoke]{
		needed("node", node(), func(r *Revoke) *string { return &r.Node }, "which node"),
		needed("from", node(), func(r *Revoke) *string { return &r.From }, "at which node, another one"),
		of("reason", word("a line of text", checkReason), func(r *Revoke) *string { return &r.Reason }, "why").or("none"),
	}}
}

func witnessFields() mapping[Witness] {
	return mapping[Witness]{fields: []field[Witness]{
		needed("node", node(), func(v *Witness) *string { return &v.Node }, "which node"),
		needed("site", name(), func(v *Witness) *string { return &v.Site }, "for which site, another one"),
		needed("from", node(), func(v *Witness) *string { return &v.From }, "at which node that is said"),
		of("remove", boolean(), func(v *Witness) *bool { return &v.Remove }, "whether it may not any more").or("false"),
	}}
}

func yieldFields() mapping[Yield] {
	return mapping[Yield]{fields: []field[Yield]{
		needed("on", place(), func(y *Yield) *string { return &y.On }, "where; nothing happens if no node there leads"),
	}}
}

func mirrorFields() mapping[Mirror] {
	return mapping[Mirror]{fields: []field[Mirror]{
		needed("of", node(), func(m *Mirror) *string { return &m.Of }, "whose blobs, as they are then"),
		needed("on", place(), func(m *Mirror) *string { return &m.On }, "who may ask it"),
		of("rate", rate(), func(m *Mirror) *int64 { return &m.Rate }, "of each connection").or("0, which is no limit"),
	}}
}

func issuerFields() mapping[Issuer] {
	return mapping[Issuer]{base: Issuer{Life: defaultLife}, fields: []field[Issuer]{
		needed("node", node(), func(i *Issuer) *string { return &i.Node }, "which node"),
		needed("from", node(), func(i *Issuer) *string { return &i.From }, "at which node that is said"),
		of("life", duration(time.Minute, 400*24*time.Hour), func(i *Issuer) *time.Duration { return &i.Life }, "how long a renewed credential is good for").or("90d"),
	}}
}

// defaultLife is what 'selvage site issuer' has for a default.
const defaultLife = 90 * 24 * time.Hour

// checkReason wants what a revocation can hold.
func checkReason(s string) error {
	if len(s) > maxReason || strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return fmt.Errorf("it is not one printable line of at most %d bytes", maxReason)
	}
	return nil
}

const maxReason = 256

func heldFields() mapping[UplinkWork] {
	limit := func() codec[*int64] { return maybe(rate()) }
	return mapping[UplinkWork]{fields: []field[UplinkWork]{
		needed("on", place(), func(u *UplinkWork) *string { return &u.On }, "whose"),
		of("held", maybe(boolean()), func(u *UplinkWork) **bool { return &u.Held }, "whether nothing may use it").or("as it was"),
		of("up", limit(), func(u *UplinkWork) **int64 { return &u.Up }, "limit, where 0 is none").or("as it was"),
		of("down", limit(), func(u *UplinkWork) **int64 { return &u.Down }, "limit, where 0 is none").or("as it was"),
		of("windows", maybe(windows()), func(u *UplinkWork) **[]string { return &u.Windows }, "when blobs may cross it; [] is at any time").or("as it was"),
		of("cap", maybe(size(0, maxBytes)), func(u *UplinkWork) **int64 { return &u.Cap }, "how much may cross it in a month, both ways together, before blobs wait; 0 is no cap").or("as it was"),
	}}
}
