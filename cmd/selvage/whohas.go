package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"selvage/node/api"
)

func newWhoHas(env *environment) *cobra.Command {
	var on string
	c := &cobra.Command{
		Use:   "who-has NAME@VERSION",
		Short: "Show which nodes hold a release's blob, whole or in part",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			holders, err := env.client().Holders(c.Context(), args[0], on)
			if err != nil {
				return env.explain(err)
			}
			return printHolders(env, args[0], holders)
		},
	}
	c.Flags().StringVar(&on, "platform", "", "os/arch of the artifact; this node's if not given")
	return c
}

// printHolders prints who holds a release. That nobody does is an error, in JSON after the empty list.
func printHolders(env *environment, release string, holders []api.Holder) error {
	nobody := &failure{fmt.Errorf("no node is known to hold %s", release), "nodes that are cut off cannot be asked", exitNotFound}
	if env.json() {
		if err := env.printJSON(holders); err != nil || len(holders) > 0 {
			return err
		}
		return nobody
	}
	if len(holders) == 0 {
		return nobody
	}
	var rows [][]string
	for _, h := range holders {
		have := "whole"
		if !h.Complete {
			have = size(h.HaveBytes)
		}
		rows = append(rows, []string{h.Name, h.Site, have, h.Source, h.Node.Short()})
	}
	return env.table([]string{"NODE", "SITE", "HAS", "SOURCE", "ID"}, rows)
}
