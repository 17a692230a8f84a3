package runtime

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"time"
)

// The types of workload, as releases name them.
const (
	TypeFunction = "function"
	TypeProcess  = "process"
	TypeBundle   = "bundle"
)

// KeepSlots is how many releases of a deployment a driver leaves on disk.
const KeepSlots = 2

var (
	// ErrRunning: another workload of the same deployment runs, and the driver cannot replace it in place.
	ErrRunning = errors.New("deployment already runs another workload")
	// ErrInvalid: the workload or its artifact can never run as it is, so trying again is no use.
	ErrInvalid = errors.New("workload cannot run")
	// ErrNoLease: the workload is a singleton, and this node has no lease to run it under, or not for long enough.
	ErrNoLease = errors.New("this node does not lead its site")
)

// Workload is one release of one deployment, with all that is needed to run it on this node.
// Drivers keep it but never change what its slice and map hold; nor may the caller after Start.
type Workload struct {
	Deployment string // 1 to 128 bytes, see Validate
	Release    string // name@version
	Type       string // TypeFunction, TypeProcess or TypeBundle
	Artifact   Artifact
	Args       []string          // after the program's own name
	Env        map[string]string // PORT and SELVAGE_* are the driver's and win over these
	Port       int               // local port to serve on; 0: any free one
	Memory     int64             // bytes; 0: the driver's default
	Timeout    time.Duration     // a function's time to answer one request; 0: the driver's default
	Node, Site string            // told to the workload as SELVAGE_NODE and SELVAGE_SITE
	Lease      Lease             // what a singleton runs under; nil if w is none
}

// Artifact is the blob that a workload runs.
type Artifact struct {
	Digest [32]byte // SHA-256 of the bytes
	Size   int64    // bytes
	File   string   // the file's base name, for a bundle of a single file; may be empty
	// Open opens the blob for reading. The driver closes it. The blob must stay for as long as
	// an instance runs, because drivers open it again when they restart a workload.
	Open func() (BlobReader, error)
}

// BlobReader reads a blob at any offset, from any number of goroutines.
type BlobReader interface {
	io.ReaderAt
	io.Closer
}

// Equal reports whether w and o, under whatever leases, ask for the same thing to run in the same way.
func (w Workload) Equal(o Workload) bool {
	return w.Deployment == o.Deployment && w.Release == o.Release && w.Type == o.Type &&
		w.Artifact.Digest == o.Artifact.Digest && w.Artifact.Size == o.Artifact.Size && w.Artifact.File == o.Artifact.File &&
		(w.Lease == nil) == (o.Lease == nil) && w.Port == o.Port && w.Memory == o.Memory && w.Timeout == o.Timeout && w.Node == o.Node && w.Site == o.Site &&
		slices.Equal(w.Args, o.Args) && maps.Equal(w.Env, o.Env)
}

// Driver runs workloads of one type. All methods may be called from several goroutines at once;
// calls for one deployment are taken one after another.
type Driver interface {
	// Start runs w and returns once it serves, or has been launched, whichever the driver can
	// tell; health is the caller's to judge. If a workload Equal to w runs already, its instance
	// is returned. If another workload of the deployment runs, see Replaces.
	//
	// ctx bounds Start alone: the instance outlives it. After an error nothing new runs and
	// nothing new is left on disk. The error has ErrInvalid in its chain if the same w can never
	// start here (not WASM, a hostile archive, a bad name), and disk.ErrFull if the disk was full.
	Start(ctx context.Context, w Workload) (Instance, error)

	// Replaces reports whether Start takes over in place. If true, Start of a new workload for a
	// deployment ends the old instance (phase exited) once the new one has taken over, and keeps
	// the old one running when it fails. If false, Start fails with ErrRunning until the
	// caller has stopped the old instance.
	Replaces() bool

	// Remove deletes what the driver keeps on disk for the deployment.
	// It fails with ErrRunning while an instance runs. Removing nothing is no error.
	Remove(ctx context.Context, deployment string) error

	// Close stops every instance and frees what the driver holds. It returns when all have
	// stopped, or with an error when ctx ends first. The driver starts nothing afterwards.
	Close(ctx context.Context) error
}

// Instance is a workload that was started. Methods may be called from several goroutines at once,
// and after Stop.
type Instance interface {
	// Addr returns host:port that the workload serves on, which stays the same for the life of
	// the instance; "" if it serves nothing.
	Addr() string
	Status() Status
	// Changed returns a channel that is closed when Status next changes. To miss nothing, get
	// the channel before asking for the status.
	Changed() <-chan struct{}
	// Stop ends the workload: politely, and after the driver's grace period firmly. It returns
	// when nothing of it runs any more, or with ctx's error, in which case stopping goes on.
	// What lies on disk stays. A second Stop waits for the first.
	Stop(ctx context.Context) error
}

// Phase says how an instance is doing.
type Phase string

const (
	PhaseRunning    Phase = "running"    // it runs; for a bundle: its files are in place
	PhaseRestarting Phase = "restarting" // it ended by itself and is about to be started again
	PhaseExited     Phase = "exited"     // stopped, or replaced by another release
	PhaseFailed     Phase = "failed"     // it ended by itself and the driver has given up
)

// Status is an instance's state at one moment.
type Status struct {
	Phase     Phase
	Restarts  int       // times the driver has started it again
	LastError string    // why it last ended or failed a request; "" if it never did. At most 2 KiB.
	Since     time.Time // when Phase was last entered
}
