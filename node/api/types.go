package api

import (
	"encoding/json"
	"time"

	"selvage/internal/ident"
	"selvage/ledger"
)

// Status is what a node says of itself.
type Status struct {
	Node          ident.NodeID `json:"node"`
	Name          string       `json:"name"`
	Site          string       `json:"site"`
	Fleet         string       `json:"fleet"`     // the fleet's name
	FleetID       string       `json:"fleet_id"`  // digest of its first charter, hex
	Charter       uint64       `json:"charter"`   // version in force here
	Ledger        string       `json:"ledger"`    // digest of what this node holds of the fleet's ledger, hex: equal on nodes that hold the same
	Admitted      bool         `json:"admitted"`  // false until the ledger holds this node's admission
	Addresses     []string     `json:"addresses"` // multiaddrs that others can dial
	Peers         []Peer       `json:"peers"`     // connected and admitted
	Uplink        Uplink       `json:"uplink"`    // traffic with other sites
	Lease         Lease        `json:"lease"`     // of the site
	Credential    Credential   `json:"credential"`
	Deployments   []Running    `json:"deployments"`
	ResidentBytes int64        `json:"resident_bytes"`
	UptimeSeconds float64      `json:"uptime_seconds"`
	Version       string       `json:"version"`
	Platform      string       `json:"platform"`
	Time          time.Time    `json:"time"` // the later of the clock and the newest time an operator signed
	Alerts        []string     `json:"alerts,omitempty"`
	Revoked       string       `json:"revoked,omitempty"` // that it was, and why: it exchanges nothing with the fleet any more
}

// Credential is how a node's credential fares.
type Credential struct {
	Expires   *time.Time `json:"expires,omitempty"`    // left out until the node is admitted
	RenewedBy string     `json:"renewed_by,omitempty"` // the node that did last; none if it is the one that it joined with
	Due       bool       `json:"due"`                  // less than a third of its life is left, so it should have been renewed
	Problem   string     `json:"problem,omitempty"`    // why nobody renews credentials at the site
}

// Lease is who leads a site, as far as the node that is asked knows: the holder itself at every moment, another voter as long as
// the lease lives for it, whoever does not vote by what the ledger says last.
type Lease struct {
	Holder           ident.NodeID `json:"holder"` // "" if there is none
	Name             string       `json:"name"`
	Epoch            uint64       `json:"epoch"`              // its fencing token: a later lease has a higher one; 0 if the node does not know
	ExpiresInSeconds float64      `json:"expires_in_seconds"` // unless it is renewed; 0 if the node does not know
}

// SiteLease is a site's lease, and who may vote on it.
type SiteLease struct {
	Site string `json:"site"`
	Lease
	Voters   []Voter `json:"voters"`   // none: the site has no first voter, or the node has not heard of it
	Majority int     `json:"majority"` // how many of them have to be up
	Version  uint64  `json:"voters_version"`
	Muted    float64 `json:"muted_seconds,omitempty"` // for how long the asked node takes no part yet

	// Whom operators have named: nodes of other sites that may vote, if this one has too few, and nodes that may renew credentials
	// while they lead.
	Witnesses []Voter  `json:"witnesses,omitempty"`
	Issuers   []Issuer `json:"issuers,omitempty"`
}

// Issuer is a node that may renew the credentials of its site's members, while it leads.
type Issuer struct {
	Node        ident.NodeID `json:"node"`
	Name        string       `json:"name"`
	LifeSeconds float64      `json:"life_seconds"` // of a renewed credential, at most
	Expires     time.Time    `json:"expires"`      // of the right, and of all that is renewed by it
}

// Voter is a node that votes on its site's lease.
type Voter struct {
	Node    ident.NodeID `json:"node"`
	Name    string       `json:"name"`
	Up      bool         `json:"up"`
	Witness bool         `json:"witness,omitempty"` // it votes, and never leads
}

// How a term ended, as the node that led next has seen it.
const (
	TermExpired = "expired" // the lease ran out
	TermYielded = "yielded" // its holder gave it up
)

// Term is a time in which one node led a site, from when it came to. The ledger has the latest of each node of the site.
type Term struct {
	Site    string       `json:"site"`
	Holder  ident.NodeID `json:"holder"`
	Name    string       `json:"name"`
	Epoch   uint64       `json:"epoch"` // its first fencing token
	Began   time.Time    `json:"began"` // by the holder's clock
	Voters  int          `json:"voters"`
	Version uint64       `json:"voters_version"`
	Before  *TermBefore  `json:"before,omitempty"` // how the lease before it ended; nil: the holder has not seen it
}

// TermBefore is how the lease before a term ended.
type TermBefore struct {
	Holder ident.NodeID `json:"holder"`
	Name   string       `json:"name"`
	Epoch  uint64       `json:"epoch"` // its last fencing token
	Ended  string       `json:"ended"` // one of the constants above
}

// What can be done with a lock.
const (
	LockTake    = "take"    // ask for it, or wait: again and again
	LockKeep    = "keep"    // ask for more time of one that is held
	LockRelease = "release" // be done with it, or wait no longer
)

// LockAsk is what a client asks of the leader of its site.
type LockAsk struct {
	Do    string `json:"do"` // one of the constants above
	Name  string `json:"name"`
	Claim string `json:"claim"` // 16 random bytes, hex, which are used for one time that the lock is taken
}

// How a client may stand.
const (
	LockHeld     = "held"
	LockWaiting  = "waiting"
	LockLost     = "lost" // it has no more time than it was told before, and is to end
	LockReleased = "released"
	LockFull     = "full" // there is no room for more locks, or more who wait
)

// LockAnswer is how a client stands with a lock.
type LockAnswer struct {
	State      string  `json:"state"`        // one of the constants above
	Token      uint64  `json:"token,string"` // fencing token of what is held, below 2^63: a later holder has a greater one
	ForSeconds float64 `json:"for_seconds"`  // how long it is held, counted from when the question was sent
	Ahead      int     `json:"ahead"`        // who come before, the holder among them; 0 while nobody is given any
	Holder     string  `json:"holder,omitempty"`
}

// Lock is a lock of the site that is held or waited for.
type Lock struct {
	Lock             string       `json:"lock"`
	Node             ident.NodeID `json:"holder"` // whose client holds it; "" if none does
	Name             string       `json:"name"`
	Token            uint64       `json:"token,string"`
	HeldSeconds      float64      `json:"held_seconds"`
	ExpiresInSeconds float64      `json:"expires_in_seconds"` // unless the client asks for more
	Waiting          int          `json:"waiting"`
}

// Peer is a connected, admitted node.
type Peer struct {
	Node       ident.NodeID `json:"node"`
	Name       string       `json:"name"`
	Site       string       `json:"site"`
	RTTSeconds float64      `json:"rtt_seconds"`
	Address    string       `json:"address"`
}

// Why blobs wait.
const (
	HeldByWindow = "outside of the windows"
	HeldByCap    = "the month's cap is used up"
)

// Uplink is a node's traffic with other sites since it started, and how it is held.
type Uplink struct {
	UpBytes   int64 `json:"up_bytes"`   // UDP payload, QUIC's own included; of mirrors TCP's
	DownBytes int64 `json:"down_bytes"` // likewise
	Held      bool  `json:"held"`       // no traffic with other sites at all
	UpLimit   int64 `json:"up_limit_bytes_per_second"`
	DownLimit int64 `json:"down_limit_bytes_per_second"` // of the whole site; 0 is no limit
	// Windows are when blobs may cross the uplink; none: always.
	Windows []string `json:"windows,omitempty"`
	// MonthCap is of the whole site, both ways, in bytes; 0 is none. MonthUsed is what this node used.
	MonthCap  int64 `json:"cap_bytes_per_month,omitempty"`
	MonthUsed int64 `json:"month_used_bytes"`
	// BulkHeld is why blobs wait now; empty: they do not. BulkUntil is until when, if that is known.
	BulkHeld  string     `json:"bulk_held,omitempty"`
	BulkUntil *time.Time `json:"bulk_until,omitempty"`
	// Mirrors are asked for blobs when no node gives them.
	Mirrors []string `json:"mirrors,omitempty"`
}

// UplinkChange asks for the uplink to be held or let go, or its limits changed; nil leaves a thing as it is.
type UplinkChange struct {
	Held      *bool  `json:"held,omitempty"`
	UpLimit   *int64 `json:"up_limit_bytes_per_second,omitempty"`
	DownLimit *int64 `json:"down_limit_bytes_per_second,omitempty"`
	// Windows take the place of all others.
	Windows  *[]string `json:"windows,omitempty"`
	MonthCap *int64    `json:"cap_bytes_per_month,omitempty"`
}

// Node is one node of the fleet, as the asked node knows it.
type Node struct {
	Node        ident.NodeID      `json:"node"`
	Name        string            `json:"name"`
	Site        string            `json:"site"`
	Labels      map[string]string `json:"labels,omitempty"`
	LastSeen    time.Time         `json:"last_seen"` // zero if it never reported
	Reachable   bool              `json:"reachable"`
	UplinkHeld  bool              `json:"uplink_held"`
	Quarantined string            `json:"quarantined,omitempty"` // why nothing of it is believed
	Revoked     bool              `json:"revoked,omitempty"`     // operators have revoked it; Quarantined has their reason
	Deployments []Running         `json:"deployments"`
}

// Running is how a deployment does on one node. Release is what runs, Target what should.
type Running struct {
	Name    string `json:"name"`
	Release string `json:"release"` // "" if nothing runs
	Phase   string `json:"phase"`   // a rollout.Phase
	Ready   bool   `json:"ready"`   // Release runs and is healthy
	Target  string `json:"target"`
	Address string `json:"address,omitempty"` // host:port it serves on
	Why     string `json:"why,omitempty"`
	// OpensAt is when Target may be changed to at the earliest, where it waits for that.
	OpensAt *time.Time `json:"opens_at,omitempty"`
}

// Site sums up the nodes of one site.
type Site struct {
	Site      string    `json:"site"`
	Nodes     int       `json:"nodes"`
	Reachable int       `json:"reachable"`
	LastSeen  time.Time `json:"last_seen"`
}

// Release is a signed release that the ledger holds.
type Release struct {
	Release   string     `json:"release"`
	Type      string     `json:"type"`
	Statement string     `json:"statement"` // digest, hex
	Created   time.Time  `json:"created"`
	Signers   []string   `json:"signers"` // key IDs
	Artifacts []Artifact `json:"artifacts"`
	Conflict  string     `json:"conflict,omitempty"`
}

// Artifact is what a release runs on one platform.
type Artifact struct {
	Platform string  `json:"platform"`
	Digest   string  `json:"digest"`
	Size     int64   `json:"size"`
	Root     string  `json:"root"`
	File     string  `json:"file,omitempty"`
	Patches  []Patch `json:"patches,omitempty"`
}

// Patch is a blob that makes an artifact's from that of an earlier version.
type Patch struct {
	FromRelease string `json:"from_release,omitempty"` // only in the answer to PatchWish
	From        string `json:"from"`
	Digest      string `json:"digest"`
	Size        int64  `json:"size"`
	Root        string `json:"root"`
	Print       string `json:"print"` // of the deflate that it counts on
}

// PatchWish asks for patches to a blob of the store, from the newest versions of a release that are here too.
type PatchWish struct {
	Name     string `json:"name"`     // of the release
	Platform string `json:"platform"` // of the artifact
	Digest   string `json:"digest"`   // of the new blob
	Versions int    `json:"versions"` // how many old ones, at most MaxPatches
}

// MaxPatches is how many patches an artifact of a release may list.
const MaxPatches = ledger.MaxPatches

// Listing is how a release lists patches.
func Listing(all []Patch) (out []ledger.Patch) {
	for _, p := range all {
		out = append(out, ledger.Patch{From: p.From, Digest: p.Digest, Size: p.Size, Root: p.Root, Print: p.Print})
	}
	return out
}

// Deployment is a signed wish, and how far it has come.
type Deployment struct {
	Name        string    `json:"name"`
	Release     string    `json:"release"`
	Generation  uint64    `json:"generation"`
	Statement   string    `json:"statement"`
	Declared    time.Time `json:"declared"`
	Heads       []string  `json:"heads"` // statements that a new one has to supersede
	Conflict    bool      `json:"conflict"`
	Targets     int       `json:"targets"`
	Ready       int       `json:"ready"`
	Unreachable int       `json:"unreachable"`
	Priority    string    `json:"priority,omitempty"`  // "urgent"; nothing: normal
	Singleton   bool      `json:"singleton,omitempty"` // it runs on one node of each site
	RunsOn      []string  `json:"runs_on,omitempty"`   // a singleton: names of nodes
	Standby     int       `json:"standby,omitempty"`   // a singleton: how many nodes keep it ready
	// Scheduled is how many reachable nodes have fetched the release and wait for its time, and OpensAt when the first of them
	// may change to it, as far as that is known.
	Scheduled int        `json:"scheduled,omitempty"`
	OpensAt   *time.Time `json:"opens_at,omitempty"`
}

// Blob is one blob of this node's store.
type Blob struct {
	Digest          string     `json:"digest"`
	Size            int64      `json:"size"`
	HaveBytes       int64      `json:"have_bytes"`
	Complete        bool       `json:"complete"`
	CompletedAt     *time.Time `json:"completed_at"`
	FromSiteBytes   int64      `json:"from_site_bytes"`
	FromUplinkBytes int64      `json:"from_uplink_bytes"`
	FromMirrorBytes int64      `json:"from_mirror_bytes,omitempty"`
	FromLocalBytes  int64      `json:"from_local_bytes"`
	BytesPerSecond  float64    `json:"bytes_per_second"`
	Class           string     `json:"class,omitempty"` // while it is fetched: "later", "normal" or "urgent"
	Waits           bool       `json:"waits,omitempty"` // for what is of a higher class
	Releases        []string   `json:"releases"`
	By              string     `json:"by,omitempty"`       // ByPatch, ByChunks or ByWhole: how it came, if it was fetched since the node came up
	ByBytes         int64      `json:"by_bytes,omitempty"` // that had to come for it: of the patch, or of chunks; for what was mended, of these
	Pinned          bool       `json:"pinned"`
	Kept            []string   `json:"kept"`         // why it stays however full the disk is; nothing: it goes when it is full
	SharedBytes     int64      `json:"shared_bytes"` // in chunks that other blobs here have too
	LastWanted      *time.Time `json:"last_wanted"`  // since the node came up, or when it was completed
}

// KeptPinned is why a blob is kept that is pinned.
const KeptPinned = "pinned"

// PinChange asks for releases (NAME@VERSION) and blobs (digests, or beginnings of them) to be kept here, or not any more.
type PinChange struct {
	Add    []string `json:"add,omitempty"`
	Remove []string `json:"remove,omitempty"`
}

// NeededBytes is how much of others a complete blob took: what no older blob here had, or the patch that made it of one.
func (b Blob) NeededBytes() int64 {
	if b.By == ByPatch {
		return b.ByBytes
	}
	return b.Size - b.FromLocalBytes
}

// How a blob came.
const (
	ByPatch  = "patch"  // made from an older one; what came is another blob, the patch
	ByChunks = "chunks" // those that no older blob had
	ByWhole  = "whole"
)

// Added is a blob that was put into the store.
type Added struct {
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
	Root   string `json:"root"`
	Chunks int    `json:"chunks"`
}

// ExportWish asks for a file of releases.
type ExportWish struct {
	Releases []string // NAME@VERSION
	Platform string   // os/arch; "" is all
}

// Media is a file of releases, as it will be written: the same for the same contents.
type Media struct {
	Fleet    string         `json:"fleet_id"`
	Root     string         `json:"root"` // CID of its directory
	Bytes    int64          `json:"bytes"`
	Blocks   int            `json:"blocks"`
	Charter  uint64         `json:"charter"` // version of the newest in it
	Releases []MediaRelease `json:"releases"`
	Blobs    []MediaBlob    `json:"blobs"`
	LeftOut  []string       `json:"left_out,omitempty"` // digests of patches that are not here
	// Revocations is how many are in it.
	Revocations int `json:"revocations"`
}

// MediaRelease is a release in a file.
type MediaRelease struct {
	Release   string `json:"release"`
	Statement string `json:"statement"`
	New       bool   `json:"new"` // it was not known to the node that imported it
}

// MediaBlob is a blob in a file.
type MediaBlob struct {
	Digest   string   `json:"digest"`
	Size     int64    `json:"size"`
	Releases []string `json:"releases"`
}

// Imported is what an import brought.
type Imported struct {
	Bytes    int64 `json:"bytes"` // of the file
	Blocks   int   `json:"blocks"`
	NewBytes int64 `json:"new_bytes"` // of blobs that were not here
	// Revocations is how many are in the file, NewRevocations how many of these were not known here.
	Revocations    int            `json:"revocations"`
	NewRevocations int            `json:"new_revocations"`
	Releases       []MediaRelease `json:"releases"`
	Blobs          []MediaBlob    `json:"blobs"`
}

// Scrub is how far a scrub of the store has come, and in the end what it found.
type Scrub struct {
	Done    bool      `json:"done"` // it has ended
	Blobs   int       `json:"blobs"`
	Read    int64     `json:"read_bytes"`
	Bytes   int64     `json:"bytes"` // of all blobs
	Damaged []Damaged `json:"damaged"`
}

// Damaged is a blob that went bad on this disk.
type Damaged struct {
	Digest   string   `json:"digest"`
	Releases []string `json:"releases"`
	Chunks   int      `json:"bad_chunks"`
	Bytes    int64    `json:"bad_bytes"`
	Missing  bool     `json:"missing"`         // its file was gone
	Mended   bool     `json:"mended"`          // it is whole again
	ToCome   int64    `json:"to_come_bytes"`   // if not
	Error    string   `json:"error,omitempty"` // it could not be read
}

// Entry is one record of the ledger.
type Entry struct {
	Author ident.NodeID `json:"author"`
	Name   string       `json:"name"`
	Feed   string       `json:"feed"`
	Seq    uint64       `json:"seq"`
	Time   time.Time    `json:"time"`
	Kind   string       `json:"kind"`
	Scope  string       `json:"scope"`
	Key    string       `json:"key"`
	Bytes  int          `json:"bytes"`
}

// Rollout is how far a deployment has come over the nodes that it is meant for.
type Rollout struct {
	Name        string   `json:"name"`
	Release     string   `json:"release"`
	Targets     int      `json:"targets"`
	Ready       int      `json:"ready"`
	Failed      int      `json:"failed"` // of those behind, how many have given the release up
	Done        bool     `json:"done"`   // every reachable target runs the release and is ready, or stands by
	Behind      []Behind `json:"behind"`
	Unreachable []Behind `json:"unreachable"`

	// Of those behind, how many have fetched the release and wait for its time, and when the first of them may change to it, as
	// far as that is known.
	Scheduled int        `json:"scheduled,omitempty"`
	OpensAt   *time.Time `json:"opens_at,omitempty"`

	// Of a singleton, which runs on one node of each site: where, and who stands by with what it takes.
	Singleton bool     `json:"singleton,omitempty"`
	RunsOn    []Behind `json:"runs_on,omitempty"`
	Standby   []Behind `json:"standby,omitempty"`
}

// Behind is a target, with how the release does there.
type Behind struct {
	Node     ident.NodeID `json:"node"`
	Name     string       `json:"name"`
	Site     string       `json:"site"`
	Release  string       `json:"release"`
	Phase    string       `json:"phase"`
	Why      string       `json:"why"`
	LastSeen time.Time    `json:"last_seen"`
	OpensAt  *time.Time   `json:"opens_at,omitempty"` // when it may change to the release, if it waits for that
}

// Holder is a node that has a blob, or part of it.
type Holder struct {
	Node      ident.NodeID `json:"node"`
	Name      string       `json:"name"`
	Site      string       `json:"site"`
	HaveBytes int64        `json:"have_bytes"`
	Complete  bool         `json:"complete"`
	Source    string       `json:"source"` // "asked" just now, or "reported" in the ledger
}

// Draft is a revocation to be signed, as the asked node has drawn it up.
type Draft struct {
	Revocation json.RawMessage `json:"revocation"`     // a ledger.Revocation
	Name       string          `json:"name,omitempty"` // of the node
	Left       int             `json:"left"`           // statements of a key, the oldest, that there is no room to keep
}

// Revocation is a signed revocation that counts.
type Revocation struct {
	Subject   string    `json:"subject"` // node, key or invite
	ID        string    `json:"id"`
	Name      string    `json:"name,omitempty"` // of the node
	Site      string    `json:"site,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Declared  time.Time `json:"declared"`
	Keeps     int       `json:"keeps"` // how many nodes, statements or invites stay in force
	Statement string    `json:"statement"`
	Signers   []string  `json:"signers"` // key IDs
}

// Key is an operator's key that a charter of the fleet names.
type Key struct {
	Key     string   `json:"key"`
	Roles   []string `json:"roles"` // by the charter in force
	Revoked bool     `json:"revoked"`
}

// Statement kinds that can be published.
const (
	KindRelease    = "release"
	KindDeployment = "deployment"
	KindCharter    = "charter" // the fleet's next
	KindRevocation = "revocation"
	KindSite       = "siteconfig"
)
