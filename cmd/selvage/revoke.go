package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"selvage/ledger"
	"selvage/ledger/trust"
	"selvage/node/api"
)

type revokeOptions struct {
	reason, site string
	yes          bool
	key          keyFlag
}

func newRevoke(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "revoke node|key|invite ID",
		Short: "Put a node, an operator's key or an invite out of the fleet, for good",
		Long: "Put a node, an operator's key or an invite out of the fleet. This cannot be undone: a machine comes back with a new\n" +
			"ticket and a new key. The revocation goes before everything else that nodes have to tell each other.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return usage("revoke what? one of node, key, invite") },
	}
	for _, s := range []struct {
		subject          ledger.Subject
		use, short, long string
	}{
		{ledger.SubjectNode, "node NAME|SITE/NAME|ID", "Put a machine out", "Put a machine out: every node that hears of it closes its connections, and none lets it in again. What it runs goes on\n" +
			"running. Signed by a key that may admit machines to its site."},
		{ledger.SubjectKey, "key ID", "Take an operator's key out of force", "Take an operator's key out of force. What this node knows to be signed by it stays in force; nothing else that it signed\n" +
			"does, whatever its date. A root key can sign charters until the next charter leaves it out. Signed by root."},
		{ledger.SubjectInvite, "invite SERIAL|TICKET", "Let nobody else join with a ticket", "Let nobody else join with a ticket. Nodes that this node knows to have joined with it stay. Signed by a key that may admit\n" +
			"machines to its site."},
	} {
		c.AddCommand(newRevokeSubject(env, s.subject, s.use, s.short, s.long))
	}
	return c
}

func newRevokeSubject(env *environment, subject ledger.Subject, use, short, long string) *cobra.Command {
	var o revokeOptions
	c := &cobra.Command{
		Use: use, Short: short, Long: long, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return revoke(c.Context(), env, o, subject, args[0]) },
	}
	c.Flags().StringVar(&o.reason, "reason", "", "why, for people: one line")
	c.Flags().BoolVar(&o.yes, "yes", false, "do not ask")
	if subject != ledger.SubjectKey {
		c.Flags().StringVar(&o.site, "site", "", "the site over which the keys may admit (default: where this node knows it to be)")
	}
	o.key.add(c)
	return c
}

func revoke(ctx context.Context, env *environment, o revokeOptions, subject ledger.Subject, id string) error {
	keys, err := o.key.load(env)
	if err != nil {
		return err
	}
	if subject == ledger.SubjectInvite {
		if id, o.site, err = serialOf(id, o.site); err != nil {
			return err
		}
	}
	d, err := ask[api.Draft](ctx, env, "draft", url.Values{"subject": {string(subject)}, "id": {id}, "site": {o.site}})
	if err != nil {
		return err
	}
	r, err := ledger.DecodeRevocation(d.Revocation)
	if err != nil {
		return err
	}
	if r.Subject != subject {
		return fmt.Errorf("the node has drafted the revocation of a %s", r.Subject)
	}
	r.Reason = o.reason
	what := describe(r, d.Name)
	if err := confirm(ctx, env, o.yes, what, d.Left); err != nil {
		return err
	}
	envelope, err := ledger.SignRevocation(r, keys...)
	if err != nil {
		return usage("%v", err)
	}
	p, err := publish(ctx, env, api.KindRevocation, envelope)
	if err != nil {
		return err
	}
	if env.json() {
		return env.printJSON(map[string]any{"subject": r.Subject, "id": r.ID, "name": d.Name, "site": r.Site, "reason": r.Reason,
			"declared": r.Declared, "keeps": len(r.Keeps), "statement": p.Statement})
	}
	fmt.Fprintf(env.out, "revoked %s\n", what)
	env.hint("'selvage get revocations' lists what is revoked")
	return nil
}

// serialOf takes an invite's serial, and where it is for, from its ticket, if that is what was given.
func serialOf(id, site string) (string, string, error) {
	if !strings.Contains(id, ":") {
		return id, site, nil
	}
	ticket, err := trust.ParseTicket(id)
	if err != nil {
		return "", "", explainTicket(err)
	}
	inv, err := ticket.Peek()
	if err != nil {
		return "", "", err
	}
	return inv.Serial, inv.Site, nil
}

// describe names what is revoked, for people.
func describe(r ledger.Revocation, name string) string {
	n := len(r.Keeps)
	switch r.Subject {
	case ledger.SubjectNode:
		return fmt.Sprintf("node %s (%s)", name, r.ID)
	case ledger.SubjectKey:
		return fmt.Sprintf("key %s; %d %s in force", r.ID, n, agree(n, "statement or invite of it stays", "statements and invites of it stay"))
	}
	return fmt.Sprintf("invite %s; %d that joined with it %s", r.ID, n, agree(n, "stays", "stay"))
}

// confirm asks a person; a script has to say --yes.
func confirm(ctx context.Context, env *environment, yes bool, what string, left int) error {
	if left > 0 {
		env.hint("%d older %s out of force, and %s to be signed anew", left,
			agree(left, "statement of the key does not fit in: it goes", "statements of the key do not fit in: they go"), agree(left, "has", "have"))
	}
	if yes {
		return nil
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return &failure{fmt.Errorf("revoking %s cannot be undone", what), "say --yes if it is meant", exitUsage}
	}
	fmt.Fprintf(env.err, "Revoke %s? It cannot be undone. [y/N] ", what)
	line, err := bufio.NewReader(standardInput(ctx)).ReadString('\n')
	if ctx.Err() != nil {
		fmt.Fprintln(env.err) // nobody has ended the line
		return ctx.Err()
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); err == nil && (answer == "y" || answer == "yes") {
		return nil
	}
	return errors.New("nothing was revoked")
}
