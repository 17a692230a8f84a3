package demo

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"
)

// summary draws the table that ends the demo.
func (s *story) summary(context.Context) error {
	fmt.Fprintln(s.Out)
	w := tabwriter.NewWriter(s.Out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "SCENE\tNODES\tCONVERGED IN\tUPLINK\tBYTES DOWN\tIDEAL\tRATIO")
	for _, sc := range s.scenes {
		for i, site := range sc.receivers {
			name, nodes, took := sc.name, fmt.Sprint(len(sc.targets)), fmt.Sprintf("%.1f s", sc.took.Seconds())
			if i > 0 {
				name, nodes, took = "", "", ""
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%.2f\n", name, nodes, took, site, mib(sc.down[site]), mib(sc.ideal[site]),
				float64(sc.down[site])/float64(max(sc.ideal[site], 1)))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "\nAll of it held, in %s. Bytes are UDP payload, control traffic included; ideal is each new byte once.\n",
		time.Since(s.begin).Round(100*time.Millisecond))
	return nil
}
