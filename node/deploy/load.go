package deploy

import (
	"context"
	"errors"
	"fmt"

	"selvage/node/rollout"
)

// load reads the journal, for as long as the disk does not give it.
//
// One that is damaged is set aside, and what is declared is begun anew. That is what a person could do too, and no worse than to run
// nothing until one comes: what is lost is the way back, and that a version failed here. It is started MaxAttempts times
// more at most. A disk that cannot be read may be read again later, so there it is left to a person.
func (w *worker) load(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		rec, err := loadRecord(w.cfg.FS, w.name)
		if errors.Is(err, errDamaged) {
			err = w.beginAnew(err)
		}
		if err == nil {
			w.rec, w.kept = rec, journalled(w.cfg.FS, w.name)
			return
		}
		w.cfg.Alert(fmt.Sprintf("nothing of %s runs, and no blob is given up, for its journal cannot be read: %v; if that stays so, move %s out of the state directory: what is declared is then begun anew",
			w.name, err, recordFile(w.name)))
		w.tell(w.wanted(), rollout.Action{Phase: rollout.Waiting, Why: err.Error()})
		sleep(ctx, backoff(n))
	}
}

// beginAnew sets a damaged journal aside.
func (w *worker) beginAnew(damage error) error {
	if err := setAside(w.cfg.FS, w.name); err != nil {
		return fmt.Errorf("%w; and it cannot be set aside: %w", damage, err)
	}
	w.cfg.Alert(fmt.Sprintf("the journal of %s was damaged (%v): what is declared is begun anew, and has no way back until it has proved itself; the damaged one is kept as %s",
		w.name, damage, asideFile(w.name)))
	return nil
}
