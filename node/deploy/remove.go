package deploy

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// remove has nothing stay on disk of a deployment of which nothing runs. Every driver is asked: the journal says of what type the
// last version was, and an older one may have left files. The journal goes last, so that what a crash interrupts, or a failure, is taken up again.
func (w *worker) remove(ctx context.Context) error {
	for _, kind := range slices.Sorted(maps.Keys(w.cfg.Drivers)) {
		if err := w.cfg.Drivers[kind].Remove(ctx, w.name); err != nil {
			return fmt.Errorf("remove what ran here: %w", err)
		}
	}
	if err := forget(w.cfg.FS, w.name); err != nil {
		return fmt.Errorf("remove journal: %w", err)
	}
	w.rec, w.kept, w.owed, w.stuck = record{}, false, false, putOff{}
	w.log.Info("deploy: removed")
	return nil
}
