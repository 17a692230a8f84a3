package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"selvage/node/api"
)

// pollEvery is how often 'rollout status' looks at the node beside it; that costs no network.
const pollEvery = 250 * time.Millisecond

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
			"up, or the time is up. --timeout 0 looks once and does not wait.",
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

// waitRollout polls until the rollout is done, everyone behind has given it up, or the time is up,
// and returns how it then stands.
func waitRollout(ctx context.Context, env *environment, name string, timeout time.Duration) (api.Rollout, error) {
	begin := time.Now()
	bar := newProgress(env.err)
	defer bar.End()
	for {
		r, err := ask[api.Rollout](ctx, env, "rollout", url.Values{"name": {name}})
		hopeless := r.Failed > 0 && r.Failed == len(r.Behind)
		if err != nil || r.Done || hopeless || time.Since(begin) >= timeout {
			return r, err
		}
		bar.Show(fmt.Sprintf("%d of %d nodes run %s", r.Ready, r.Targets, r.Release))
		select {
		case <-ctx.Done():
			return r, ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}

func printRollout(env *environment, r api.Rollout) error {
	if env.json() {
		if err := env.printJSON(r); err != nil {
			return err
		}
	} else if err := printRolloutTable(env, r); err != nil {
		return err
	}
	if r.Done {
		return nil
	}
	return hinted(fmt.Errorf("%d of %d reachable targets of %s do not run %s", len(r.Behind), r.Targets-len(r.Unreachable), r.Name, r.Release),
		"'selvage get nodes' shows what they run instead")
}

func printRolloutTable(env *environment, r api.Rollout) error {
	fmt.Fprintf(env.out, "%s: %d of %d targets run %s", r.Name, r.Ready, r.Targets, r.Release)
	if n := len(r.Unreachable); n > 0 {
		fmt.Fprintf(env.out, ", %d unreachable", n)
	}
	fmt.Fprintln(env.out)
	var rows [][]string
	for _, b := range r.Behind {
		rows = append(rows, behindRow(b, b.Phase))
	}
	for _, b := range r.Unreachable {
		rows = append(rows, behindRow(b, "unreachable"))
	}
	if len(rows) == 0 {
		return nil
	}
	return env.table([]string{"NODE", "SITE", "RUNS", "PHASE", "LAST SEEN", "WHY"}, rows)
}

func behindRow(b api.Behind, phase string) []string {
	return []string{b.Name, b.Site, b.Release, phase, age(b.LastSeen, time.Now()), b.Why}
}
