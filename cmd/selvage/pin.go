package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"selvage/node/api"
)

func newPin(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "pin [NAME@VERSION|DIGEST...]",
		Short: "Keep releases or blobs on this node however full its disk is",
		Long: "Keep what this node has, or will have, of releases and blobs, however full its disk is. Without names it lists what is kept\n" +
			"so. Pins are this node's own, and last over restarts.",
		RunE: func(c *cobra.Command, args []string) error {
			return changePins(c.Context(), env, api.PinChange{Add: args})
		},
	}
}

func newUnpin(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "unpin NAME@VERSION|DIGEST...",
		Short: "Let go of what was pinned",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return changePins(c.Context(), env, api.PinChange{Remove: args})
		},
	}
}

func changePins(ctx context.Context, env *environment, change api.PinChange) error {
	pins, err := env.client().Pin(ctx, change)
	if err != nil {
		return env.explain(err)
	}
	if env.json() {
		return env.printJSON(map[string][]string{"pins": pins})
	}
	for _, p := range pins {
		if _, err := fmt.Fprintln(env.out, p); err != nil {
			return err
		}
	}
	return nil
}
