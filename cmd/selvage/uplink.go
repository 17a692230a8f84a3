package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"selvage/node/api"
)

func newUplink(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "uplink",
		Short: "Show, hold or limit this node's traffic with other sites",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := ask[api.Status](c.Context(), env, "status", nil)
			if err != nil {
				return err
			}
			return printUplink(env, s.Uplink)
		},
	}
	c.AddCommand(
		newHold(env, "off", "Hold all traffic with other sites, as on a metered link; kept over restarts", true),
		newHold(env, "on", "Let traffic with other sites flow again", false),
		newLimit(env),
	)
	return c
}

func newHold(env *environment, word, help string, held bool) *cobra.Command {
	return &cobra.Command{
		Use: word, Short: help, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return changeUplink(c.Context(), env, api.UplinkChange{Held: &held})
		},
	}
}

func newLimit(env *environment) *cobra.Command {
	var up, down string
	c := &cobra.Command{
		Use:   "limit [--up RATE] [--down RATE]",
		Short: "Limit the site's traffic with other sites, like 8mbit or 0 for no limit",
		Long: "Limit the traffic of this node's site with other sites. The limit is the site's: each live\n" +
			"node of it keeps to an equal share. Set the same limit on every node of the site.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var change api.UplinkChange
			for flag, to := range map[string]**int64{"up": &change.UpLimit, "down": &change.DownLimit} {
				if !c.Flags().Changed(flag) {
					continue
				}
				n, err := parseRate(c.Flag(flag).Value.String())
				if err != nil {
					return usage("--%s: %v", flag, err)
				}
				*to = &n
			}
			return changeUplink(c.Context(), env, change)
		},
	}
	c.Flags().StringVar(&up, "up", "", "towards other sites")
	c.Flags().StringVar(&down, "down", "", "from other sites")
	return c
}

// parseRate reads bits a second, as links are sold, and returns bytes a second.
func parseRate(s string) (int64, error) {
	number, factor := s, int64(1)
	for _, u := range []struct {
		suffix string
		factor int64
	}{{"gbit", 1e9}, {"mbit", 1e6}, {"kbit", 1e3}, {"bit", 1}} {
		if rest, ok := strings.CutSuffix(strings.ToLower(s), u.suffix); ok {
			number, factor = rest, u.factor
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > 1e12/factor || (n > 0 && number == s) {
		return 0, fmt.Errorf("%q is not a rate; write it like 8mbit, 512kbit, or 0 for no limit", s)
	}
	if rate := n * factor; rate == 0 || rate >= 8000 {
		return rate / 8, nil
	}
	return 0, fmt.Errorf("%q is less than 8kbit, on which nothing could be kept up", s)
}

func changeUplink(ctx context.Context, env *environment, change api.UplinkChange) error {
	u, err := env.client().SetUplink(ctx, change)
	if err != nil {
		return env.explain(err)
	}
	return printUplink(env, u)
}

func printUplink(env *environment, u api.Uplink) error {
	if env.json() {
		return env.printJSON(u)
	}
	word := "on"
	if u.Held {
		word = "off (held)"
	}
	_, err := fmt.Fprintf(env.out, "uplink %s: %s\n", word, uplinkLine(u))
	return err
}
