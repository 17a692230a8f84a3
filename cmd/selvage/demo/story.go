package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"selvage/node/api"
)

// Options are what the demo is told.
type Options struct {
	Exe  string    // the program whose nodes take part
	Keep bool      // leave the mesh up at the end
	Out  io.Writer // the story
	Bar  Bar       // progress
}

// Bar shows progress.
type Bar interface {
	Show(text string)
	End()
}

// story is the demo while it runs.
type story struct {
	Options
	*fleet
	begin  time.Time
	took   time.Duration
	scenes []scene
}

// Run tells the story, and returns what it cost. It returns an error if any of it did not hold.
func Run(ctx context.Context, o Options) (Result, error) {
	dir, err := os.MkdirTemp("", "selvage-demo-")
	if err != nil {
		return Result{}, err
	}
	s := &story{Options: o, fleet: &fleet{exe: o.Exe, dir: dir}, begin: time.Now()}
	err = s.tell(ctx)
	s.Bar.End()
	if err == nil && o.Keep {
		s.leaveUp()
		return s.result(), nil
	}
	s.stop()
	if ctx.Err() != nil {
		return Result{}, errors.Join(ctx.Err(), os.RemoveAll(dir)) // nobody wants it who ended it
	}
	if err != nil {
		return Result{}, fmt.Errorf("%w (logs and state are in %s)", err, dir)
	}
	return s.result(), os.RemoveAll(dir)
}

func (s *story) tell(ctx context.Context) error {
	for _, act := range []func(context.Context) error{
		s.found, s.joinAll, s.firstRelease, s.cut, s.heal, s.crash,
	} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	s.took = time.Since(s.begin)
	return s.summary()
}

// say prints one line of the story, with the time since it began.
func (s *story) say(format string, args ...any) {
	s.Bar.End()
	d := time.Since(s.begin)
	fmt.Fprintf(s.Out, "[%d:%04.1f] %s\n", int(d.Minutes()), d.Seconds()-60*float64(int(d.Minutes())), fmt.Sprintf(format, args...))
}

func (s *story) add(site string, i int) *member {
	name := fmt.Sprintf("%s%d", site, i)
	m := &member{name: name, site: site, dir: filepath.Join(s.dir, name), listen: "127.0.0.1:0"}
	s.members = append(s.members, m)
	return m
}

// found creates the fleet and its first node.
func (s *story) found(ctx context.Context) error {
	a1 := s.add("a", 1)
	if _, err := s.fleet.run(ctx, a1, "init", "--fleet", "demo", "--site", "a", "--name", a1.name); err != nil {
		return err
	}
	if err := s.up(ctx, a1); err != nil {
		return err
	}
	s.say("a fleet is founded: charter, operator key, and its first node, a1 at site a")
	return nil
}

// up starts a node whose site has an uplink of 8 Mbit/s.
func (s *story) up(ctx context.Context, m *member) error {
	if err := s.start(ctx, m); err != nil {
		return err
	}
	_, err := s.fleet.run(ctx, m, "uplink", "limit", "--up", uplinkRate, "--down", uplinkRate)
	return err
}

// joinAll enrols the other eight nodes with a ticket for each site.
func (s *story) joinAll(ctx context.Context) error {
	founder := s.member("a1")
	for _, site := range []string{"a", "b", "c"} {
		ticket, err := s.fleet.run(ctx, founder, "invite", "--site", site, "--uses", fmt.Sprint(nodesPerSite))
		if err != nil {
			return err
		}
		first, err := s.fleet.run(ctx, founder, "invite", "--site", site, "--first")
		if err != nil {
			return err
		}
		for i := len(s.site(site)) + 1; i <= nodesPerSite; i++ {
			m, ticket := s.add(site, i), ticket
			if i == 1 {
				ticket = first
			}
			if _, err := s.fleet.run(ctx, m, "join", ticket, "--name", m.name); err != nil {
				return err
			}
			if err := s.up(ctx, m); err != nil {
				return err
			}
			s.Bar.Show(fmt.Sprintf("%d of 9 nodes joined", len(s.members)))
		}
	}
	err := wait(ctx, 20*time.Second, "every node knows all nine", func() (bool, error) {
		for _, m := range s.members {
			nodes, err := get[[]api.Node](ctx, m, "nodes", nil)
			if err != nil || len(nodes) < len(s.members) {
				return false, err
			}
		}
		return true, nil
	})
	if err == nil {
		s.say("eight more nodes joined with tickets: 3 sites x 3 nodes; each site's uplink is limited to 8 Mbit/s")
	}
	return err
}

func (s *story) firstRelease(ctx context.Context) error {
	from := s.member("a2")
	return s.release(ctx, scene{name: "v1 to all sites", version: "v1", from: from, targets: s.members, receivers: []string{"b", "c"}})
}

// cut takes site c off the mesh and releases v2 from site b.
func (s *story) cut(ctx context.Context) error {
	for _, m := range s.site("c") {
		if _, err := s.fleet.run(ctx, m, "uplink", "off"); err != nil {
			return err
		}
	}
	s.say("site c is cut off from the others")
	ab := append(s.site("a"), s.site("b")...)
	if err := s.release(ctx, scene{name: "v2 while c is cut off", version: "v2", from: s.member("b1"), targets: ab, receivers: []string{"a"}}); err != nil {
		return err
	}
	if err := s.serving(ctx, s.site("c"), "v1"); err != nil {
		return err
	}
	s.say("site c, cut off, still serves v1")
	return nil
}

// heal lets site c back in.
func (s *story) heal(ctx context.Context) error {
	sc := scene{name: "c catches up to v2", version: "v2", targets: s.site("c"), receivers: []string{"c"}}
	if err := s.open(ctx, &sc); err != nil {
		return err
	}
	for _, m := range s.site("c") {
		if _, err := s.fleet.run(ctx, m, "uplink", "on"); err != nil {
			return err
		}
	}
	s.say("site c is connected again")
	return s.close(ctx, sc)
}

// crash kills a node in the middle of a download.
func (s *story) crash(ctx context.Context) error {
	// A patch would be there before anybody could be killed.
	sc := scene{name: "v3, b3 killed on the way", version: "v3", from: s.member("a1"), targets: s.members, receivers: []string{"b", "c"}, patches: "0"}
	if err := s.open(ctx, &sc); err != nil {
		return err
	}
	if err := s.publish(ctx, &sc); err != nil {
		return err
	}
	victim := s.member("b3")
	before, err := s.killMidway(ctx, victim, &sc)
	if err != nil {
		return err
	}
	if err := s.start(ctx, victim); err != nil {
		return err
	}
	if err := s.close(ctx, sc); err != nil {
		return err
	}
	return s.resumed(ctx, victim, before, sc.digest)
}

// fetched is how much of a blob came from other nodes.
func fetched(b api.Blob) int64 { return b.FromSiteBytes + b.FromUplinkBytes }

// killMidway kills a node that has got a part of a blob from others, and returns what it had.
func (s *story) killMidway(ctx context.Context, m *member, sc *scene) (api.Blob, error) {
	var b api.Blob
	err := wait(ctx, 30*time.Second, m.name+" has a part of v3", func() (bool, error) {
		var err error
		if b, err = findBlob(ctx, m, sc.digest); err != nil {
			return false, err
		}
		if b.Complete {
			return false, fmt.Errorf("%s was done before it could be killed", m.name)
		}
		return b.Size > 0 && fetched(b) > (b.Size-b.FromLocalBytes)/3, nil
	})
	if err != nil {
		return b, err
	}
	down, err := m.down(ctx)
	if err != nil {
		return b, err
	}
	sc.lost[m.site] = down
	if err := m.crash(); err != nil {
		return b, err
	}
	s.say("%s is killed (SIGKILL) when it has %s of the %s that are new in v3", m.name, mib(fetched(b)), mib(b.Size-b.FromLocalBytes))
	return b, nil
}

// resumed checks that a node which was killed did not get again what it had: what it got before and
// after is hardly more than what it lacked at first. Half a second of the transfer was not synced.
func (s *story) resumed(ctx context.Context, m *member, before api.Blob, digest string) error {
	after, err := findBlob(ctx, m, digest)
	if err != nil {
		return err
	}
	lacked := before.Size - before.FromLocalBytes
	twice := fetched(before) + fetched(after) - lacked
	s.say("%s came up again and went on: it got %s more, and %s twice", m.name, mib(fetched(after)), mib(max(0, twice)))
	if fetched(after) >= lacked {
		return fmt.Errorf("%s had %s when it was killed, and began again from nothing", m.name, mib(fetched(before)))
	}
	return nil
}

// findBlob returns the zero blob if the node does not know it yet.
func findBlob(ctx context.Context, m *member, digest string) (api.Blob, error) {
	blobs, err := get[[]api.Blob](ctx, m, "blobs", nil)
	if err != nil {
		return api.Blob{}, err
	}
	for _, b := range blobs {
		if b.Digest == digest {
			return b, nil
		}
	}
	return api.Blob{}, nil
}

// leaveUp says how to talk to the mesh that stays.
func (s *story) leaveUp() {
	var pids []string
	for _, m := range s.members {
		pids = append(pids, fmt.Sprint(m.cmd.Process.Pid))
	}
	fmt.Fprintf(s.Out, `
The mesh stays up. Talk to it with
  export SELVAGE_DIR=%s SELVAGE_KEY=%s
  %s status
  %s get nodes
End it with
  kill %s && rm -r %s
`, s.member("a1").dir, s.operatorKey(), s.Exe, s.Exe, strings.Join(pids, " "), s.dir)
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
