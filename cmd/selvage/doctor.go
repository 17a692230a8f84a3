package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"selvage/node/api"
)

func newDoctor(env *environment) *cobra.Command {
	var deep bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is wrong with this node, and mend its store",
		Long: "Say what is wrong with this node. With --scrub every blob of its store is read, at a pace that leaves the disk to others;\n" +
			"what went bad is fetched again from other nodes.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if deep {
				return scrub(c.Context(), env)
			}
			return doctor(c.Context(), env)
		},
	}
	c.Flags().BoolVar(&deep, "scrub", false, "read all blobs, and mend those that went bad on this disk")
	return c
}

// finding is something that a person should look at.
type finding struct {
	What string `json:"what"`
	Hint string `json:"hint,omitempty"`
}

// findings are what is wrong with a node, by its status.
func findings(s api.Status, blobs []api.Blob) []finding {
	all := []finding{}
	add := func(is bool, what, hint string) {
		if is {
			all = append(all, finding{what, hint})
		}
	}
	add(s.Revoked != "", "this node "+s.Revoked, "it comes back with a new ticket and a new key")
	add(s.Revoked == "" && !s.Admitted, "this node is not admitted yet", "it has to reach a node of its fleet once")
	add(len(s.Peers) == 0, "no other node is connected", "'selvage get nodes' says when each was seen last")
	why, due := renewalTrouble(s)
	add(due, why, "")
	add(s.Uplink.Held, "the uplink is held", "'selvage uplink on' lets it go")
	for _, d := range s.Deployments {
		add(!d.Ready && d.Phase != phaseScheduled, fmt.Sprintf("%s is %s: %s", d.Name, phase(d), d.Why), "")
	}
	for _, b := range blobs {
		add(!b.Complete && len(b.Releases) > 0, fmt.Sprintf("blob %s of %s is not whole: %d%%", short(b.Digest), sortedJoin(b.Releases), percent(b.HaveBytes, b.Size)), "")
	}
	for _, a := range s.Alerts {
		add(true, a, "")
	}
	return all
}

func doctor(ctx context.Context, env *environment) error {
	s, err := ask[api.Status](ctx, env, "status", nil)
	if err != nil {
		return err
	}
	blobs, err := ask[[]api.Blob](ctx, env, "blobs", nil)
	if err != nil {
		return err
	}
	all := findings(s, blobs)
	if env.json() {
		return env.printJSON(all)
	}
	for _, f := range all {
		if _, err := fmt.Fprintln(env.out, plain(f.What)); err != nil {
			return err
		}
		if f.Hint != "" {
			env.hint("%s", f.Hint)
		}
	}
	if len(all) > 0 {
		return nil
	}
	_, err = fmt.Fprintln(env.out, "nothing is wrong; 'selvage doctor --scrub' looks at the bytes on the disk too")
	return err
}

func scrub(ctx context.Context, env *environment) error {
	bar := newProgress(env.err)
	s, err := env.client().Scrub(ctx, func(s api.Scrub) {
		text := portion(s.Read, s.Bytes)
		if n := len(s.Damaged); n > 0 {
			text += ", " + count(n, "blob") + " went bad"
		}
		bar.Show(text)
	})
	bar.End()
	if err != nil {
		return env.explain(err)
	}
	if env.json() {
		if err := env.printJSON(s); err != nil {
			return err
		}
	} else if err := tellScrubbed(env, s); err != nil {
		return err
	}
	for _, d := range s.Damaged {
		if !d.Mended {
			return &failure{errors.New("not all that went bad is mended"), "it goes on as soon as a node that has the bytes can be reached; 'selvage import' brings them too", exitPartly}
		}
	}
	return nil
}

func tellScrubbed(env *environment, s api.Scrub) error {
	if _, err := fmt.Fprintf(env.out, "%s, %s read, %d went bad\n", count(s.Blobs, "blob"), size(s.Read), len(s.Damaged)); err != nil {
		return err
	}
	for _, d := range s.Damaged {
		if _, err := fmt.Fprintf(env.out, "%s %s: %s\n", short(d.Digest), sortedJoin(d.Releases), plain(strings.Join(wrongWith(d), ", "))); err != nil {
			return err
		}
	}
	return nil
}

// wrongWith says what was wrong with a blob, and what became of it.
func wrongWith(d api.Damaged) (words []string) {
	switch {
	case d.Error != "":
		return []string{d.Error}
	case d.Missing:
		words = append(words, "its file was gone")
	default:
		words = append(words, count(d.Chunks, "chunk")+", "+size(d.Bytes))
	}
	if d.Mended {
		return append(words, "mended")
	}
	return append(words, size(d.ToCome)+" to come")
}
