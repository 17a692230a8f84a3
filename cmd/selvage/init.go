package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"selvage/internal/disk"
	"selvage/internal/disk/osdisk"
	"selvage/internal/ident"
	"selvage/ledger/trust"
	"selvage/node/home"
)

type initOptions struct{ fleet, site, name string }

func newInit(env *environment) *cobra.Command {
	var o initOptions
	c := &cobra.Command{
		Use:   "init --fleet NAME",
		Short: "Create a fleet: its charter, an operator key, the first node of its first site",
		Long: "Create a fleet on this machine: its charter, an operator key that holds every role in it, and\n" +
			"the first node of its first site. The key is written to operator.key in the state directory,\n" +
			"unless one is there already: keep it safe, and away from the machine once you no longer need it there.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return initFleet(env, o) },
	}
	c.Flags().StringVar(&o.fleet, "fleet", "", "name of the fleet")
	c.Flags().StringVar(&o.site, "site", "main", "name of the first site")
	c.Flags().StringVar(&o.name, "name", "", "name of this node (default the machine's)")
	_ = c.MarkFlagRequired("fleet") // fails only for a flag that is not there
	return c
}

func initFleet(env *environment, o initOptions) error {
	if o.name == "" {
		o.name = machineName()
	}
	return enrol(env, func(f disk.FS) (home.Card, ed25519.PrivateKey, error) {
		operator, found, err := operatorKey(f, env.dir)
		if err != nil {
			return home.Card{}, nil, err
		}
		public, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return home.Card{}, nil, err
		}
		chain, cred, err := trust.Found(o.fleet, o.site, o.name, operator, public, time.Now(), rand.Reader)
		if err != nil {
			return home.Card{}, nil, usage("%v", err)
		}
		if !found {
			if err := disk.WriteFile(f, operatorKeyName, trust.MarshalKey(operator), 0o600); err != nil {
				return home.Card{}, nil, err
			}
		}
		card := home.Card{Node: ident.FromPublicKey(public), Name: o.name, Site: o.site, Fleet: chain.Fleet(),
			Credential: cred.Marshal(), Charters: chain.Envelopes()}
		return card, key, nil
	}, func(c home.Card) error {
		if env.json() {
			return env.printJSON(map[string]any{"fleet": o.fleet, "fleet_id": c.Fleet, "node": c.Node, "name": c.Name, "site": c.Site,
				"operator_key": filepath.Join(env.dir, operatorKeyName)})
		}
		fmt.Fprintf(env.out, "fleet %s (%s) is founded; this machine is its node %s at site %s\n", o.fleet, short(c.Fleet.String()), c.Name, c.Site)
		fmt.Fprintf(env.out, "operator key: %s\n", filepath.Join(env.dir, operatorKeyName))
		env.hint("run the node with 'selvage up', then let others in with 'selvage invite'")
		return nil
	})
}

// enrol makes this machine a node: prepare makes its card and key, and told says so when they are kept.
func enrol(env *environment, prepare func(disk.FS) (home.Card, ed25519.PrivateKey, error), told func(home.Card) error) error {
	f, err := osdisk.Open(env.dir)
	if err != nil {
		return fmt.Errorf("open state directory: %w", err)
	}
	defer f.Close()
	if _, err := home.Open(f); !errors.Is(err, home.ErrNone) {
		return taken(env, err)
	}
	card, key, err := prepare(f)
	if err != nil {
		return err
	}
	if err := home.Create(f, card, key); err != nil {
		return taken(env, err)
	}
	return told(card)
}

// taken explains that a machine is a node already, or why that cannot be told.
func taken(env *environment, err error) error {
	if err == nil || errors.Is(err, home.ErrTaken) {
		return hinted(fmt.Errorf("%s %w", env.dir, home.ErrTaken), "a machine is one node of one fleet; name another directory with --dir, or remove this one to begin anew")
	}
	return fmt.Errorf("%s: %w", env.dir, err)
}

// operatorKey reads the operator key in the state directory, or draws one if none is found, which it does not keep. One that is there was
// made before a crash, or put there by the operator.
func operatorKey(f disk.FS, dir string) (key ed25519.PrivateKey, found bool, err error) {
	if _, err := f.Stat(operatorKeyName); err == nil {
		key, err = readKey(filepath.Join(dir, operatorKeyName))
		return key, true, err
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, false, err
	}
	_, key, err = ed25519.GenerateKey(rand.Reader)
	return key, false, err
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// machineName makes a node's name of the host's.
func machineName() string {
	host, err := os.Hostname()
	if err != nil {
		return "node"
	}
	host, _, _ = strings.Cut(strings.ToLower(host), ".")
	name := strings.Trim(notInNames.ReplaceAllString(host, "-"), "-")
	if name == "" {
		return "node"
	}
	return strings.TrimRight(name[:min(len(name), 63)], "-")
}
