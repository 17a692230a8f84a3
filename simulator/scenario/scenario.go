package scenario

import "time"

// Scenario is one story: who is there, what happens, and what has to hold.
type Scenario struct {
	Name     string
	Seed     uint64
	Duration time.Duration // virtual; the story ends then at the latest
	Sites    []Site
	Faults   []Fault  // by schedule, in the order of At
	Random   []Random // faults drawn from the seed; Expand turns them into Faults
	Work     []Work   // in the order of At
	// Always is checked whenever something has changed, Sometimes has to hold at least once, and
	// each of Eventually within a time of what it names. They are names of invariants.
	Always, Sometimes []Check
	Eventually        []Eventually
	Budget            Budget
}

// Site is a place with a LAN and one uplink.
type Site struct {
	Line   int // in the file
	Name   string
	Count  int // of such sites in the file; 0 in what Parse returns, which has all of them
	Nodes  int // named n0, n1, ...; a node is written SITE/NODE
	Labels map[string]string
	LAN    Link
	Uplink Uplink
}

// Uplink is the link of a site with the others, shared by its nodes.
type Uplink struct {
	Up, Down int64 // bits a second; 0 is no limit
	Link           // of each direction
	Duty     Duty
	Allowance
	NAT string // "", "cone" or "symmetric"
}

// Link is how packets fare, in each direction alike.
type Link struct {
	Latency, Jitter    time.Duration
	Loss               float64 // 0 to 1
	Burst              Burst
	Queue              int64 // bytes; 0 is the network's default
	CoDel              bool
	MTU                int // bytes on the wire; 0 is 1500
	Reorder, Duplicate float64
}

// Burst is Gilbert-Elliott loss: probabilities of going bad and of getting good again, for each
// packet, and the loss while bad. The zero Burst is none.
type Burst struct{ Bad, Good, Loss float64 }

// Duty says that a link is up for Up at the beginning of each Every, after Offset. The zero Duty is always up.
type Duty struct{ Up, Every, Offset time.Duration }

// Allowance is how many bytes a link carries in each period, or at all; 0 is no bound.
type Allowance struct {
	Bytes int64
	Per   time.Duration
}

// FaultKind is a kind of fault.
type FaultKind string

// The kinds, by what Fault's fields mean to them.
const (
	Partition FaultKind = "partition" // Groups cannot reach each other
	Cut       FaultKind = "cut"       // nothing gets from From to To
	Isolate   FaultKind = "isolate"   // On, a site or node, can reach nobody beyond it
	Crash     FaultKind = "crash"     // On, a node or site, stops as if killed; with For it starts again
	PowerCut  FaultKind = "powercut"  // likewise, and what was not synced may be lost
	Clock     FaultKind = "clock"     // On's clock is off by Jump, and by Drift of the time that passes
	Pause     FaultKind = "pause"     // On stands still, as after SIGSTOP; what comes for it waits
	Suspend   FaultKind = "suspend"   // On stands still, as a machine that sleeps; what comes for it is lost
	DiskFull  FaultKind = "diskfull"  // On cannot write
	SlowDisk  FaultKind = "slowdisk"  // On takes Sync to make anything durable
	Degrade   FaultKind = "degrade"   // the uplink of On becomes Link
	Poison    FaultKind = "poison"    // On serves corrupt chunks
	Rot       FaultKind = "rot"       // a byte of every blob that On has on its disk is another, at once
	Forge     FaultKind = "forge"     // On hands out what others wrote with signatures that do not hold
	Restore   FaultKind = "restore"   // On is stopped and goes on from a backup made at Backup
)

// Fault is something that goes wrong, from At on, for For; 0 is for good, but what is restored
// goes on at once. Work of the same moment is done first.
type Fault struct {
	Line     int // in the file; 0 if it was drawn
	At, For  time.Duration
	Kind     FaultKind
	On       string     // a node (SITE/NODE) or a site
	From, To string     // likewise
	Groups   [][]string // of sites and nodes
	Jump     time.Duration
	Drift    float64 // seconds a second
	Link     Uplink  // the whole of it, with what stays as the site has it
	Backup   time.Duration
	Sync     time.Duration
}

// Random draws faults: every Every on average, from After to Before, one of Kinds on one of On.
type Random struct {
	Line          int
	Every         time.Duration
	After, Before time.Duration
	Kinds         []FaultKind
	// On are sites and nodes; none means all nodes. A site stands for one of its nodes where the
	// kind is Crash, Pause, Suspend, Clock, DiskFull, SlowDisk, Poison, Forge or Restore, and for itself where it is another.
	On     []string
	MinFor time.Duration
	MaxFor time.Duration
}

// Work is something that a person does, at one moment.
type Work struct {
	Line int
	At   time.Duration

	// One of them is set.
	Seed    *Seed
	Deploy  *Deploy
	Join    *Join
	Uplink  *UplinkWork
	Charter *Charter
	Revoke  *Revoke
	Witness *Witness
	Lock    *Lock
	Yield   *Yield
	Issuer  *Issuer
	Mirror  *Mirror
}

// Seed makes a release at a node.
type Seed struct {
	From          string // a node
	Name, Version string
	Size          int64 // bytes
	// Change is the share of the last release's bytes of this name that are new, 0 to 1; 1 if it is the first.
	Change float64
	// Places is in how many places of the blob the new bytes are, as far from each other as they can be; at least 1.
	Places int
	// Repeats is the share of the new bytes that repeats what went before, 0 to 1, and so packs away.
	Repeats float64
	// Wrong is what the release says wrongly of its blob; empty: nothing.
	Wrong Wrong
}

// Wrong is something that an operator's release says of its blob.
type Wrong string

// What a release can say wrongly.
const (
	WrongDigest Wrong = "digest" // that of a blob which nobody has
	WrongSize   Wrong = "size"   // a byte too many
	WrongRoot   Wrong = "root"   // that of the chunk list of another blob
)

// Deploy declares that a release run.
type Deploy struct {
	From     string // a node
	Name     string
	Release  string // name@version
	Selector map[string]string
	// Singleton: in each site it runs on the node that leads it.
	Singleton bool
	// AtOnce is how many nodes of a site may change to it at once, 0 for all; Healthy is how long it has to be healthy until
	// it counts as changed.
	AtOnce  int
	Healthy time.Duration
	// Urgent: its blobs come before all others.
	Urgent bool
	// Windows and NotBefore are when nodes may change to it: windows as package calendar writes them, and the time since the start.
	Windows   []string
	NotBefore time.Duration
}

// Join adds a node to a site.
type Join struct{ Site, Name string }

// Charter amends the fleet's charter at a node: there is one more key that may sign releases.
type Charter struct{ From string }

// Witness lets a node vote on who leads another site, or not any more.
type Witness struct {
	Node   string
	Site   string
	From   string // the node at which it is said
	Remove bool
}

// Lock has programs take a lock of their site over and over, from then on: one on each node of a place.
type Lock struct {
	Name string
	On   string // a node or a site
	Hold time.Duration
	Rest time.Duration // after each time
}

// Issuer lets a node renew the credentials of its site's members, while it leads the site.
type Issuer struct {
	Node string
	From string        // the node at which it is said
	Life time.Duration // of a renewed credential
}

// Mirror puts a copy of what a node has of blobs behind a web server, which nodes of a place ask last. They know its address from
// the start.
type Mirror struct {
	Of   string // a node
	On   string // a node or a site
	Rate int64  // bits a second of each connection; 0 is no limit
}

// Revoke puts a node out of the fleet.
type Revoke struct {
	From   string // a node: where it is done
	Node   string
	Reason string
}

// Yield has whoever leads a site give that up, if it is at On, a node or site.
type Yield struct{ On string }

// UplinkWork holds the uplink of a node or site, lets it go, or limits it.
type UplinkWork struct {
	On       string
	Held     *bool
	Up, Down *int64    // bits a second
	Windows  *[]string // when blobs may cross, as package calendar writes it
	Cap      *int64    // bytes a month
}

// Check is an invariant by name, with an argument where it takes one: "all_run: app@v1".
type Check struct {
	Line      int
	Name, Arg string
}

// Eventually says that checks hold within a time of an event: "start", "heal" (the end of the last
// fault), "work" (the last of it), or a moment: OfStart to OfMoment.
type Eventually struct {
	Line   int
	Within time.Duration
	Of     string
	At     time.Duration // if Of is a moment
	Checks []Check
}

// Budget bounds what the whole story may cost.
type Budget struct {
	Line        int
	UplinkRatio float64       // bytes down each uplink against the ideal; 0 is no bound
	BlobRatio   float64       // likewise, of chunks only
	BlobBytes   int64         // of chunks that may come down each uplink; 0 is no bound
	Makespan    time.Duration // from the last deploy until all run it
}
