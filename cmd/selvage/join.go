package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"selvage/internal/disk"
	"selvage/internal/ident"
	"selvage/ledger/trust"
	"selvage/node/home"
)

func newJoin(env *environment) *cobra.Command {
	var name string
	c := &cobra.Command{
		Use:   "join TICKET|-",
		Short: "Enrol this machine with a ticket",
		Long: "Enrol this machine with a ticket, which - reads from standard input. No other machine has to be\n" +
			"reachable for that; the fleet gets to know the node when it first runs ('selvage up').",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return join(c.Context(), env, args[0], name) },
	}
	c.Flags().StringVar(&name, "name", "", "name of this node (default the machine's)")
	return c
}

func join(ctx context.Context, env *environment, text, name string) error {
	if text == stdio {
		in, err := io.ReadAll(io.LimitReader(standardInput(ctx), 64<<10))
		if err != nil {
			return fmt.Errorf("read ticket: %w", err)
		}
		text = string(in)
	}
	ticket, err := trust.ParseTicket(text)
	if err != nil {
		return explainTicket(err)
	}
	inv, err := ticket.Peek()
	if err != nil {
		return explainTicket(err)
	}
	if name == "" {
		name = machineName()
	}
	return enrol(env, func(disk.FS) (home.Card, ed25519.PrivateKey, error) {
		public, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return home.Card{}, nil, err
		}
		cred, err := ticket.Bind(public, name, time.Now())
		if err != nil {
			return home.Card{}, nil, explainTicket(err)
		}
		card := home.Card{Node: ident.FromPublicKey(public), Name: name, Site: inv.Site, Fleet: inv.Fleet,
			Credential: cred.Marshal(), Bootstrap: inv.Bootstrap}
		return card, key, nil
	}, func(c home.Card) error {
		if env.json() {
			return env.printJSON(map[string]any{"fleet_id": c.Fleet, "node": c.Node, "name": c.Name, "site": c.Site})
		}
		fmt.Fprintf(env.out, "this machine is node %s at site %s of fleet %s\n", c.Name, c.Site, short(c.Fleet.String()))
		env.hint("run it with 'selvage up'")
		return nil
	})
}
