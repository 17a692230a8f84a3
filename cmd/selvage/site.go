package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"selvage/node/api"
)

func newSite(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "site",
		Short: "Explain who leads this node's site",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return usage("site what? 'site show' explains who leads it, and who votes")
		},
	}
	c.AddCommand(&cobra.Command{
		Use:   "show",
		Short: "Explain who leads this node's site, who votes, and what is missing",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := ask[api.Status](c.Context(), env, "status", nil)
			if err != nil {
				return err
			}
			all, err := ask[[]api.SiteLease](c.Context(), env, "leases", nil)
			if err != nil {
				return err
			}
			for _, l := range all {
				if l.Site == s.Site {
					return printSite(env, l, s.Name)
				}
			}
			return fmt.Errorf("the node does not tell of its own site")
		},
	})
	return c
}

func printSite(env *environment, l api.SiteLease, self string) error {
	if env.json() {
		return env.printJSON(l)
	}
	for _, line := range explainSite(l, self) {
		fmt.Fprintln(env.out, line)
	}
	if len(l.Voters) == 0 {
		return nil
	}
	fmt.Fprintln(env.out)
	var rows [][]string
	for _, v := range l.Voters {
		role := "may lead"
		if v.Witness {
			role = "votes only"
		}
		if v.Node == l.Holder {
			role = "leads"
		}
		rows = append(rows, []string{v.Name, map[bool]string{true: "up", false: "not seen"}[v.Up], role, v.Node.Short()})
	}
	return env.table([]string{"VOTER", "STATE", "ROLE", "NODE"}, rows)
}

// explainSite says in words how a site is led, and what is to be done about what is wrong with that. self is the name of the
// node that tells.
func explainSite(l api.SiteLease, self string) []string {
	out := []string{fmt.Sprintf("site %s: %s", l.Site, leaseLine(l.Lease))}
	if l.Holder.IsZero() {
		out[0] = fmt.Sprintf("site %s: nobody leads it, as far as this node knows", l.Site)
	}
	if len(l.Voters) == 0 {
		return append(out, "no node votes here: the site has no first node, or this node has not heard of it yet",
			"to give it one, let a machine join with a ticket of 'selvage invite --first --site "+l.Site+"'; do so once only for a site")
	}
	var missing []string
	for _, v := range l.Voters {
		if !v.Up {
			missing = append(missing, v.Name)
		}
	}
	up := len(l.Voters) - len(missing)
	out = append(out, fmt.Sprintf("%d of its nodes vote, %d of them have to be up, %d are", len(l.Voters), l.Majority, up))
	if l.Muted > 0 {
		out = append(out, fmt.Sprintf("%s takes part again in %s: it has just started, or its clock was wrong", self, seconds(l.Muted).Round(time.Second)))
	}
	if up < l.Majority {
		out = append(out, fmt.Sprintf("no node can lead until %d of these are back: %s", l.Majority-up, strings.Join(missing, ", ")))
	} else if len(missing) > 0 {
		out = append(out, fmt.Sprintf("not seen: %s; a voter that is gone for a day is replaced, if another node can vote", strings.Join(missing, ", ")))
	}
	return append(out, advice(len(l.Voters))...)
}

// advice says what a number of voters means.
func advice(voters int) []string {
	switch voters {
	case 1:
		return []string{"with one voter it leads, or nobody does; two more nodes at the site let it fail over"}
	case 2:
		return []string{"with two voters both have to be up; a third node at the site lets one of them fail"}
	}
	return nil
}
