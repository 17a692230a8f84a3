package main

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"selvage/simulator"
	"selvage/simulator/scenario"
	"selvage/simulator/scenarios"
)

const scenarioSuffix = ".yaml"

// shippedScenario returns the text of a scenario that is shipped, by its name or its file's; ok is false if there is none.
func shippedScenario(name string) (data []byte, ok bool) {
	data, err := scenarios.Read(strings.TrimSuffix(name, scenarioSuffix) + scenarioSuffix)
	return data, err == nil && filepath.Base(name) == name
}

// shipped is a scenario that comes with the program.
type shipped struct {
	Name  string `json:"name"`
	About string `json:"about"`
}

func newSimList(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the scenarios that are shipped; 'selvage sim run NAME' plays one",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return simList(env) },
	}
}

func simList(env *environment) error {
	all := []shipped{}
	var rows [][]string
	for _, file := range scenarios.Names() {
		data, err := scenarios.Read(file)
		if err != nil {
			return err
		}
		s, err := scenario.Parse(file, data, simulator.Invariants())
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(file, scenarioSuffix)
		all = append(all, shipped{name, s.Name})
		rows = append(rows, []string{name, s.Name})
	}
	if env.json() {
		return env.printJSON(all)
	}
	return env.table([]string{"NAME", "ABOUT"}, rows)
}
