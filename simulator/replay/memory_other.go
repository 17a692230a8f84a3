//go:build !linux && !darwin

package replay

import "errors"

func reserve(uint64) (buf []byte, release func(), err error) { return nil, nil, errors.ErrUnsupported }
