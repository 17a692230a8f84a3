package main

import (
	"fmt"
	"net/url"

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
			holders, err := ask[[]api.Holder](c.Context(), env, "holders", url.Values{"release": {args[0]}, "platform": {on}})
			if err != nil {
				return err
			}
			if env.json() {
				return env.printJSON(holders)
			}
			var rows [][]string
			for _, h := range holders {
				have := "whole"
				if !h.Complete {
					have = size(h.HaveBytes)
				}
				rows = append(rows, []string{h.Name, h.Site, have, h.Source, h.Node.Short()})
			}
			if len(rows) == 0 {
				return &failure{fmt.Errorf("no node is known to hold %s", args[0]), "nodes that are cut off cannot be asked", exitNotFound}
			}
			return env.table([]string{"NODE", "SITE", "HAS", "SOURCE", "ID"}, rows)
		},
	}
	c.Flags().StringVar(&on, "platform", "", "os/arch of the artifact; this node's if not given")
	return c
}
