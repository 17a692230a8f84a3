package simulator

import (
	"time"

	"selvage/internal/disk"
	"selvage/internal/ident"
	"selvage/ledger/manifest"
	"selvage/node/api"
	"selvage/simulator/scenario"
)

// Stage is where a story is played: machines, the network between them, and what can befall them.
// One goroutine calls it, that of Tell. Places are named as in the scenario: SITE or SITE/NODE. What it does
// itself it tells the trace; Tell notes the acts of the scenario.
type Stage interface {
	// Found creates the fleet at the first machine, enrols the others and starts all.
	Found() error
	// Machines are those there are now, in the order in which they came: the scenario's, then who joined.
	Machines() []Machine
	// Traffic is what has crossed a site's uplink so far: bytes on the wire.
	Traffic(site string) (down, up int64)

	// Begin lets a fault come about, and returns what ends it.
	Begin(scenario.Fault) (end func() error, err error)
	// BackUp copies what the machines of a place keep, for a Restore that comes later.
	BackUp(scenario.Fault) error

	// Seed makes a signed release of content at a node, as a bundle with one file that is called BlobFile.
	Seed(s scenario.Seed, content []byte) error
	// Deploy declares that a release run.
	Deploy(scenario.Deploy) error
	// Join adds a machine to a site, and starts it.
	Join(scenario.Join) error
	// Uplink holds, lets go or limits the uplink of those at a place that are up.
	Uplink(scenario.UplinkWork) error

	// Charter signs the fleet's next charter, in which one more key may sign releases, and publishes it at a node. It
	// returns the version.
	Charter(scenario.Charter) (version uint64, err error)

	// Revoke has a machine's node revoked, at another.
	Revoke(scenario.Revoke) error
	// Witness has a machine's node vote on who leads another site, or not any more.
	Witness(scenario.Witness) error
	// Issuer lets a machine's node renew the credentials of its site's members.
	Issuer(scenario.Issuer) error

	// Mirror puts a copy of a machine's store behind a web server, which those at a place have known from their start.
	Mirror(scenario.Mirror) error

	// Lock has programs at a place take a lock over and over, until the story ends.
	Lock(scenario.Lock) error

	// Yield has a node, which leads its site or did a moment ago, give that up.
	Yield(node string) error

	// Settle returns when nothing is half done, so that what Machines show is of one moment.
	Settle()
	// Changed has a value when what the machines show may have changed.
	Changed() <-chan struct{}
	// Close takes everybody down, and returns when nothing of the stage goes on.
	Close() error
}

// Machine is one machine of a story.
type Machine interface {
	Site() string
	Name() string // of the node in its site, as in the scenario
	NodeName() string
	ID() ident.NodeID
	// Agent is the running node; nil while it is down, or does not answer.
	Agent() Agent
	// Disk is the node's state directory; it is only read.
	Disk() disk.FS
}

// Writer is a Machine that can tell that it does not answer because it waits for its disk: it is not down, and what
// has to hold of all in the end is not said of those alone who happen to answer.
type Writer interface{ Busy() bool }

// Overseer is a Stage that sees at every moment, of true time, who leads, what runs as a singleton, and who holds a lock: what nodes tell when they
// are asked is of another moment for each.
type Overseer interface {
	// Misled says what was wrong with who led, at whatever moment; "" if nothing was.
	Misled() string
	// Doubled says what was wrong with where singletons ran, likewise.
	Doubled() string
	// Overlapped says what was wrong with who held locks, likewise.
	Overlapped() string
	// LockTaken is when a program at a place took a lock last; false if none has.
	LockTaken(place string) (time.Duration, bool)
}

// Agent is what a running node tells of itself. It is safe for concurrent use.
type Agent interface {
	Status() api.Status
	Holdings() []api.Blob
	Nodes() []api.Node
	Rollout(deployment string) (api.Rollout, error)
}

// Timed is an Agent whose Status is of some moment between two of the story, and who is looked at only now and then.
type Timed interface {
	Asked() (from, to time.Duration)
	// When is the story's time at a time that the node tells.
	When(at time.Time) time.Duration
}

// Spec is what a declaration of a story says to the nodes.
func Spec(d scenario.Deploy) manifest.Spec {
	spec := manifest.Spec{Release: d.Release, Windows: d.Windows, Singleton: d.Singleton, Selector: manifest.Selector{MatchLabels: d.Selector},
		Health: manifest.Health{MinHealthyTime: manifest.Duration(d.Healthy)}, Strategy: manifest.Strategy{MaxUnavailable: d.AtOnce}}
	if d.Urgent {
		spec.Priority = manifest.PriorityUrgent
	}
	if d.NotBefore > 0 {
		spec.NotBefore = manifest.Time{Time: scenario.Epoch.Add(d.NotBefore)}
	}
	return spec
}

// UplinkChange is what work on an uplink tells the nodes.
func UplinkChange(u scenario.UplinkWork) api.UplinkChange {
	return api.UplinkChange{Held: u.Held, UpLimit: bytesOf(u.Up), DownLimit: bytesOf(u.Down), Windows: u.Windows, MonthCap: u.Cap}
}

// bytesOf turns bits a second into bytes: of the slowest rates it makes one, since none is no limit.
func bytesOf(bits *int64) *int64 {
	if bits == nil {
		return nil
	}
	n := *bits / 8
	if n == 0 && *bits > 0 {
		n = 1
	}
	return &n
}

// BlobFile is the name of the one file in every release of a story.
const BlobFile = "content"

// Place is how a scenario names a machine: SITE/NODE.
func Place(m Machine) string { return m.Site() + "/" + m.Name() }

// Placed returns the machines of a place: a node, or a site.
func Placed[M Machine](machines []M, place string) []M {
	var out []M
	for _, m := range machines {
		if m.Site() == place || Place(m) == place {
			out = append(out, m)
		}
	}
	return out
}
