package node

import (
	"fmt"
	"slices"
	"time"

	"selvage/node/api"
	"selvage/node/rollout"
)

// Bounds of a report: a peer that says more is not believed.
const (
	maxReport       = 16 << 10 // bytes
	maxReportItems  = 64       // deployments, and blobs
	maxReportAddrs  = 4
	maxReportText   = 256          // bytes of one text
	maxReportTime   = 253402300799 // unix seconds: the end of the year 9999
	blobPrefixBytes = 8            // enough of a digest to tell the fleet's blobs apart
	statementPrefix = 16           // hex digits, likewise for statements
)

// report is what a node says of itself to the fleet: the body of its one register entry of kind
// Report, deterministic CBOR with integer keys.
//
//	1 deployments  [{1 name, 2 release, 3 target, 4 phase, 5 ready, 6 address, 7 why, 8 statement, 9 aim, 10 opens}]
//	2 blobs        [first 8 bytes of the SHA-256 of each whole blob; of more than 64 see named]
//	3 addrs        multiaddrs at which others may dial it
//	4 held         its uplink is held: it is not to be waited for
//	5 platform     os/arch
//	6 version      of the program
//	7 left out     deployments of the node that it has no room for
type report struct {
	Deployments []reportedDeployment `cbor:"1,keyasint,omitempty"`
	Blobs       [][]byte             `cbor:"2,keyasint,omitempty"`
	Addrs       []string             `cbor:"3,keyasint,omitempty"`
	Held        bool                 `cbor:"4,keyasint,omitempty"`
	Platform    string               `cbor:"5,keyasint,omitempty"`
	Version     string               `cbor:"6,keyasint,omitempty"`
	LeftOut     int                  `cbor:"7,keyasint,omitempty"`
}

type reportedDeployment struct {
	Name    string `cbor:"1,keyasint"`
	Release string `cbor:"2,keyasint,omitempty"`
	Target  string `cbor:"3,keyasint,omitempty"`
	Phase   string `cbor:"4,keyasint"`
	Ready   bool   `cbor:"5,keyasint,omitempty"`
	Address string `cbor:"6,keyasint,omitempty"`
	Why     string `cbor:"7,keyasint,omitempty"`
	// Statement is the first statementPrefix hex digits of the deployment statement that what runs
	// was started for: the same release may be declared anew with other settings.
	Statement string `cbor:"8,keyasint,omitempty"`
	Aim       string `cbor:"9,keyasint,omitempty"` // likewise, of the statement that the phase is about
	// Opens is when the target may be changed to, if it waits for that: unix seconds; 0: it does not, or that is not known.
	Opens int64 `cbor:"10,keyasint,omitempty"`
}

func (d reportedDeployment) running() api.Running {
	return api.Running{Name: d.Name, Release: d.Release, Target: d.Target, Phase: d.Phase, Ready: d.Ready, Address: d.Address, Why: d.Why, OpensAt: d.opensAt()}
}

// opensAt returns when it opens; nil if that is not said.
func (d reportedDeployment) opensAt() *time.Time {
	if d.Opens == 0 {
		return nil
	}
	t := time.Unix(d.Opens, 0).UTC()
	return &t
}

// opensStamp is how a report says when something opens.
func opensStamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return min(max(t.Unix(), 0), maxReportTime)
}

func newReports() (body[report], error) {
	return newBody("report", maxReport, maxReportItems, report.bounded)
}

// passing reports whether all that is new since an earlier report are steps on the way to a version, and the blobs that came
// with them.
func (r report) passing(earlier report) bool {
	if r.Held != earlier.Held || r.LeftOut != earlier.LeftOut || r.Platform != earlier.Platform || r.Version != earlier.Version || !slices.Equal(r.Addrs, earlier.Addrs) {
		return false
	}
	steps := 0
	for _, d := range r.Deployments {
		switch was := earlier.deployment(d.Name); {
		case d == was:
		case d.Phase == string(rollout.Fetching), d.Phase == string(rollout.Starting):
			steps++
		default:
			return false
		}
	}
	gone := slices.ContainsFunc(earlier.Deployments, func(d reportedDeployment) bool { return r.deployment(d.Name).Name == "" })
	return steps > 0 && !gone
}

// deployment returns what is reported of one; the zero value if nothing.
func (r report) deployment(name string) reportedDeployment {
	for _, d := range r.Deployments {
		if d.Name == name {
			return d
		}
	}
	return reportedDeployment{}
}

func (r report) bounded() error {
	if r.LeftOut < 0 {
		return fmt.Errorf("%d deployments are left out", r.LeftOut)
	}
	if len(r.Addrs) > maxReportAddrs {
		return fmt.Errorf("%d addresses", len(r.Addrs))
	}
	for _, b := range r.Blobs {
		if len(b) != blobPrefixBytes {
			return fmt.Errorf("a blob is named with %d bytes", len(b))
		}
	}
	texts := append([]string{r.Platform, r.Version}, r.Addrs...)
	for _, d := range r.Deployments {
		texts = append(texts, d.Name, d.Release, d.Target, d.Phase, d.Address, d.Why, d.Statement, d.Aim)
		if d.Opens < 0 || d.Opens > maxReportTime {
			return fmt.Errorf("%d is no time", d.Opens)
		}
	}
	for _, t := range texts {
		if len(t) > maxReportText {
			return fmt.Errorf("a text of %d bytes", len(t))
		}
	}
	return nil
}
