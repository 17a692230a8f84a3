package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"selvage/ledger/trust"
	"selvage/node/api"
)

type inviteOptions struct {
	site     string
	uses     int
	first    bool
	expires  time.Duration
	lifetime time.Duration
	labels   map[string]string
	key      keyFlag
}

func newInvite(env *environment) *cobra.Command {
	var o inviteOptions
	c := &cobra.Command{
		Use:   "invite --site S",
		Short: "Print a ticket with which machines can join a site",
		Long: "Print a ticket with which machines can join a site. Whoever holds the ticket can join until it\n" +
			"expires or is used up, so hand it over as you would a password.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return invite(c.Context(), env, o) },
	}
	c.Flags().StringVar(&o.site, "site", "", "the site to join; it comes into being with its first node")
	c.Flags().IntVar(&o.uses, "uses", 1, "how many machines may join with it")
	c.Flags().BoolVar(&o.first, "first", false, "the machine is the first of its site: it leads until others come, and lets them vote; once for each site")
	c.Flags().DurationVar(&o.expires, "expires", 24*time.Hour, "for how long machines may join with it")
	c.Flags().DurationVar(&o.lifetime, "lifetime", time.Duration(trust.DefaultLifetime), "how long the credentials are good for")
	c.Flags().StringToStringVar(&o.labels, "label", nil, "label for every node that joins with it, key=value; can be repeated")
	o.key.add(c)
	_ = c.MarkFlagRequired("site") // fails only for a flag that is not there
	return c
}

func invite(ctx context.Context, env *environment, o inviteOptions) error {
	if o.lifetime < trust.MinLifetime || o.lifetime > trust.MaxLifetime {
		return usage("--lifetime %s: want %s to %s", o.lifetime, trust.MinLifetime, trust.MaxLifetime)
	}
	keys, err := o.key.load(env)
	if err != nil {
		return err
	}
	s, err := ask[api.Status](ctx, env, "status", nil)
	if err != nil {
		return err
	}
	var fleet trust.FleetID
	if err := fleet.UnmarshalText([]byte(s.FleetID)); err != nil {
		return err
	}
	issued := s.Time.UTC().Truncate(time.Second)
	ticket, err := trust.NewTicket(trust.Invite{
		Fleet: fleet, Site: o.site, Labels: o.labels, Uses: o.uses, First: o.first, Issued: issued, Expires: issued.Add(o.expires),
		Lifetime: trust.Lifetime(o.lifetime), Bootstrap: bootstrap(s, o.site),
	}, rand.Reader, keys...)
	if err != nil {
		return usage("%v", err)
	}
	envelope, err := json.Marshal(ticket.Invite)
	if err != nil {
		return err
	}
	if err := env.client().CheckInvite(ctx, envelope); err != nil {
		return env.explain(err)
	}
	if err := hintFirst(ctx, env, o); err != nil {
		return err
	}
	inv, err := ticket.Peek()
	if err != nil {
		return err
	}
	if env.json() {
		return env.printJSON(map[string]any{"ticket": ticket.String(), "site": inv.Site, "serial": inv.Serial, "uses": inv.Uses,
			"expires": inv.Expires, "bootstrap": inv.Bootstrap})
	}
	fmt.Fprintln(env.out, ticket)
	env.hint("good for %d until %s; on the other machine: selvage join TICKET, then selvage up", inv.Uses, inv.Expires.Format("2006-01-02 15:04 UTC"))
	env.hint("'selvage revoke invite %s' takes it back", inv.Serial)
	return nil
}

// hintFirst tells who invites to a site without nodes that one of them has to be its first, and who names a first that there is one.
func hintFirst(ctx context.Context, env *environment, o inviteOptions) error {
	sites, err := ask[[]api.Site](ctx, env, "sites", nil)
	if err != nil {
		return err
	}
	there := slices.ContainsFunc(sites, func(s api.Site) bool { return s.Site == o.site })
	if !there && !o.first {
		env.hint("no node of site %s is known here: nobody leads a site until one machine has joined it with a ticket of 'selvage invite --first'", o.site)
	}
	if there && o.first {
		env.hint("site %s has nodes already: a site that is given a first node twice can come to have two leaders", o.site)
	}
	return nil
}

// maxBootstrap is how many addresses a ticket carries: a few nodes, lest the one that wrote it is down.
const maxBootstrap = 8

// bootstrap picks where a machine that joins a site may find the fleet: this node, then peers at
// the site, then others.
func bootstrap(s api.Status, site string) []string {
	out := s.Addresses
	for _, near := range []bool{true, false} {
		for _, p := range s.Peers {
			if (p.Site == site) == near && strings.HasPrefix(p.Address, "/ip") {
				out = append(out, p.Address+"/p2p/"+p.Node.String())
			}
		}
	}
	return out[:min(len(out), maxBootstrap)]
}

// explainTicket gives a ticket's fault a hint.
func explainTicket(err error) error {
	switch {
	case errors.Is(err, trust.ErrExpired):
		return hinted(err, "ask for a new one: 'selvage invite' prints it; if this machine's clock is wrong, set it first")
	case errors.Is(err, trust.ErrMalformed):
		return hinted(err, "copy the whole line that 'selvage invite' printed")
	}
	return err
}
