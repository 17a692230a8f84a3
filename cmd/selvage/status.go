package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"selvage/node/api"
)

func newStatus(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show how this node is doing",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := ask[api.Status](c.Context(), env, "status", nil)
			if err != nil {
				return err
			}
			if env.json() {
				return env.printJSON(s)
			}
			return printStatus(env, s)
		},
	}
}

func printStatus(env *environment, s api.Status) error {
	fmt.Fprintf(env.out, "%s at site %s of fleet %s\n", s.Name, s.Site, s.Fleet)
	fmt.Fprintf(env.out, "node     %s\n", s.Node)
	fmt.Fprintf(env.out, "up       %s, version %s, %s, %s resident\n",
		time.Duration(s.UptimeSeconds*float64(time.Second)).Round(time.Second), s.Version, s.Platform, size(s.ResidentBytes))
	fmt.Fprintf(env.out, "uplink   %s\n", plain(uplinkLine(s.Uplink)))
	fmt.Fprintf(env.out, "lease    %s\n", leaseLine(s.Lease))
	if s.Credential.Expires != nil {
		fmt.Fprintf(env.out, "expires  %s\n", credentialLine(s.Credential, s.Time))
	}
	for _, a := range s.Addresses {
		fmt.Fprintf(env.out, "address  %s\n", a)
	}
	for _, p := range problems(s) {
		fmt.Fprintf(env.out, "# %s\n", plain(p))
	}
	if len(s.Deployments) > 0 {
		fmt.Fprintln(env.out)
		if err := env.table(runningHeader, runningRows(s.Deployments)); err != nil {
			return err
		}
	}
	fmt.Fprintln(env.out)
	var rows [][]string
	for _, p := range s.Peers {
		rows = append(rows, []string{p.Name, p.Site, fmt.Sprintf("%.1f ms", p.RTTSeconds*1000), p.Address, p.Node.Short()})
	}
	return env.table([]string{"PEER", "SITE", "RTT", "ADDRESS", "NODE"}, rows)
}

// problems are the lines about what is not as it should be.
func problems(s api.Status) []string {
	out := s.Alerts
	if s.Revoked != "" {
		out = append(out, "this node "+s.Revoked+"; it exchanges nothing with the fleet any more, and what it runs goes on running; enrol the machine anew, with a new ticket, to bring it back")
	}
	if !s.Admitted {
		out = append(out, "not admitted yet: no node of the fleet was reached since this one was enrolled")
	}
	if why, due := renewalTrouble(s); due {
		out = append(out, why)
	}
	if s.Uplink.Held {
		out = append(out, "the uplink is held: nothing is exchanged with other sites; 'selvage uplink on' lets go")
	}
	return out
}

// credentialLine says until when a node's credential is good, and who sees to it that it stays so.
func credentialLine(c api.Credential, now time.Time) string {
	line := c.Expires.UTC().Format("2006-01-02 15:04 UTC")
	if days := int(c.Expires.Sub(now).Hours() / 24); days > 0 {
		line += ", in " + count(days, "day")
	}
	switch {
	case c.Problem != "":
		return line + "; " + c.Problem
	case c.RenewedBy != "":
		return line + "; renewed by " + c.RenewedBy
	}
	return line + "; it will be renewed"
}

// renewalTrouble says that a node's credential runs out and nobody renews it, if that is so.
func renewalTrouble(s api.Status) (what string, due bool) {
	c := s.Credential
	if !c.Due || c.Problem == "" {
		return "", false
	}
	return fmt.Sprintf("the credential of this node runs out on %s, and %s; 'selvage site issuer add NODE' lets a node of the site renew it",
		c.Expires.UTC().Format("2006-01-02 15:04 UTC"), c.Problem), true
}

var runningHeader = []string{"DEPLOYMENT", "RUNS", "PHASE", "READY", "ADDRESS", "WHY"}

func runningRows(all []api.Running) [][]string {
	var rows [][]string
	for _, d := range all {
		rows = append(rows, []string{d.Name, d.Release, phase(d), yes(d.Ready), d.Address, d.Why})
	}
	return rows
}

// phase names where a deployment is on its way, if it is not there.
func phase(d api.Running) string {
	if d.Target != "" && d.Target != d.Release {
		return d.Phase + " " + d.Target
	}
	return d.Phase
}

func uplinkLine(u api.Uplink) string {
	line := fmt.Sprintf("%s up, %s down", size(u.UpBytes), size(u.DownBytes))
	if u.UpLimit > 0 || u.DownLimit > 0 {
		line += fmt.Sprintf("; limits of the site %s up, %s down", rate(u.UpLimit), rate(u.DownLimit))
	}
	if u.Held {
		line += "; held"
	}
	if len(u.Windows) > 0 {
		line += "; windows " + strings.Join(u.Windows, ", ")
	}
	if u.MonthCap > 0 {
		line += fmt.Sprintf("; %s of this month's cap of the site, %s, used here", size(u.MonthUsed), size(u.MonthCap))
	}
	if u.BulkHeld != "" {
		line += "; blobs wait: " + u.BulkHeld
		if u.BulkUntil != nil {
			line += ", until " + u.BulkUntil.UTC().Format(time.RFC3339)
		}
	}
	if len(u.Mirrors) > 0 {
		line += "; mirrors " + strings.Join(u.Mirrors, ", ")
	}
	return line
}

func rate(bytesPerSecond int64) string {
	if bytesPerSecond == 0 {
		return "none"
	}
	return fmt.Sprintf("%.3g Mbit/s", float64(bytesPerSecond)*8/1e6)
}
