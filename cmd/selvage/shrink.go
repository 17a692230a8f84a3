package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"selvage/simulator/scenario"
)

// maxShrink is how many stories are played to make a failing one smaller.
const maxShrink = 60

// shrink looks for the smallest scenario that fails as the whole did, and writes it down. One in which something else fails tells
// of another fault, or of none: without a deployment nothing runs either.
func (p *player) shrink(ctx context.Context, env *environment, s scenario.Scenario, r swept) (string, error) {
	s.Seed = r.Failed[0].Seed
	trial, err := os.CreateTemp("", "selvage-shrink-*.yaml")
	if err != nil {
		return "", err
	}
	_ = trial.Close() // it is written by name
	defer os.Remove(trial.Name())
	bar := newProgress(env.err)
	tries, again := 0, false
	fails := func(candidate scenario.Scenario) bool {
		if tries++; ctx.Err() != nil {
			return false
		}
		bar.Show(fmt.Sprintf("%s: shrinking seed %d, try %d: %s", r.Scenario, s.Seed, tries, count(len(candidate.Faults), "fault")))
		if os.WriteFile(trial.Name(), candidate.Marshal(), 0o600) != nil {
			return false
		}
		v, err := p.play(ctx, trial.Name(), candidate.Seed)
		failed := err == nil && v.of(r.Failed[0].by) != ""
		again = again || failed
		return failed
	}
	small := scenario.Minimize(s.Expand(), fails, maxShrink)
	if !again {
		fails(small) // the whole of it, which was not asked about
	}
	bar.End()
	if err := ctx.Err(); err != nil {
		return "", err // what there is may not be the smallest
	}
	return p.writeSmall(small, r, again)
}

// writeSmall writes the smallest scenario that fails to a file that was not there before, and returns its name: two that are
// swept may have one name.
func (p *player) writeSmall(small scenario.Scenario, r swept, again bool) (string, error) {
	base := fmt.Sprintf("%s-seed%d", strings.TrimSuffix(r.Scenario, filepath.Ext(r.Scenario)), small.Seed)
	for n := 1; ; n++ {
		name := base + ".yaml"
		if n > 1 {
			name = fmt.Sprintf("%s-%d.yaml", base, n)
		}
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		_, err = f.Write(append(p.headOf(name, r, again), small.Marshal()...))
		return name, errors.Join(err, f.Close())
	}
}

// headOf is the comment that the smallest scenario begins with; again is whether it has failed since it was made. Stories of one seed are
// alike, and not all equal.
func (p *player) headOf(name string, r swept, again bool) []byte {
	f, how := r.Failed[0], "it fails in the same way"
	if !again {
		how = "it did not fail when it was played again"
	}
	head := fmt.Appendf(nil, "# Left of %s by 'selvage sim sweep': %s. Of the whole, seed %d failed with\n#   %s\n",
		r.Scenario, how, f.Seed, strings.Join(strings.Fields(f.Why), " "))
	if p.option() != "" {
		return fmt.Appendf(head, "# Play it again: 'selvage sim run %s%s --trace'\n", name, p.option())
	}
	return fmt.Appendf(head, "# Play it again:                                'selvage sim run %s --trace'\n"+
		"# Play it again, the same each time, if slower: 'selvage sim replay %s --trace'\n", name, name)
}
