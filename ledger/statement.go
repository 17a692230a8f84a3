package ledger

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"selvage/internal/canon"
	"selvage/ledger/manifest"
	"selvage/ledger/trust"
)

// What operators sign.
const (
	TypeRelease    = "application/vnd.in-toto+json" // an in-toto Statement, version 1
	TypeDeployment = "application/vnd.selvage.deployment+json"

	statementType = "https://in-toto.io/Statement/v1"
	predicateType = "https://selvage.dev/release/v1"

	// AnyPlatform is the platform of an artifact that runs everywhere.
	AnyPlatform = "any"
	// MaxPatches bounds the patches of an artifact.
	MaxPatches   = 8
	maxArtifacts = 32
	maxHeads     = 64
	maxFileName  = 255
	maxBlob      = 1 << 50 // bytes
)

// Release says which bytes a name and version stand for.
type Release struct {
	Name, Version string
	Type          string // function, process or bundle
	Created       time.Time
	Artifacts     []Artifact // one for each platform
}

// Artifact is the blob that a release runs on one platform.
type Artifact struct {
	Platform string `json:"platform"` // os/arch, or AnyPlatform
	Digest   string `json:"digest"`   // SHA-256, hex
	Size     int64  `json:"size"`     // bytes
	Root     string `json:"root"`     // CID of the chunk list
	File     string `json:"file"`     // base name, for people and single-file bundles
	// Patches make the blob from those of earlier versions. A program from before there were any does not
	// read a release that lists some.
	Patches []Patch `json:"patches,omitempty"`
}

// Patch is a blob that makes an artifact's from that of an earlier version. It is listed only if it
// has fewer bytes than the chunks that the earlier version lacks.
type Patch struct {
	From   string `json:"from"`   // SHA-256 of the blob that it starts from, hex
	Digest string `json:"digest"` // SHA-256 of the patch itself, hex
	Size   int64  `json:"size"`   // of the patch, bytes
	Root   string `json:"root"`   // CID of the patch's chunk list
	Print  string `json:"print"`  // of the deflate that it counts on, hex
}

// Same reports whether both are the same bytes for the same platform; how else they may be made is not asked.
func (a Artifact) Same(b Artifact) bool {
	return a.Platform == b.Platform && a.Digest == b.Digest && a.Size == b.Size && a.Root == b.Root && a.File == b.File
}

// Ref returns NAME@VERSION.
func (r Release) Ref() string { return r.Name + "@" + r.Version }

// For returns the artifact that a platform runs: its own before one for any.
func (r Release) For(platform string) (Artifact, bool) {
	for _, want := range []string{platform, AnyPlatform} {
		for _, a := range r.Artifacts {
			if a.Platform == want {
				return a, true
			}
		}
	}
	return Artifact{}, false
}

// Deployment says which release runs where. Spec is a manifest.Spec as JSON.
type Deployment struct {
	Name       string          `json:"name"`
	Generation uint64          `json:"generation"` // one more than the highest that it supersedes
	Supersedes []string        `json:"supersedes"` // digests of the statements that it takes the place of
	Declared   time.Time       `json:"declared"`
	Spec       json.RawMessage `json:"spec"`
}

// inToto is the shape of a release statement (in-toto attestation framework, Statement v1).
type inToto struct {
	Type          string    `json:"_type"`
	Subject       []subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     predicate `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

type predicate struct {
	Name      string     `json:"name"`
	Version   string     `json:"version"`
	Type      string     `json:"type"`
	Created   time.Time  `json:"created"`
	Artifacts []Artifact `json:"artifacts"`
}

// SignRelease signs a release as an operator, or several.
func SignRelease(r Release, keys ...ed25519.PrivateKey) (trust.Envelope, error) {
	if err := r.check(); err != nil {
		return trust.Envelope{}, fmt.Errorf("release: %w", err)
	}
	st := inToto{Type: statementType, PredicateType: predicateType,
		Predicate: predicate(r)}
	for _, a := range r.Artifacts {
		st.Subject = append(st.Subject, subjectOf(r, a))
	}
	return signJSON(TypeRelease, st, keys)
}

func subjectOf(r Release, a Artifact) subject {
	return subject{Name: r.Ref() + "/" + a.Platform, Digest: map[string]string{"sha256": a.Digest}}
}

// SignDeployment signs a deployment as an operator, or several.
func SignDeployment(d Deployment, keys ...ed25519.PrivateKey) (trust.Envelope, error) {
	if err := d.check(); err != nil {
		return trust.Envelope{}, fmt.Errorf("deployment: %w", err)
	}
	return signJSON(TypeDeployment, d, keys)
}

func signJSON(payloadType string, v any, keys []ed25519.PrivateKey) (trust.Envelope, error) {
	payload, err := json.Marshal(v)
	if err != nil {
		return trust.Envelope{}, err
	}
	return trust.Sign(payloadType, payload, keys...)
}

// digestOf names a statement: the SHA-256 of its payload, hex.
func digestOf(payload []byte) string {
	sum := sha256.Sum256(payload)
	return hex.EncodeToString(sum[:])
}

var errType = errors.New("the envelope's type is not its payload's")

// Digest names the statement in an envelope: the SHA-256 of its payload, hex.
func Digest(env trust.Envelope) (string, error) {
	payload, err := env.DecodeB64Payload()
	if err != nil {
		return "", fmt.Errorf("read statement: %w", err)
	}
	return digestOf(payload), nil
}

// DecodeRelease reads the payload of a release statement, strictly. Who signed it is not asked.
func DecodeRelease(payload []byte) (Release, error) {
	var st inToto
	if err := canon.ReadJSON(payload, &st); err != nil {
		return Release{}, fmt.Errorf("decode release: %w", err)
	}
	r := Release(st.Predicate)
	if st.Type != statementType || st.PredicateType != predicateType || len(st.Subject) != len(r.Artifacts) {
		return Release{}, errors.New("decode release: not a release statement")
	}
	for i, a := range r.Artifacts {
		want := subjectOf(r, a)
		if got := st.Subject[i]; got.Name != want.Name || len(got.Digest) != 1 || got.Digest["sha256"] != a.Digest {
			return Release{}, fmt.Errorf("decode release: subject %d is not its artifact", i)
		}
	}
	return r, r.check()
}

// DecodeDeployment reads the payload of a deployment statement, strictly. Who signed it is not asked.
func DecodeDeployment(payload []byte) (Deployment, error) {
	var d Deployment
	if err := canon.ReadJSON(payload, &d); err != nil {
		return Deployment{}, fmt.Errorf("decode deployment: %w", err)
	}
	return d, d.check()
}

var (
	hexForm      = regexp.MustCompile(`^[0-9a-f]{64}$`)
	platformForm = regexp.MustCompile(`^(any|[a-z0-9]{1,16}/[a-z0-9]{1,16})$`)
	printForm    = regexp.MustCompile(`^[0-9a-f]{16}$`)
	cidForm      = regexp.MustCompile(`^[a-z2-7A-Z0-9]{8,128}$`)
)

// CheckPlan returns what is wrong with a release whose bytes are not there yet: its name, version and type, and for each artifact the
// platform and the file's name.
func (r Release) CheckPlan() error {
	if _, _, err := manifest.SplitRelease(r.Ref()); err != nil {
		return err
	}
	switch {
	case r.Type != "function" && r.Type != "process" && r.Type != "bundle":
		return fmt.Errorf("type %.40q: want process, function or bundle", r.Type)
	case len(r.Artifacts) < 1 || len(r.Artifacts) > maxArtifacts:
		return fmt.Errorf("%d artifacts, want 1 to %d", len(r.Artifacts), maxArtifacts)
	}
	seen := map[string]bool{}
	for _, a := range r.Artifacts {
		if err := a.checkPlan(); err != nil {
			return err
		}
		if seen[a.Platform] {
			return fmt.Errorf("two artifacts for %s", a.Platform)
		}
		seen[a.Platform] = true
	}
	return nil
}

func (a Artifact) checkPlan() error {
	switch {
	case !platformForm.MatchString(a.Platform):
		return fmt.Errorf("platform %.40q: want os/arch or any", a.Platform)
	case len(a.File) > maxFileName || bytes.ContainsAny([]byte(a.File), "/\\\x00") || a.File == "." || a.File == "..":
		return fmt.Errorf("%.80q is not a file name", a.File)
	}
	return nil
}

func (r Release) check() error {
	if err := r.CheckPlan(); err != nil {
		return err
	}
	if r.Created.IsZero() {
		return errors.New("no time of creation")
	}
	for _, a := range r.Artifacts {
		if err := a.checkBytes(); err != nil {
			return err
		}
	}
	return nil
}

// checkBytes says what is wrong with what was told of an artifact's bytes.
func (a Artifact) checkBytes() error {
	switch {
	case !hexForm.MatchString(a.Digest):
		return errors.New("a digest that is not the hex of a SHA-256")
	case a.Size < 0 || a.Size > maxBlob:
		return fmt.Errorf("a size of %d bytes", a.Size)
	case !cidForm.MatchString(a.Root):
		return errors.New("a root that is no CID")
	case len(a.Patches) > MaxPatches:
		return fmt.Errorf("%d patches, want at most %d", len(a.Patches), MaxPatches)
	}
	seen := map[[2]string]bool{}
	for _, p := range a.Patches {
		if err := p.check(a.Digest); err != nil {
			return err
		}
		if seen[[2]string{p.From, p.Print}] {
			return fmt.Errorf("two patches from %.12s", p.From)
		}
		seen[[2]string{p.From, p.Print}] = true
	}
	return nil
}

// check says what is wrong with a patch that makes the blob of a digest.
func (p Patch) check(to string) error {
	switch {
	case !hexForm.MatchString(p.From) || !hexForm.MatchString(p.Digest):
		return errors.New("a patch with a digest that is not the hex of a SHA-256")
	case p.From == to || p.Digest == to:
		return errors.New("a patch that starts from, or is, what it makes")
	case p.Size < 1 || p.Size > maxBlob:
		return fmt.Errorf("a patch of %d bytes", p.Size)
	case !cidForm.MatchString(p.Root):
		return errors.New("a patch with a root that is no CID")
	case !printForm.MatchString(p.Print):
		return errors.New("a patch with a print that is not the hex of 8 bytes")
	}
	return nil
}

func (d Deployment) check() error {
	if err := manifest.CheckPath(d.Name); err != nil {
		return err
	}
	if d.Generation < 1 || d.Declared.IsZero() || len(d.Supersedes) > maxHeads || len(d.Spec) > manifest.MaxSize {
		return errors.New("generation, time, or number of superseded statements out of bounds")
	}
	for _, s := range d.Supersedes {
		if !hexForm.MatchString(s) {
			return errors.New("supersedes something that is no digest")
		}
	}
	_, err := manifest.DecodeSpec(d.Spec)
	return err
}
