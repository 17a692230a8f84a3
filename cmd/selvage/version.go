package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func newVersion(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if env.json() {
				return env.printJSON(map[string]string{"version": version, "go": runtime.Version(), "platform": platform()})
			}
			_, err := fmt.Fprintf(env.out, "selvage %s (%s, %s)\n", version, runtime.Version(), platform())
			return err
		},
	}
}

func platform() string { return runtime.GOOS + "/" + runtime.GOARCH }
