package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"selvage/ledger/manifest"
	"selvage/node/api"
)

// noun is one kind of thing that 'get' lists.
type noun struct {
	name string
	past *noun // what --history lists; nil: there is none
	list func(context.Context, *environment, string) (any, *listing, error)
}

// listing is a table: a header and rows, with a wide form that has more columns at the right.
type listing struct {
	header, wide []string
	rows         [][]string
}

// listOf makes a noun of an API list: which items a NAME argument picks, and a row for each.
func listOf[T any](name string, header, wide []string, named func(T, string) bool, row func(T) []string) noun {
	return listBy("get "+name, name, header, wide, named, row)
}

// listBy is listOf with the command that lists all.
func listBy[T any](command, name string, header, wide []string, named func(T, string) bool, row func(T) []string) noun {
	list := func(ctx context.Context, env *environment, only string) (any, *listing, error) {
		all, err := ask[[]T](ctx, env, name, nil)
		if err != nil {
			return nil, nil, err
		}
		picked := []T{}
		l := &listing{header: header, wide: wide}
		for _, item := range all {
			if only == "" || named(item, only) {
				picked = append(picked, item)
				l.rows = append(l.rows, row(item))
			}
		}
		if only != "" && len(picked) == 0 {
			return nil, nil, api.NotFound(fmt.Sprintf("no %s is called %q here", singular(name), only), "'selvage "+command+"' lists them")
		}
		return picked, l, nil
	}
	return noun{name: name, list: list}
}

func nouns() []noun {
	return []noun{
		listOf("sites", []string{"SITE", "NODES", "REACHABLE", "LAST SEEN"}, nil,
			func(s api.Site, n string) bool { return s.Site == n }, siteRow),
		listOf("nodes", []string{"NAME", "SITE", "LAST SEEN", "DEPLOYMENTS"}, []string{"NODE", "LABELS"},
			func(n api.Node, s string) bool {
				return n.Name == s || prefixed(n.Node.String(), s) || prefixed(n.Node.Short(), s)
			}, nodeRow),
		listOf("releases", []string{"RELEASE", "TYPE", "SIZE", "CREATED", "PLATFORMS"}, []string{"STATEMENT", "SIGNERS"},
			func(r api.Release, n string) bool { return r.Release == n || strings.HasPrefix(r.Release, n+"@") }, releaseRow),
		listOf("deployments", []string{"NAME", "RELEASE", "READY", "DECLARED", "NOTE"}, []string{"GENERATION", "STATEMENT"},
			func(d api.Deployment, n string) bool { return d.Name == n }, deploymentRow),
		listOf("blobs", []string{"DIGEST", "SIZE", "HAVE", "RATE", "RELEASES", "KEPT"}, []string{"FROM SITE", "FROM UPLINK", "FROM MIRROR", "LOCAL", "SHARED", "BY"},
			func(b api.Blob, n string) bool { return prefixed(b.Digest, n) || prefixed("sha256:"+b.Digest, n) }, blobRow),
		withPast(listOf("leases", []string{"SITE", "LEADER", "EPOCH", "EXPIRES", "VOTERS"}, []string{"WHO VOTES", "VERSION"},
			func(l api.SiteLease, n string) bool { return l.Site == n }, leaseRow), termsNoun()),
		listOf("locks", []string{"LOCK", "HOLDER", "TOKEN", "HELD FOR", "WAITING"}, []string{"EXPIRES"},
			func(l api.Lock, n string) bool { return l.Lock == n }, lockRow),
		listOf("keys", []string{"KEY", "ROLES", "NOTE"}, nil,
			func(k api.Key, n string) bool { return prefixed(k.Key, n) }, keyRow),
		listOf("revocations", []string{"SUBJECT", "ID", "NAME", "SITE", "DECLARED", "REASON"}, []string{"KEEPS", "STATEMENT", "SIGNERS"},
			func(r api.Revocation, n string) bool { return r.Subject == n || r.Name == n || prefixed(r.ID, n) }, revocationRow),
		listOf("entries", []string{"TIME", "KIND", "AUTHOR", "SEQ", "KEY", "BYTES"}, []string{"SCOPE", "FEED"},
			func(e api.Entry, n string) bool { return e.Kind == n || e.Name == n || prefixed(e.Author.String(), n) }, entryRow),
	}
}

// prefixed reports whether s begins with prefix, which has to be long enough to mean something.
func prefixed(s, prefix string) bool { return len(prefix) >= 4 && strings.HasPrefix(s, prefix) }

func newGet(env *environment) *cobra.Command {
	var names []string
	for _, n := range nouns() {
		names = append(names, n.name)
	}
	get := &cobra.Command{
		Use:   "get " + strings.Join(names, "|") + " [NAME]",
		Short: "List what this node knows",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return usage("get what? one of %s", strings.Join(names, ", "))
		},
	}
	for _, n := range nouns() {
		get.AddCommand(newGetNoun(env, n))
	}
	return get
}

func newGetNoun(env *environment, n noun) *cobra.Command {
	var watching, history bool
	c := &cobra.Command{
		Use:     n.name + " [NAME]",
		Aliases: []string{singular(n.name)},
		Short:   "List the " + n.name,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			only := ""
			if len(args) == 1 {
				only = args[0]
				if only == "" { // a script's variable that is not set does not mean all
					return usage("get %s: the name is empty; leave it out for all", n.name)
				}
			}
			n := n
			if history {
				n = *n.past
			}
			if watching {
				return watch(c.Context(), env, n, only)
			}
			v, l, err := n.list(c.Context(), env, only)
			if err != nil {
				return err
			}
			if env.json() {
				return env.printJSON(v)
			}
			return l.print(env)
		},
	}
	c.Flags().BoolVarP(&watching, "watch", "w", false, "show it anew each second until interrupted: in place on a terminal, else when it has changed")
	if n.past != nil {
		c.Flags().BoolVar(&history, "history", false, "list how it was before, the latest first")
	}
	return c
}

// withPast gives a noun a history.
func withPast(n, past noun) noun {
	n.past = &past
	return n
}

func (l *listing) print(env *environment) error {
	header := l.header
	if env.wide() {
		header = append(header[:len(header):len(header)], l.wide...)
	}
	rows := make([][]string, len(l.rows))
	for i, r := range l.rows {
		rows[i] = r[:len(header)]
	}
	return env.table(header, rows)
}

func siteRow(s api.Site) []string {
	return []string{s.Site, fmt.Sprint(s.Nodes), fmt.Sprint(s.Reachable), age(s.LastSeen, time.Now())}
}

func nodeRow(n api.Node) []string {
	var ds []string
	for _, d := range n.Deployments {
		word := d.Phase
		if d.Release != "" {
			word = d.Release + " " + phase(d)
		}
		ds = append(ds, word)
	}
	seen := age(n.LastSeen, time.Now())
	if !n.Reachable {
		seen += ", unreachable"
	}
	if n.Revoked {
		seen += ", " + strings.TrimPrefix(n.Quarantined, "was ")
	} else if n.Quarantined != "" {
		seen += ", quarantined: " + n.Quarantined
	}
	var labels []string
	for k, v := range n.Labels {
		labels = append(labels, k+"="+v)
	}
	return []string{n.Name, n.Site, seen, strings.Join(ds, ", "), n.Node.String(), sortedJoin(labels)}
}

func releaseRow(r api.Release) []string {
	var platforms []string
	var total int64
	for _, a := range r.Artifacts {
		platforms = append(platforms, a.Platform)
		total += a.Size
	}
	return []string{r.Release, r.Type, size(total), age(r.Created, time.Now()), sortedJoin(platforms), short(r.Statement), sortedJoin(shortAll(r.Signers))}
}

func deploymentRow(d api.Deployment) []string {
	ready := fmt.Sprintf("%d/%d", d.Ready, d.Targets)
	var notes []string
	if d.Priority != "" {
		notes = append(notes, d.Priority)
	}
	if d.Singleton {
		notes = append(notes, fmt.Sprintf("singleton: runs on %s, %s", runsOn(d.RunsOn), standbyText(d.Standby)))
	}
	if d.Scheduled > 0 {
		notes = append(notes, scheduledText(d.Scheduled, d.OpensAt))
	}
	if d.Unreachable > 0 {
		notes = append(notes, fmt.Sprintf("%d unreachable", d.Unreachable))
	}
	if d.Conflict {
		notes = append(notes, fmt.Sprintf("conflict of %d: apply again to resolve", len(d.Heads)))
	}
	return []string{d.Name, d.Release, ready, age(d.Declared, time.Now()), strings.Join(notes, "; "), fmt.Sprint(d.Generation), short(d.Statement)}
}

func blobRow(b api.Blob) []string {
	have := "complete"
	if !b.Complete {
		have = fmt.Sprintf("%d%%", percent(b.HaveBytes, b.Size)) + classText(b)
	}
	speed := ""
	if b.BytesPerSecond > 0 {
		speed = size(int64(b.BytesPerSecond)) + "/s"
	}
	by := b.By
	if by != "" {
		by += ", " + size(b.ByBytes)
	}
	return []string{short(b.Digest), size(b.Size), have, speed, sortedJoin(b.Releases), strings.Join(b.Kept, ", "),
		size(b.FromSiteBytes), size(b.FromUplinkBytes), size(b.FromMirrorBytes), size(b.FromLocalBytes), size(b.SharedBytes), by}
}

// classText says what is not usual about how a blob is fetched.
func classText(b api.Blob) (text string) {
	if b.Class != "" && b.Class != manifest.PriorityNormal {
		text = ", " + b.Class
	}
	if b.Waits {
		text += ", waits"
	}
	return text
}

func entryRow(e api.Entry) []string {
	return []string{e.Time.UTC().Format(time.RFC3339), e.Kind, e.Name, fmt.Sprint(e.Seq), e.Key, fmt.Sprint(e.Bytes), e.Scope, short(e.Feed)}
}

func keyRow(k api.Key) []string {
	note := ""
	if k.Revoked {
		note = "revoked"
	}
	return []string{k.Key, strings.Join(k.Roles, ", "), note}
}

func revocationRow(r api.Revocation) []string {
	return []string{r.Subject, r.ID, r.Name, r.Site, age(r.Declared, time.Now()), r.Reason, fmt.Sprint(r.Keeps), short(r.Statement), sortedJoin(shortAll(r.Signers))}
}

func percent(part, whole int64) int64 {
	if whole == 0 {
		return 100
	}
	return part * 100 / whole
}
