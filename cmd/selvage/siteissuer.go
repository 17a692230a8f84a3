package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"selvage/internal/ident"
	"selvage/ledger"
	"selvage/ledger/trust"
	"selvage/node/api"
)

// issuerFor is how long the right to renew credentials lasts, unless the operator says otherwise.
const issuerFor = 5 * 365 * 24 * time.Hour

func newSiteIssuer(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "issuer add|remove NODE...",
		Short: "Let nodes of a site renew its members' credentials while they lead it, or not any more",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usage("issuer what? 'site issuer add NODE...' names some, 'site issuer remove NODE...' takes it back")
		},
	}
	c.AddCommand(newIssuerAdd(env), newIssuerRemove(env))
	return c
}

func newIssuerAdd(env *environment) *cobra.Command {
	var life, lasts time.Duration
	c := newIssuerChange(env, "add", "Let nodes of the site renew its members' credentials",
		"Let nodes of a site renew the credentials of its members, so that a site that is cut off for months keeps working. The one of them that\n"+
			"leads the site does so when less than a third of a credential's life is left; name those that can come to lead it. Whoever is revoked or\n"+
			"quarantined is not renewed. Signed by a key that may admit machines to the site.",
		func(c *ledger.SiteConfig, nodes []ident.NodeID) error {
			for _, id := range nodes {
				c.Issuers = slices.DeleteFunc(c.Issuers, func(is ledger.Issuer) bool { return is.Node == id })
				c.Issuers = append(c.Issuers, ledger.Issuer{Node: id, Life: trust.Lifetime(life), Expires: c.Declared.Add(lasts)})
			}
			return nil
		})
	c.Flags().DurationVar(&life, "lifetime", time.Duration(trust.DefaultLifetime), "how long a renewed credential is good for, at most")
	c.Flags().DurationVar(&lasts, "for", issuerFor, "how long they may renew, and the end of whatever they renew")
	return c
}

func newIssuerRemove(env *environment) *cobra.Command {
	return newIssuerChange(env, "remove", "Let nodes renew credentials no more",
		"Let nodes renew credentials no more. What they have renewed is good until it expires. Signed by a key that may admit machines to the site.",
		func(c *ledger.SiteConfig, nodes []ident.NodeID) error {
			for _, id := range nodes {
				if _, ok := c.Issuer(id); !ok {
					return fmt.Errorf("%s may not renew credentials for site %s", id.Short(), c.Site)
				}
				c.Issuers = slices.DeleteFunc(c.Issuers, func(is ledger.Issuer) bool { return is.Node == id })
			}
			return nil
		})
}

func newIssuerChange(env *environment, verb, short, long string, change func(*ledger.SiteConfig, []ident.NodeID) error) *cobra.Command {
	var o siteOptions
	c := &cobra.Command{
		Use: verb + " NAME|SITE/NAME|ID...", Short: short, Long: long, Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var nodes []ident.NodeID
			for _, what := range args {
				n, err := findNode(c.Context(), env, what)
				if err != nil {
					return err
				}
				nodes = append(nodes, n.Node)
			}
			next, p, err := changeSite(c.Context(), env, o, func(c *ledger.SiteConfig) error { return change(c, nodes) })
			if err != nil {
				return err
			}
			if env.json() {
				return env.printJSON(map[string]any{"site": next.Site, "generation": next.Generation, "issuers": next.Issuers, "statement": p.Statement})
			}
			_, err = fmt.Fprintf(env.out, "site %s: %d of its nodes may renew credentials while %s it\n", next.Site, len(next.Issuers), agree(len(next.Issuers), "it leads", "they lead"))
			return err
		},
	}
	o.add(c)
	return c
}

// issuerLine says who may renew the credentials of a site's members.
func issuerLine(l api.SiteLease) string {
	var names []string
	for _, is := range l.Issuers {
		names = append(names, fmt.Sprintf("%s (until %s)", is.Name, is.Expires.UTC().Format("2006-01-02")))
	}
	if len(names) == 0 {
		return "no node of the site may renew its members' credentials; 'selvage site issuer add NODE...' lets some"
	}
	return "may renew credentials while leading: " + strings.Join(names, ", ")
}
