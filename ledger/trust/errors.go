package trust

import "errors"

// What callers decide on. Errors of this package wrap one of these where it fits.
var (
	ErrMalformed    = errors.New("malformed")
	ErrExpired      = errors.New("expired")
	ErrForeignFleet = errors.New("of another fleet")
	ErrSignature    = errors.New("signature does not match")
	ErrRole         = errors.New("not signed by a key that holds the role")
	ErrThreshold    = errors.New("not signed by enough keys")
	ErrOldCharter   = errors.New("charter is not the next version")
)
