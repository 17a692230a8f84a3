package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"selvage/internal/ident"
	"selvage/ledger"
	"selvage/node/api"
)

// siteOptions are those of the commands that change what operators want of a site.
type siteOptions struct {
	site string // "": that of the node that is asked
	key  keyFlag
}

func (o *siteOptions) add(c *cobra.Command) {
	c.Flags().StringVar(&o.site, "site", "", "the site (default that of this node)")
	o.key.add(c)
}

func newSiteWitness(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "witness add|remove NODE",
		Short: "Let a node of another site vote on who leads a site, or not any more",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usage("witness what? 'site witness add NODE' names one, 'site witness remove NODE' takes it back")
		},
	}
	c.AddCommand(newWitnessChange(env, "add", "Let a node of another site vote, if the site has too few nodes",
		"Let a node of another site vote on who leads a site, if the site itself has fewer than three nodes. It never leads there. With it a\n"+
			"site of two nodes survives the loss of either, while the witness can be reached over the uplink. Each renewal of the lease asks it,\n"+
			"every three seconds. Signed by a key that may admit machines to the site.",
		func(c *ledger.SiteConfig, id ident.NodeID) error {
			if slices.Contains(c.Witnesses, id) {
				return fmt.Errorf("it is a witness for site %s already", c.Site)
			}
			c.Witnesses = append(c.Witnesses, id)
			return nil
		}))
	c.AddCommand(newWitnessChange(env, "remove", "Let a witness vote no more",
		"Let a witness vote no more. The site's leader lets it go; until it has, the witness is counted among those who vote. Signed by a key that\n"+
			"may admit machines to the site.",
		func(c *ledger.SiteConfig, id ident.NodeID) error {
			if !slices.Contains(c.Witnesses, id) {
				return fmt.Errorf("it is no witness for site %s", c.Site)
			}
			c.Witnesses = slices.DeleteFunc(c.Witnesses, func(w ident.NodeID) bool { return w == id })
			return nil
		}))
	return c
}

func newWitnessChange(env *environment, verb, short, long string, change func(*ledger.SiteConfig, ident.NodeID) error) *cobra.Command {
	var o siteOptions
	c := &cobra.Command{
		Use: verb + " NAME|SITE/NAME|ID", Short: short, Long: long, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			n, err := findNode(c.Context(), env, args[0])
			if err != nil {
				return err
			}
			next, p, err := changeSite(c.Context(), env, o, func(c *ledger.SiteConfig) error { return change(c, n.Node) })
			if err != nil {
				return err
			}
			if env.json() {
				return env.printJSON(map[string]any{"site": next.Site, "generation": next.Generation, "witnesses": next.Witnesses, "statement": p.Statement})
			}
			fmt.Fprintf(env.out, "site %s: %d of other sites may vote\n", next.Site, len(next.Witnesses))
			return hintLeader(c.Context(), env, next.Site)
		},
	}
	o.add(c)
	return c
}

// hintLeader says who sees to a change of who votes; where nobody does, what to do.
func hintLeader(ctx context.Context, env *environment, site string) error {
	all, err := ask[[]api.SiteLease](ctx, env, "leases", nil)
	if err != nil {
		return err
	}
	for _, l := range all {
		if l.Site == site && !l.Holder.IsZero() {
			env.hint("%s leads the site and sees to it, one voter at a time; 'selvage site show' there says how far it is", l.Name)
			return nil
		}
	}
	env.hint("nobody leads site %s, as far as this node knows, and only who leads can see to it: bring its voters back first; 'selvage site show' at one of its nodes says which", site)
	return nil
}

// changeSite has what is wanted of a site changed, signs it, and publishes it.
func changeSite(ctx context.Context, env *environment, o siteOptions, change func(*ledger.SiteConfig) error) (ledger.SiteConfig, api.Published, error) {
	var next ledger.SiteConfig
	keys, err := o.key.load(env)
	if err != nil {
		return next, api.Published{}, err
	}
	if o.site == "" {
		s, err := ask[api.Status](ctx, env, "status", nil)
		if err != nil {
			return next, api.Published{}, err
		}
		o.site = s.Site
	}
	draft, err := ask[json.RawMessage](ctx, env, "siteconfig", url.Values{"site": {o.site}})
	if err != nil {
		return next, api.Published{}, err
	}
	if next, err = ledger.DecodeSite(draft); err != nil {
		return next, api.Published{}, err
	}
	if err := change(&next); err != nil {
		return next, api.Published{}, err
	}
	envelope, err := ledger.SignSite(next, keys...)
	if err != nil {
		return next, api.Published{}, usage("%v", err)
	}
	p, err := publish(ctx, env, api.KindSite, envelope)
	return next, p, err
}

// findNode finds a node by its name, as NAME or SITE/NAME, or by the beginning of its ID.
func findNode(ctx context.Context, env *environment, what string) (api.Node, error) {
	all, err := ask[[]api.Node](ctx, env, "nodes", nil)
	if err != nil {
		return api.Node{}, err
	}
	var found []api.Node
	var could []string
	for _, n := range all {
		if n.Name == what || n.Site+"/"+n.Name == what || prefixed(n.Node.String(), what) || prefixed(n.Node.Short(), what) {
			found = append(found, n)
			could = append(could, fmt.Sprintf("%s/%s (%s)", n.Site, n.Name, n.Node.Short()))
		}
	}
	switch len(found) {
	case 0:
		return api.Node{}, env.explain(api.NotFound(fmt.Sprintf("no node is called %q here", what), "'selvage get nodes' lists them"))
	case 1:
		return found[0], nil
	}
	return api.Node{}, hinted(fmt.Errorf("%q could be %s", what, strings.Join(could, ", ")), "give more of the ID, or SITE/NAME")
}
