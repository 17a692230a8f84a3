package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"selvage/internal/calendar"
	"selvage/ledger/manifest"
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

const limitHelp = `Limit the traffic of this node's site with other sites. What is not given stays as it is. Limits and the
cap are the site's: each live node of it keeps to an equal share. Set the same on every node of the site.

A window is when blobs may cross the uplink: "MINUTE HOUR DAY MONTH WEEKDAY DURATION [ZONE]", five fields of cron for when
it opens, how long it stays open, and the time zone, which is UTC if none is named. The windows that are given take the
place of all others; with --window none, blobs may cross at any time.

A cap is how many bytes may cross the uplink in a month of UTC, both ways together. When it is used up, blobs
wait for the next month. What nodes say to each other besides goes on, outside of windows and beyond the cap too.
Set a cap again, if to what it was, where a clock that was ahead has this machine count for a month to come.`

func newLimit(env *environment) *cobra.Command {
	var up, down, most string
	var windows []string
	c := &cobra.Command{
		Use:   "limit [--up RATE] [--down RATE] [--window \"CRON DURATION [ZONE]\"]... [--cap SIZE/month]",
		Short: "Limit the site's traffic with other sites: its rate, its hours, its bytes in a month",
		Long:  limitHelp,
		Example: `  selvage uplink limit --down 8mbit --up 1mbit
  selvage uplink limit --window "0 22 * * 1-5 8h Europe/Berlin" --window "0 0 * * 6,0 24h Europe/Berlin"
  selvage uplink limit --cap 50GB/month
  selvage uplink limit --up 0 --window none --cap 0`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			change, err := limitChange(c, windows)
			if err != nil {
				return err
			}
			return changeUplink(c.Context(), env, change)
		},
	}
	c.Flags().StringVar(&up, "up", "", "towards other sites, like 8mbit; 0 is no limit")
	c.Flags().StringVar(&down, "down", "", "from other sites, likewise")
	c.Flags().StringArrayVar(&windows, "window", nil, "when blobs may cross the uplink; can be repeated; none: at any time")
	c.Flags().StringVar(&most, "cap", "", "how much may cross the uplink in a month, like 50GB/month; 0 is no cap")
	return c
}

// limitChange is what the flags that were given ask for.
func limitChange(c *cobra.Command, windows []string) (change api.UplinkChange, err error) {
	for flag, set := range map[string]struct {
		read func(string) (int64, error)
		to   **int64
	}{"up": {parseRate, &change.UpLimit}, "down": {parseRate, &change.DownLimit}, "cap": {parseCap, &change.MonthCap}} {
		if !c.Flags().Changed(flag) {
			continue
		}
		n, err := set.read(c.Flag(flag).Value.String())
		if err != nil {
			return change, usage("--%s: %v", flag, err)
		}
		*set.to = &n
	}
	if !c.Flags().Changed("window") {
		return change, nil
	}
	if slices.Equal(windows, []string{"none"}) {
		windows = []string{}
	}
	all, err := calendar.ParseWindows(windows)
	if err != nil {
		return change, usage("--window: %v", err)
	}
	windows = []string{}
	for _, w := range all {
		windows = append(windows, w.String())
	}
	change.Windows = &windows
	return change, nil
}

// parseCap reads how much a month has.
func parseCap(s string) (int64, error) {
	if s == "0" {
		return 0, nil
	}
	number, ok := strings.CutSuffix(s, "/month")
	n, err := manifest.ParseBytes(strings.TrimSuffix(number, "B"))
	if !ok || err != nil || n < 1<<20 {
		return 0, fmt.Errorf("%q is not a cap; write it like 50GB/month, from 1Mi/month on, or 0 for none", s)
	}
	return int64(n), nil
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
	_, err := fmt.Fprintf(env.out, "uplink %s: %s\n", word, plain(uplinkLine(u)))
	return err
}
