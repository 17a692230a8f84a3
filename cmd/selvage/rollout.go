package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"selvage/node/api"
)

// pollEvery is how often 'rollout status' looks at the node beside it; that costs no network.
const pollEvery = 250 * time.Millisecond

// answerWithin bounds how long the node may take to answer 'rollout status' when the time is up.
const answerWithin = 10 * time.Second

func newRollout(env *environment) *cobra.Command {
	c := &cobra.Command{Use: "rollout", Short: "Follow a deployment on its way to the nodes", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return usage("rollout what? try 'selvage rollout status NAME'")
		}}
	c.AddCommand(newRolloutStatus(env))
	return c
}

func newRolloutStatus(env *environment) *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "status NAME [--timeout 2m]",
		Short: "Wait until every reachable target runs the release and is ready",
		Long: "Wait until every reachable node that the deployment is meant for runs its release and is ready.\n" +
			"Exit code 0 if so; else 1, with who is behind and why, as soon as all of these have given the release\n" +
			"up, or wait for a later time, or the time is up. --timeout 0 looks once and does not wait.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := waitRollout(c.Context(), env, args[0], timeout)
			if err != nil {
				return err
			}
			return printRollout(env, r)
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long to wait")
	return c
}

// waitRollout polls until the rollout is done, there is nothing to wait for, or the time is up,
// and returns how it then stands.
func waitRollout(ctx context.Context, env *environment, name string, timeout time.Duration) (api.Rollout, error) {
	begin := time.Now()
	last, cancel := context.WithDeadline(ctx, begin.Add(max(0, timeout)+answerWithin))
	defer cancel()
	bar := newProgress(env.err)
	defer bar.End()
	for {
		r, err := ask[api.Rollout](last, env, "rollout", url.Values{"name": {name}})
		if err != nil || r.Done || hopeless(r, begin.Add(timeout)) || time.Since(begin) >= timeout {
			return r, err
		}
		bar.Show(tallyText(r))
		select {
		case <-ctx.Done():
			return r, ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}

// hopeless reports whether nothing more is to be waited for until a time: everyone behind has given the release up, or waits for a
// time after that.
func hopeless(r api.Rollout, until time.Time) bool {
	later := r.OpensAt != nil && r.OpensAt.After(until)
	return len(r.Behind) > 0 && (r.Failed == len(r.Behind) || later && r.Scheduled+r.Failed == len(r.Behind))
}

func printRollout(env *environment, r api.Rollout) error {
	if env.json() {
		if err := env.printJSON(r); err != nil {
			return err
		}
	} else if err := printRolloutTable(env, r); err != nil {
		return err
	}
	switch {
	case r.Done && r.Targets == 0:
		env.hint("no node that is known here is meant by %s: 'selvage get nodes -o wide' shows the labels that they have", r.Name)
	case r.Done && r.Targets == len(r.Unreachable):
		env.hint("none of the nodes that are meant by %s can be reached from here: what they run is not known", r.Name)
	}
	if r.Done {
		return nil
	}
	if r.Scheduled > 0 && r.Scheduled == len(r.Behind) {
		return hinted(fmt.Errorf("%d of %d reachable targets of %s have fetched %s and wait for its time", r.Scheduled, r.Targets-len(r.Unreachable), r.Name, r.Release),
			"they change to it by themselves then; 'selvage rollout status --timeout D' waits for it")
	}
	if r.Singleton {
		return hinted(fmt.Errorf("%s does not run in every site, or some nodes are not ready to take it over: %d of %d reachable targets", r.Release, len(r.Behind), r.Targets-len(r.Unreachable)),
			"it runs on the node that leads the site; 'selvage get leases' shows which that is, and 'selvage site show' what keeps a site from having one")
	}
	return hinted(fmt.Errorf("%d of %d reachable targets of %s do not run %s", len(r.Behind), r.Targets-len(r.Unreachable), r.Name, r.Release),
		"'selvage get nodes' shows what they run instead")
}

func printRolloutTable(env *environment, r api.Rollout) error {
	fmt.Fprintf(env.out, "%s: %s", r.Name, tallyText(r))
	if n := len(r.Unreachable); n > 0 {
		fmt.Fprintf(env.out, ", %d unreachable", n)
	}
	fmt.Fprintln(env.out)
	var rows [][]string
	for _, b := range slices.Concat(r.RunsOn, r.Standby) {
		rows = append(rows, behindRow(b, b.Phase))
	}
	for _, b := range r.Behind {
		if b.Phase != phaseStandby { // or it is among those who stand by
			rows = append(rows, behindRow(b, b.Phase))
		}
	}
	for _, b := range r.Unreachable {
		rows = append(rows, behindRow(b, "unreachable"))
	}
	if len(rows) == 0 {
		return nil
	}
	return env.table([]string{"NODE", "SITE", "RUNS", "PHASE", "LAST SEEN", "WHY"}, rows)
}

// rollout.Standby and rollout.Scheduled, as the API has them.
const (
	phaseStandby   = "standby"
	phaseScheduled = "scheduled"
)

// tallyText says how many run a release.
func tallyText(r api.Rollout) string {
	if r.Singleton {
		return fmt.Sprintf("%s runs on %s; %s", r.Release, runsOn(names(r.RunsOn)), standbyText(len(r.Standby)))
	}
	text := fmt.Sprintf("%d of %d targets run %s", r.Ready, r.Targets, r.Release)
	if r.Scheduled > 0 {
		text += ", " + scheduledText(r.Scheduled, r.OpensAt)
	}
	return text
}

// standbyText says how many keep a singleton ready.
func standbyText(n int) string { return fmt.Sprintf("%d %s by", n, agree(n, "stands", "stand")) }

// scheduledText says how many have a release and wait for its time.
func scheduledText(n int, opens *time.Time) string {
	text := fmt.Sprintf("%d %s for its time", n, agree(n, "has fetched it and waits", "have fetched it and wait"))
	if opens != nil {
		text += ", " + opens.UTC().Format(time.RFC3339)
	}
	return text
}

func names(all []api.Behind) (out []string) {
	for _, b := range all {
		out = append(out, b.Name)
	}
	return out
}

// runsOn names the nodes that run a singleton.
func runsOn(names []string) string {
	if len(names) == 0 {
		return "no node"
	}
	return strings.Join(names, ", ")
}

func behindRow(b api.Behind, phase string) []string {
	return []string{b.Name, b.Site, b.Release, phase, age(b.LastSeen, time.Now()), b.Why}
}
