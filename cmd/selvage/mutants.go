package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"selvage/internal/mutant"
	"selvage/simulator/scenarios"
)

// mutantsProgram is this program with the tag mutants, beside it.
const mutantsProgram = "selvage-mutants"

// hunt is a shipped scenario, and which of its checks has to fail. That anything fails is not enough: a story may do so by
// itself, now and then.
type hunt struct{ scenario, check string }

// hunts says how each mutant has to be found.
func hunts() map[mutant.Name]hunt {
	return map[mutant.Name]hunt{
		mutant.SkipChunkVerification: {"poisoned-peer", "eventually all_run: till@v1"},
		mutant.ForgetFsync:           {"slow-disk-powercut", "always nobody_dropped"},
		mutant.ForgetBlobFsync:       {"slow-disk-powercut", "always no_corrupt_blob"},
		mutant.AcceptLowerCharter:    {"charter-amended", "always charters_never_go_back"},
		mutant.DropTakeover:          {"lost-uplink", "eventually all_run: till@v1"},
		mutant.DeafHeir:              {"crew-dies", "eventually all_run: till@v1"},
		mutant.RelayUnverified:       {"forger", "always only_dropped: depot/n0"},
		mutant.ForgetRevocation:      {"revoked", "always revoked_shut_out"},
		mutant.LeaseTimerAtQuorum:    {"leader-hears-late", "always one_leader"},
		mutant.LeaseOverwriteLive:    {"leader-one-way", "always one_leader"},
		mutant.LeaseCountMessages:    {"leader-cut-off", "always one_leader"},
		mutant.LeaseReleaseByOwner:   {"leader-old-farewell", "always one_leader"},
		mutant.LeaseNoIncarnation:    {"leader-reverted", "always one_leader"},
		mutant.LeaseShortQuarantine:  {"leader-cut-off", "always one_leader"},
		mutant.LeaseChangeUnagreed:   {"leader-half-joined", "always one_leader"},
		mutant.LeaseForgetPending:    {"leader-half-agreed", "always one_leader"},
		mutant.LeaseStaleEpoch:       {"leader-old-voters", "always one_leader"},
		mutant.LeaseStaleRound:       {"leader-old-answers", "always one_leader"},
		mutant.LeaseForgetPromise:    {"leader-forgets", "always one_leader"},
		mutant.HandOutRot:            {"rotten-disk", "always nobody_dropped"},
		mutant.SingletonOutlivesTerm: {"singleton-moves", "always one_singleton"},
		mutant.TurnsWithoutBound:     {"in-turn", "always changes_in_turn"},
		mutant.WriteUnheard:          {"restored-and-busy", "always nobody_quarantined"},
		mutant.LockOutlivesLease:     {"lock-moves", "always one_holder"},
		mutant.ForgetRenewal:         {"cut-off-for-long", "always nobody_dropped"},
		mutant.ActivateEarly:         {"for-later", "always in_its_time"},
		mutant.LaterPushesIn:         {"for-later", "eventually all_run: fix@v1"},
		mutant.UrgentWaits:           {"urgent", "eventually all_run: fix@v1"},
	}
}

// elsewhere says of a mutant that no story can find what finds it, and why no story does.
func elsewhere() map[mutant.Name]string {
	return map[mutant.Name]string{
		mutant.LeaseTwoVotersAtOnce: "found by the model checker of ledger/lease: nodes never propose two at once, so the rule that refuses it is a second lock",
	}
}

// prey are the mutants that scenarios have to find.
func prey() []mutant.Mutant {
	return slices.DeleteFunc(append(mutant.All(), mutant.Lease()...), func(m mutant.Mutant) bool { return elsewhere()[m.Name] != "" })
}

type mutantsOptions struct{ seeds, jobs int }

func newSimMutants(env *environment) *cobra.Command {
	var o mutantsOptions
	c := &cobra.Command{
		Use:   "mutants [NAME...]",
		Short: "Show that the simulator bites: known bugs, each found by a shipped scenario",
		Long: "Put one known bug after the other into the nodes, and play the shipped scenario that has to find it, seed by seed,\n" +
			"until the check fails that is meant to; without the bug the story has to hold under the same seeds. Exit code 1 if a\n" +
			"bug was not found.\n" +
			"The bugs are in a program of their own, " + mutantsProgram + ", beside this one.",
		RunE: func(c *cobra.Command, args []string) error { return simMutants(c.Context(), env, o, args) },
	}
	c.Flags().IntVar(&o.seeds, "seeds", 20, "how many seeds a bug may survive")
	c.Flags().IntVar(&o.jobs, "jobs", runtime.NumCPU(), "how many bugs are hunted at a time")
	return c
}

// hunted is how a mutant fared. Its JSON is stable: fields are only added.
type hunted struct {
	Mutant   mutant.Name `json:"mutant"`
	Breaks   string      `json:"breaks"`
	Scenario string      `json:"scenario"`
	OK       bool        `json:"ok"`     // it was caught, and the story holds without it
	Check    string      `json:"check"`  // the one that has to fail
	Caught   bool        `json:"caught"` // that check failed
	Seed     uint64      `json:"seed"`   // the first that caught it; the last that was tried if none did
	Why      string      `json:"why"`    // what failed: of a mutant that was not caught, something else, or nothing
	Without  string      `json:"without,omitempty"`
	Seconds  float64     `json:"wall_seconds"`
}

func simMutants(ctx context.Context, env *environment, o mutantsOptions, names []string) error {
	if err := checkSeeds(o.seeds); err != nil {
		return err
	}
	chosen, err := chosenMutants(names)
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	exe = filepath.Join(filepath.Dir(exe), mutantsProgram)
	if _, err := os.Stat(exe); err != nil {
		return hinted(fmt.Errorf("%s is not beside this program: %w", mutantsProgram, err), "'make build' makes both")
	}
	dir, err := os.MkdirTemp("", "selvage-mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	h := &hunter{exe: exe, dir: dir, seeds: o.seeds, bar: newProgress(env.err), of: len(chosen)}
	all := make([]hunted, len(chosen))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, o.jobs))
	for i, m := range chosen {
		g.Go(func() (err error) {
			all[i], err = h.hunt(gctx, m)
			return err
		})
	}
	err = g.Wait()
	h.bar.End()
	if err != nil {
		return err
	}
	return printHunted(env, all)
}

// chosenMutants are those with the names given; all if none is.
func chosenMutants(names []string) ([]mutant.Mutant, error) {
	all := prey()
	for _, n := range names {
		if !slices.ContainsFunc(all, func(m mutant.Mutant) bool { return string(m.Name) == n }) {
			return nil, &failure{fmt.Errorf("no mutant is called %s", n), "'selvage sim mutants' without a name shows all", exitNotFound}
		}
	}
	return slices.DeleteFunc(all, func(m mutant.Mutant) bool { return len(names) > 0 && !slices.Contains(names, string(m.Name)) }), nil
}

// hunter plays scenarios with mutants.
type hunter struct {
	exe, dir string
	seeds    int

	mu   sync.Mutex
	bar  *progress
	done int
	of   int
}

// huntLimit bounds the wall time of one story: a mutant may have it hang.
const huntLimit = 3 * time.Minute

func (h *hunter) hunt(ctx context.Context, m mutant.Mutant) (hunted, error) {
	begin := time.Now()
	want := hunts()[m.Name]
	r := hunted{Mutant: m.Name, Breaks: m.Breaks, Scenario: want.scenario, Check: want.check}
	file := filepath.Join(h.dir, string(m.Name)+scenarioSuffix)
	data, err := scenarios.Read(r.Scenario + scenarioSuffix)
	if err != nil {
		return r, err
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return r, err
	}
	for !r.Caught && r.Seed < uint64(h.seeds) {
		r.Seed++
		h.show("%s, seed %d of %s", m.Name, r.Seed, r.Scenario)
		v, err := h.player(m.Name).play(ctx, file, r.Seed)
		if err != nil {
			return r, err
		}
		why := v.of(want.check)
		r.Why, r.Caught = cmp.Or(why, v.why(), r.Why), why != ""
	}
	for seed := uint64(1); r.Caught && r.Without == "" && seed <= r.Seed; seed++ {
		h.show("seed %d of %s without %s", seed, r.Scenario, m.Name)
		v, err := h.player("").play(ctx, file, seed)
		if err != nil {
			return r, err
		}
		r.Without = v.why()
	}
	r.OK = r.Caught && r.Without == ""
	r.Seconds = time.Since(begin).Seconds()
	h.mu.Lock()
	h.done++
	h.mu.Unlock()
	h.show("%s: %s", m.Name, r.text())
	return r, nil
}

func (h *hunter) player(m mutant.Name) *player {
	return &player{exe: h.exe, engine: nativeEngine, env: []string{"SELVAGE_MUTANT=" + string(m)}, limit: huntLimit}
}

func (h *hunter) show(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bar.Show(fmt.Sprintf("%d of %d mutants done; ", h.done, h.of) + fmt.Sprintf(format, args...))
}

// text says in words how the hunt ended.
func (r hunted) text() string {
	switch {
	case !r.Caught && r.Why != "":
		return fmt.Sprintf("survived %s; of its stories one failed otherwise: %s", count(r.Seed, "seed"), r.Why)
	case !r.Caught:
		return "survived " + count(r.Seed, "seed")
	case r.Without != "":
		return "without it the story fails too: " + r.Without
	}
	return r.Why
}

// maxWhy is how much of what a check says stands in the table; -o json has all of it.
const maxWhy = 100 // characters

// begin cuts a text to its first n characters.
func begin(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-3]) + "..."
	}
	return s
}

func printHunted(env *environment, all []hunted) error {
	failed := 0
	var rows [][]string
	for _, r := range all {
		word := "caught"
		if !r.OK {
			word = "FAILED"
			failed++
		}
		rows = append(rows, []string{word, string(r.Mutant), r.Scenario, fmt.Sprint(r.Seed), fmt.Sprintf("%.1f s", r.Seconds), begin(r.text(), maxWhy)})
	}
	var err error
	if env.json() {
		err = env.printJSON(all)
	} else {
		for _, m := range slices.Sorted(maps.Keys(elsewhere())) {
			fmt.Fprintf(env.err, "not hunted here: %s, %s\n", m, elsewhere()[m])
		}
		err = env.table([]string{"RESULT", "MUTANT", "SCENARIO", "SEED", "TOOK", "CHECK"}, rows)
	}
	if err == nil && failed > 0 {
		err = hinted(fmt.Errorf("%d of %d mutants were not caught", failed, len(all)),
			"'SELVAGE_MUTANT=NAME "+mutantsProgram+" sim run SCENARIO --seed N --trace' plays one of the stories")
	}
	return err
}
