package demo

import (
	"fmt"
	"text/tabwriter"
	"time"
)

// Result is what the demo cost, for scripts.
type Result struct {
	Seconds float64       `json:"seconds"`
	Scenes  []SceneResult `json:"scenes"`
	Dir     string        `json:"dir,omitempty"` // where the mesh lives that was left up
}

// SceneResult is one release on its way to some nodes.
type SceneResult struct {
	Name    string         `json:"name"`
	Version string         `json:"version"`
	Nodes   int            `json:"nodes"`
	Seconds float64        `json:"seconds"` // until every node served it
	Uplinks []UplinkResult `json:"uplinks"`
}

// UplinkResult is what crossed one site's uplink, and what had to.
type UplinkResult struct {
	Site       string `json:"site"`
	DownBytes  int64  `json:"down_bytes"`  // UDP payload, control traffic included
	BlobBytes  int64  `json:"blob_bytes"`  // of these, chunks
	IdealBytes int64  `json:"ideal_bytes"` // each byte that was new to the site, once
}

func (s *story) result() Result {
	r := Result{Seconds: s.took.Seconds(), Scenes: []SceneResult{}}
	if s.Keep {
		r.Dir = s.dir
	}
	for _, sc := range s.scenes {
		one := SceneResult{Name: sc.name, Version: sc.version, Nodes: len(sc.targets), Seconds: sc.took.Seconds()}
		for _, site := range sc.receivers {
			one.Uplinks = append(one.Uplinks, UplinkResult{site, sc.cost[site].wire, sc.cost[site].blob, sc.ideal[site]})
		}
		r.Scenes = append(r.Scenes, one)
	}
	return r
}

// summary draws the table that ends the demo.
func (s *story) summary() error {
	fmt.Fprintln(s.Out)
	w := tabwriter.NewWriter(s.Out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "SCENE\tNODES\tCONVERGED IN\tUPLINK\tIDEAL\tBLOB BYTES\tON THE WIRE")
	for _, sc := range s.result().Scenes {
		for i, u := range sc.Uplinks {
			name, nodes, took := sc.Name, fmt.Sprint(sc.Nodes), fmt.Sprintf("%.1f s", sc.Seconds)
			if i > 0 {
				name, nodes, took = "", "", ""
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, nodes, took, u.Site, mib(u.IdealBytes),
				against(u.BlobBytes, u.IdealBytes), against(u.DownBytes, u.IdealBytes))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.Out, "\nAll of it held, in %s. Ideal is each byte that was new to the site, once; the wire's bytes are UDP payload, control traffic included.\n",
		s.took.Round(100*time.Millisecond))
	return err
}

// against writes bytes, and how they compare with the ideal.
func against(n, ideal int64) string {
	return fmt.Sprintf("%s (x %.2f)", mib(n), float64(n)/float64(max(ideal, 1)))
}
