package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"selvage/cmd/selvage/demo"
)

func newDemo(env *environment) *cobra.Command {
	var keep bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Three sites on this machine, a release, a cut, a heal, a crash: the whole story in a minute",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			exe, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this program: %w", err)
			}
			story := env.out
			if env.json() {
				story = env.err // standard output is the result's
			}
			r, err := demo.Run(c.Context(), demo.Options{Exe: exe, Keep: keep, Out: story, Bar: newProgress(env.err)})
			if err != nil || !env.json() {
				return err
			}
			return env.printJSON(r)
		},
	}
	c.Flags().BoolVar(&keep, "keep", false, "leave the mesh up at the end, and say how to talk to it")
	return c
}
