package netns

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"selvage/ledger/manifest"
	"selvage/node/runtime"
	"selvage/simulator"
	"selvage/simulator/scenario"
)

// run runs one command of the binary as a person would, and returns what it printed.
func (st *stage) run(dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(st.ctx, st.cfg.Exe, append([]string{"--dir", dir}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if ctxErr := st.ctx.Err(); ctxErr != nil {
		return nil, ctxErr
	}
	if err != nil {
		return nil, fmt.Errorf("selvage %s: %w: %s", args[0], err, strings.Join(strings.Split(strings.TrimSpace(errs.String()), "\n"), "; "))
	}
	return out.Bytes(), nil
}

// at returns the machine that a person works at.
func (st *stage) at(name string) (*machine, error) {
	if placed := st.placed(name); len(placed) == 1 {
		return placed[0], nil
	}
	return nil, fmt.Errorf("there is no node %s", name)
}

// Seed implements simulator.Stage.
func (st *stage) Seed(s scenario.Seed, content []byte) error {
	m, err := st.at(s.From)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(st.dir, "seed-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, simulator.BlobFile)
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return err
	}
	_, err = st.run(m.dir, "seed", file, "--name", s.Name, "--version", s.Version, "--type", runtime.TypeBundle, "--key", st.key)
	return err
}

// arrival bounds how long a person waits at one node for a release that was seeded at another.
const arrival = 30 * time.Second

// Deploy implements simulator.Stage. It waits until the release has come to the node where it is declared.
func (st *stage) Deploy(d scenario.Deploy) error {
	m, err := st.at(d.From)
	if err != nil {
		return err
	}
	file := filepath.Join(st.dir, "deployment.json")
	if err := writeManifest(file, d); err != nil {
		return err
	}
	for end := time.Now().Add(arrival); ; time.Sleep(restBetween) {
		_, err = st.run(m.dir, "apply", "-f", file, "--key", st.key)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != exitNotFound || time.Now().After(end) {
			return err
		}
	}
}

// exitNotFound is the exit code of a command that finds nothing of a name.
const exitNotFound = 4

func writeManifest(file string, d scenario.Deploy) error {
	text, err := json.Marshal(manifest.Deployment{APIVersion: "selvage/v1", Kind: "Deployment", Metadata: manifest.Metadata{Name: d.Name},
		Spec: simulator.Spec(d)})
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

// Join implements simulator.Stage.
func (st *stage) Join(j scenario.Join) error {
	ticket, err := st.ticket(j.Site)
	if err != nil {
		return err
	}
	m, err := st.addMachine(j.Site, j.Name)
	if err != nil {
		return err
	}
	return m.join(st.ctx, ticket)
}

// Uplink implements simulator.Stage.
func (st *stage) Uplink(u scenario.UplinkWork) error {
	change := simulator.UplinkChange(u)
	for _, m := range st.placed(u.On) {
		if m.Agent() == nil {
			continue // a node that is down is told nothing
		}
		ctx, cancel := context.WithTimeout(st.ctx, askLimit)
		_, err := m.client.SetUplink(ctx, change)
		cancel()
		if err != nil {
			st.trace.Note(m.String(), "uplink refused", "%v", err)
		}
	}
	return nil
}

// Revoke implements simulator.Stage.
func (st *stage) Revoke(r scenario.Revoke) error {
	m, err := st.at(r.From)
	if err != nil {
		return err
	}
	whom, err := st.at(r.Node)
	if err != nil {
		return err
	}
	_, err = st.run(m.dir, "revoke", "node", whom.ID().String(), "--reason", r.Reason, "--yes", "--key", st.key)
	return err
}

// Witness implements simulator.Stage.
func (st *stage) Witness(v scenario.Witness) error {
	m, err := st.at(v.From)
	if err != nil {
		return err
	}
	whom, err := st.at(v.Node)
	if err != nil {
		return err
	}
	verb := map[bool]string{false: "add", true: "remove"}[v.Remove]
	_, err = st.run(m.dir, "site", "witness", verb, whom.ID().String(), "--site", v.Site, "--key", st.key)
	return err
}

// Lock implements simulator.Stage: it cannot be done, and check has said so.
func (st *stage) Lock(scenario.Lock) error { return noLock }

// Mirror implements simulator.Stage: it cannot be done, and check has said so.
func (st *stage) Mirror(scenario.Mirror) error { return noMirror }

// Yield implements simulator.Stage.
func (st *stage) Yield(name string) error {
	m, err := st.at(name)
	if err != nil {
		return err
	}
	if _, err := st.run(m.dir, "lease", "yield"); err != nil {
		st.trace.Note(name, "yield refused", "%v", err)
	}
	return st.ctx.Err()
}

// Issuer implements simulator.Stage.
func (st *stage) Issuer(i scenario.Issuer) error {
	m, err := st.at(i.From)
	if err != nil {
		return err
	}
	whom, err := st.at(i.Node)
	if err != nil {
		return err
	}
	_, err = st.run(m.dir, "site", "issuer", "add", whom.ID().String(), "--site", whom.Site(), "--lifetime", i.Life.String(), "--key", st.key)
	return err
}

// Charter implements simulator.Stage: it cannot be done, and check has said so.
func (st *stage) Charter(scenario.Charter) (uint64, error) { return 0, noCharter }
