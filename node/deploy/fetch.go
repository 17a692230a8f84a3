package deploy

import (
	"context"
	"errors"
	"sync"

	"selvage/node/rollout"
)

// fetch gets one artifact, trying again for as long as it is wanted.
type fetch struct {
	artifact Artifact
	haste    Haste
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	mu   sync.Mutex
	why  string // what went wrong last
	done bool   // the blob was here, whole: nothing goes on
}

// startFetch calls wake when the blob is here, and when there is something new to say.
func startFetch(ctx context.Context, blobs Blobs, a Artifact, h Haste, wake func()) *fetch {
	ctx, cancel := context.WithCancel(ctx)
	f := &fetch{artifact: a, haste: h, cancel: cancel}
	f.wg.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			err := blobs.Fetch(ctx, a, h)
			if err == nil && blobs.Have(a) {
				f.finish()
				wake()
				return
			}
			if err == nil {
				err = errors.New("it was fetched, and is not whole")
			}
			f.say(err)
			wake()
			sleep(ctx, backoff(n))
		}
	})
	return f
}

func (f *fetch) say(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.why = err.Error()
}

func (f *fetch) finish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done = true
}

// goesOn reports whether the blob is still on its way. It may have gone bad since it was not.
func (f *fetch) goesOn() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.done
}

func (f *fetch) reason() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.why
}

// tell says of a fetch what went wrong last; if nothing did, what is to be said of it besides.
func (f *fetch) tell(why string) string {
	if wrong := f.reason(); wrong != "" {
		return wrong
	}
	if !f.haste.Urgent {
		return why
	}
	if why != "" {
		why = "; " + why
	}
	return "urgent" + why
}

// tellBack adds to what is said of a deployment that the blob of its way back is fetched again, and what went wrong with that last.
func (f *fetch) tellBack(why, release string) string {
	if why != "" {
		why += "; "
	}
	why += "the blob of " + release + ", the way back, is fetched again"
	if wrong := f.reason(); wrong != "" {
		why += ": " + wrong
	}
	return why
}

// stop returns when nothing of the fetch goes on; what was fetched stays.
func (f *fetch) stop() {
	f.cancel()
	f.wg.Wait()
}

// fetchFor keeps the fetches going that are wanted, and ends any other.
func (w *worker) fetchFor(ctx context.Context, d Desired, a rollout.Action) {
	var target, back *Artifact
	var h Haste
	if a.Fetch {
		target, h = &d.Target.Artifact, Haste{Ahead: a.Ahead, Urgent: d.Target.Spec.Urgent()}
	}
	if a.Mend {
		back = &w.rec.Verified.Artifact
	}
	w.fetch = w.fetchOnly(ctx, w.fetch, target, h)
	w.mend = w.fetchOnly(ctx, w.mend, back, Haste{})
}

// fetchOnly returns the fetch of an artifact, which f may be already, and ends f if it is not; nil if there is nothing to fetch.
func (w *worker) fetchOnly(ctx context.Context, f *fetch, a *Artifact, h Haste) *fetch {
	if f != nil && a != nil && f.artifact == *a && f.haste == h && f.goesOn() {
		return f
	}
	if f != nil {
		f.stop()
	}
	if a == nil {
		return nil
	}
	return startFetch(ctx, w.cfg.Blobs, *a, h, w.poke)
}
