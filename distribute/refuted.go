package distribute

import (
	"errors"
	"time"

	"selvage/distribute/store"
)

// refuted is what was found to contradict itself. That may take the bytes of a whole blob, so it is not done again and again.
type refuted map[store.Want]refutation

type refutation struct {
	err error
	at  time.Time
}

const (
	refutedMost = 256       // with one more, all are forgotten
	refutedFor  = time.Hour // then it is tried once more: it may have been this machine
)

// of returns why a blob cannot be; nil if that is not known.
func (r refuted) of(w store.Want) error {
	if known, ok := r[w]; ok && time.Since(known.at) < refutedFor {
		return known.err
	}
	return nil
}

// note takes note of how a fetch ended.
func (r refuted) note(w store.Want, err error) {
	if !errors.Is(err, store.ErrContradiction) {
		return
	}
	if len(r) >= refutedMost {
		clear(r)
	}
	r[w] = refutation{err, time.Now()}
}
