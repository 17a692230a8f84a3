package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"selvage/node/api"
)

func newLease(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "lease",
		Short: "Give up the lead of this node's site",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return usage("lease what? 'lease yield' gives it up, 'get leases' shows who has it")
		},
	}
	c.AddCommand(&cobra.Command{
		Use:   "yield",
		Short: "Stop leading the site, so that another node does",
		Long: "Stop leading the site, so that another node does. What this node does as the leader is stopped first. It does not\n" +
			"ask for the lease again for ten seconds, and leads on after that if no other node does.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			l, err := env.client().YieldLease(c.Context())
			if err != nil {
				return env.explain(err)
			}
			if env.json() {
				return env.printJSON(l)
			}
			_, err = fmt.Fprintf(env.out, "this node has given up the lead of site %s\n", l.Site)
			return err
		},
	})
	return c
}

func leaseRow(l api.SiteLease) []string {
	up := 0
	var voters []string
	for _, v := range l.Voters {
		if v.Up {
			up++
		}
		voters = append(voters, v.Name+map[bool]string{true: " (witness)"}[v.Witness])
	}
	votes, version := "", "" // of another site
	if len(l.Voters) > 0 {
		version = fmt.Sprint(l.Version)
		votes = fmt.Sprintf("%d of %d up", up, len(l.Voters))
	}
	return []string{l.Site, dash(l.Name), epochText(l.Lease), expiry(l.Lease), votes, strings.Join(voters, ", "), version}
}

// termsNoun lists who has led the node's site, and since when: what 'get leases --history' shows.
func termsNoun() noun {
	return listBy("get leases --history", "terms", []string{"SITE", "LEADER", "FROM", "EPOCH", "VOTERS", "BEFORE IT"}, []string{"NODE", "VERSION"},
		func(t api.Term, n string) bool { return t.Site == n || t.Name == n }, termRow)
}

func termRow(t api.Term) []string {
	before := ""
	if b := t.Before; b != nil {
		before = fmt.Sprintf("%s %s, with %d", b.Name, map[string]string{api.TermExpired: "ran out", api.TermYielded: "gave it up"}[b.Ended], b.Epoch)
	}
	return []string{t.Site, t.Name, t.Began.Local().Format(time.DateTime), fmt.Sprint(t.Epoch), fmt.Sprint(t.Voters), before, t.Holder.Short(), fmt.Sprint(t.Version)}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func epochText(l api.Lease) string {
	if l.Epoch == 0 { // nobody leads
		return "-"
	}
	return fmt.Sprint(l.Epoch)
}

func expiry(l api.Lease) string {
	if l.ExpiresInSeconds <= 0 {
		return "-"
	}
	return seconds(l.ExpiresInSeconds).Round(100 * time.Millisecond).String()
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// leaseLine is what 'status' says of the site's lease.
func leaseLine(l api.Lease) string {
	switch {
	case l.Holder.IsZero():
		return "nobody leads the site, as far as this node knows; 'selvage site show' says why"
	case l.ExpiresInSeconds <= 0:
		return fmt.Sprintf("%s leads the site, epoch %d", l.Name, l.Epoch)
	}
	return fmt.Sprintf("%s leads the site, epoch %d, for %s unless it renews", l.Name, l.Epoch, expiry(l))
}
