package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"selvage/simulator"
)

// player plays stories in processes of their own: one that hangs or crashes is one that failed.
type player struct {
	exe    string
	engine string
	env    []string // besides this process's own
	limit  time.Duration
}

// playLimit bounds the wall time of one story.
const playLimit = 10 * time.Minute

// verdict is how a story failed, by what ended it; it is empty for one that held.
type verdict []wrong

// wrong is a check that failed, or what became of a story that has no result.
type wrong struct {
	by  string // which: "eventually all_run: app@v1"
	why string // the same with what is said of it
}

func (v verdict) failed() bool { return len(v) > 0 }

// why is what is said of the first that failed; "" if nothing did.
func (v verdict) why() string {
	if !v.failed() {
		return ""
	}
	return v[0].why
}

// of is what is said of what failed if that is among it, and "" if it is not.
func (v verdict) of(by string) string {
	for _, w := range v {
		if w.by == by {
			return w.why
		}
	}
	return ""
}

// play plays a scenario once. An error means that ctx is over, the story was interrupted, or no process could be started: it has not failed.
func (p *player) play(ctx context.Context, file string, seed uint64) (verdict, error) {
	limited, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	cmd := exec.CommandContext(limited, p.exe, "sim", "run", file, "--engine", p.engine, "--seed", fmt.Sprint(seed), "-o", "json")
	cmd.Env = append(os.Environ(), p.env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case cmd.Process == nil:
		return nil, fmt.Errorf("start a process for the story: %w", err)
	case err == nil:
		return nil, nil
	case cmd.ProcessState.ExitCode() == exitInterrupted: // an interrupt at the terminal is for both, and may come there first
		return nil, context.Canceled
	case errors.Is(limited.Err(), context.DeadlineExceeded):
		return ended(fmt.Sprintf("was not over after %s", p.limit)), nil
	}
	var r simulator.Result
	if json.Unmarshal(out.Bytes(), &r) == nil {
		if v := judge(r); v.failed() {
			return v, nil
		}
	}
	return ended(fmt.Sprintf("%v: %s", err, firstLine(errs.String()))), nil
}

// ended is the verdict of a story that has no result.
func ended(why string) verdict { return verdict{{why, why}} }

// judge says by what a story failed. Of the checks that did, it takes those that ended the story: the others may only not have
// come true until then.
func judge(r simulator.Result) (v verdict) {
	failed := slices.DeleteFunc(slices.Clone(r.Checks), func(c simulator.Check) bool { return c.OK })
	if len(failed) == 0 {
		return nil
	}
	byWeight := func(a, b simulator.Check) int { return weight(a, r) - weight(b, r) }
	first := slices.MinFunc(failed, byWeight)
	for _, c := range failed {
		if byWeight(first, c) == 0 {
			v = append(v, wrongOf(c))
		}
	}
	return v
}

func wrongOf(c simulator.Check) wrong {
	w := wrong{by: c.Kind + " " + c.Name}
	w.why = w.by + ": " + c.Detail
	if c.Kind == "story" {
		w.by = linePattern.ReplaceAllString(w.why, "") // which says in what way it could not go on
	}
	return w
}

// linePattern is where a piece of work is in its file: a smaller scenario has it on another line.
var linePattern = regexp.MustCompile(`\bline [0-9]+: `)

// weight is less for a check of which it is more likely that it ended the story.
func weight(c simulator.Check, r simulator.Result) int {
	switch late := r.VirtualSeconds >= c.UntilSeconds; {
	case c.Kind == "story":
		return 0
	case c.Kind == "always":
		return 1
	case c.Kind == "eventually" && late:
		return 2
	case c.Kind == "sometimes":
		return 3
	case c.Kind == "budget":
		return 4
	}
	return 5
}

// option names the engine to a command that plays a story again; "" if it is the one that plays without a word.
func (p *player) option() string {
	if p.engine == nativeEngine {
		return ""
	}
	return " --engine " + p.engine
}

// firstLine is the line of a story's complaints that says most: a panic's or an error's, else the last.
func firstLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	for _, l := range lines {
		if strings.HasPrefix(l, "panic:") || strings.HasPrefix(l, "fatal error:") || strings.HasPrefix(l, "selvage: error:") {
			return l
		}
	}
	return lines[len(lines)-1]
}
