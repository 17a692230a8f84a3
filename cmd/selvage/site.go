package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"selvage/node/api"
)

func newSite(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "site",
		Short: "Explain who leads this node's site, and say who may vote and who may renew credentials",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return usage("site what? 'site show' explains who leads it, and who votes; 'site witness' lets nodes of other sites vote, 'site issuer' nodes renew credentials")
		},
	}
	c.AddCommand(newSiteWitness(env), newSiteIssuer(env))
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
	out = append(out, fmt.Sprintf("%d of its nodes %s, %d of them %s to be up, %d %s", len(l.Voters), agree(len(l.Voters), "votes", "vote"), l.Majority, agree(l.Majority, "has", "have"), up, agree(up, "is", "are")))
	if l.Muted > 0 {
		out = append(out, fmt.Sprintf("%s takes part again in %s: it has just started, or its clock was wrong", self, seconds(l.Muted).Round(time.Second)))
	}
	if up < l.Majority {
		out = append(out, fmt.Sprintf("no node can lead until %d of these %s back: %s", l.Majority-up, agree(l.Majority-up, "is", "are"), strings.Join(missing, ", ")))
	} else if len(missing) > 0 {
		out = append(out, fmt.Sprintf("not seen: %s; a voter that is gone for a day is replaced, if another node can vote", strings.Join(missing, ", ")))
	}
	out = append(append(out, witnessLines(l)...), advice(l)...)
	return append(out, issuerLine(l))
}

// witnessLines say what becomes of the witnesses that operators have named, and of those that they name no more.
func witnessLines(l api.SiteLease) (out []string) {
	votes := func(all []api.Voter, w api.Voter) bool {
		return slices.ContainsFunc(all, func(v api.Voter) bool { return v.Node == w.Node })
	}
	for _, w := range l.Witnesses {
		switch {
		case votes(l.Voters, w):
			out = append(out, fmt.Sprintf("%s of another site votes here, and never leads; each renewal of the lease asks it over the uplink", w.Name))
		case l.Holder.IsZero():
			out = append(out, fmt.Sprintf("%s of another site may vote, but nobody leads who could let it in: that takes %d of the present voters", w.Name, l.Majority))
		case !w.Up:
			out = append(out, fmt.Sprintf("%s of another site may vote, and cannot be reached now", w.Name))
		default:
			out = append(out, fmt.Sprintf("%s of another site may vote, and does when the site has too few nodes for three voters, and a second one", w.Name))
		}
	}
	for _, v := range l.Voters {
		if v.Witness && !votes(l.Witnesses, v) {
			out = append(out, v.Name+" of another site is to vote no more; the node that leads lets it go")
		}
	}
	return out
}

// advice says what a number of voters means.
func advice(l api.SiteLease) []string {
	switch len(l.Voters) {
	case 1:
		return []string{"with one voter it leads, or nobody does; two more nodes at the site let it fail over, or one and a witness ('selvage site witness add NODE')"}
	case 2:
		return []string{"with two voters both have to be up; a third node at the site, or a witness ('selvage site witness add NODE'), lets one of them fail"}
	}
	return nil
}
