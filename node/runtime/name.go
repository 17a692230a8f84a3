package runtime

import (
	"encoding/hex"
	"fmt"
	"path"
	"regexp"
	"strings"
)

const maxName = 128 // bytes of a deployment's name, and of a release's name and version together

var (
	nameForm    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$`)
	versionForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*$`)
)

// CheckDeployment returns an error unless name may name a deployment: at most 128 bytes of
// letters, digits, ".", "_" and "-", in one or more parts parted by "/", each of which begins
// with a letter or a digit. So no part is "." or "..", nor a hidden file.
func CheckDeployment(name string) error {
	if len(name) > maxName || !nameForm.MatchString(name) {
		return fmt.Errorf("%w: bad deployment name %.140q", ErrInvalid, name)
	}
	return nil
}

// Validate checks the names that paths are made of, and the numbers. Drivers call it first.
func (w Workload) Validate() error {
	if err := CheckDeployment(w.Deployment); err != nil {
		return err
	}
	name, version, found := strings.Cut(w.Release, "@")
	switch {
	case len(w.Release) > maxName || !found || !nameForm.MatchString(name) || !versionForm.MatchString(version):
		return fmt.Errorf("%w: bad release %.140q, want name@version", ErrInvalid, w.Release)
	case w.Port < 0 || w.Port > 65535:
		return fmt.Errorf("%w: port %d is not within 0 to 65535", ErrInvalid, w.Port)
	case w.Memory < 0:
		return fmt.Errorf("%w: memory %d is negative", ErrInvalid, w.Memory)
	case w.Timeout < 0:
		return fmt.Errorf("%w: timeout %s is negative", ErrInvalid, w.Timeout)
	case w.Artifact.Size < 0 || w.Artifact.Open == nil:
		return fmt.Errorf("%w: release %s has no artifact", ErrInvalid, w.Release)
	}
	return w.checkEnv()
}

func (w Workload) checkEnv() error {
	for k, v := range w.Env {
		if k == "" || strings.ContainsAny(k, "=\x00") || strings.ContainsRune(v, 0) {
			return fmt.Errorf("%w: bad environment variable %.140q", ErrInvalid, k)
		}
	}
	for _, a := range w.Args {
		if strings.ContainsRune(a, 0) {
			return fmt.Errorf("%w: argument %.140q holds a zero byte", ErrInvalid, a)
		}
	}
	return nil
}

// Dir returns the directory of a valid deployment, relative to the state directory.
func Dir(deployment string) string { return path.Join("run", flat(deployment)) }

// Slot returns the base name of a valid workload's directory below Dir.
func (w Workload) Slot() string {
	return flat(w.Release) + "-" + hex.EncodeToString(w.Artifact.Digest[:6])
}

// flat turns a name into one path element; no name holds "~", so no two names meet.
func flat(name string) string { return strings.ReplaceAll(name, "/", "~") }
