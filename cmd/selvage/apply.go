package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"selvage/ledger"
	"selvage/ledger/manifest"
	"selvage/node/api"
)

func newApply(env *environment) *cobra.Command {
	var file string
	var key keyFlag
	c := &cobra.Command{
		Use:   "apply -f deployment.yaml",
		Short: "Sign a deployment and declare it to the fleet",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return apply(c.Context(), env, key, file) },
	}
	c.Flags().StringVarP(&file, "file", "f", "", "manifest, or - for standard input")
	_ = c.MarkFlagRequired("file")
	key.add(c)
	return c
}

func apply(ctx context.Context, env *environment, key keyFlag, file string) error {
	m, err := readManifest(ctx, file)
	if err != nil {
		return err
	}
	if err := releaseExists(ctx, env, m); err != nil {
		return err
	}
	keys, err := key.load(env)
	if err != nil {
		return err
	}
	d, err := nextDeployment(ctx, env, m)
	if err != nil {
		return err
	}
	envelope, err := ledger.SignDeployment(d, keys...)
	if err != nil {
		return err
	}
	p, err := publish(ctx, env, api.KindDeployment, envelope)
	if err != nil {
		return err
	}
	if env.json() {
		return env.printJSON(map[string]any{"name": d.Name, "release": m.Spec.Release, "generation": d.Generation, "statement": p.Statement})
	}
	fmt.Fprintf(env.out, "declared %s: %s, generation %d\n", d.Name, m.Spec.Release, d.Generation)
	if m.Spec.Timed() {
		return startHint(env, m.Spec, d)
	}
	env.hint("'selvage rollout status %s' waits until the nodes run it", d.Name)
	return nil
}

// startHint says when nodes will change to what was declared.
func startHint(env *environment, spec manifest.Spec, d ledger.Deployment) error {
	start, err := spec.Start()
	if err != nil {
		return err
	}
	switch open, next := start.Open(d.Declared); {
	case open:
		env.hint("nodes change to it while its window is open; 'selvage rollout status %s' shows who has", d.Name)
	case next.IsZero():
		env.hint("nodes fetch it, but its window never opens: apply it again with another")
	default:
		env.hint("nodes fetch it now, and change to it from %s on; 'selvage rollout status %s' shows who has it", next.UTC().Format(time.RFC3339), d.Name)
	}
	return nil
}

func readManifest(ctx context.Context, file string) (manifest.Deployment, error) {
	in, err := openInput(ctx, file)
	if err != nil {
		return manifest.Deployment{}, err
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, manifest.MaxSize+1))
	if err != nil {
		return manifest.Deployment{}, fmt.Errorf("read %s: %w", in.name, err)
	}
	return manifest.Parse(in.name, data)
}

// releaseExists catches a slip of the pen before it is signed: nodes would wait for the release for ever.
func releaseExists(ctx context.Context, env *environment, m manifest.Deployment) error {
	all, err := ask[[]api.Release](ctx, env, "releases", nil)
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.Release == m.Spec.Release {
			return nil
		}
	}
	return &failure{m.Errorf("spec.release", "%s is not known to this node", m.Spec.Release),
		"seed it first, or wait for it to arrive; 'selvage get releases' lists what is here", exitNotFound}
}

// nextDeployment makes the statement that takes the place of all that the node knows for this name.
func nextDeployment(ctx context.Context, env *environment, m manifest.Deployment) (ledger.Deployment, error) {
	now, err := effectiveTime(ctx, env)
	if err != nil {
		return ledger.Deployment{}, err
	}
	spec, err := json.Marshal(m.Spec)
	if err != nil {
		return ledger.Deployment{}, err
	}
	d := ledger.Deployment{Name: m.Metadata.Name, Generation: 1, Declared: now, Spec: spec}
	all, err := ask[[]api.Deployment](ctx, env, "deployments", nil)
	if err != nil {
		return ledger.Deployment{}, err
	}
	for _, old := range all {
		if old.Name == d.Name {
			d.Generation, d.Supersedes = old.Generation+1, old.Heads
		}
	}
	return d, nil
}
