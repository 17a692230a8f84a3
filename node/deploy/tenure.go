package deploy

import (
	"sync"
	"time"

	"selvage/node/runtime"
)

// Lead is the site's lease, as this node has part in it. Its methods do not block, and may be called from several goroutines at once.
type Lead interface {
	runtime.Lease
	// Standby says, for people, who leads the site, if this node does not.
	Standby() string
}

// tenure is the lead as singletons see it: they are let in while it goes on, and counted, so that it can be given up when
// none is left.
type tenure struct {
	lead Lead // nil: no singleton ever runs here

	mu    sync.Mutex
	runs  int           // singletons that start, run or are being stopped
	empty chan struct{} // closed when runs is 0; nil while nobody waits for that
}

// bar says why no singleton may start here now; "" if one may.
func (t *tenure) bar() string {
	if t.lead == nil {
		return "this node has no part in leading its site"
	}
	switch term := t.lead.Term(); {
	case term.Run > 0:
		return ""
	case term.Epoch != 0:
		return "this node gives the lead up, or is about to lose it"
	}
	return t.lead.Standby()
}

// enter counts one more singleton; it reports false if none may start. The term is asked for with mu held, so that who
// waits for all to leave waits for this one too, or it is not let in.
func (t *tenure) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lead == nil || t.lead.Term().Run <= 0 {
		return false
	}
	t.runs++
	return true
}

// leave says that nothing runs any more of one that had entered.
func (t *tenure) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.runs--; t.runs == 0 && t.empty != nil {
		close(t.empty)
		t.empty = nil
	}
}

// left is closed when nobody is in.
func (t *tenure) left() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.runs == 0 {
		none := make(chan struct{})
		close(none)
		return none
	}
	if t.empty == nil {
		t.empty = make(chan struct{})
	}
	return t.empty
}

// Cede returns when nothing of this node's singletons runs any more, so that the lease can be given up. Before, the lead has
// to have told that their time to run is over: that stops them. After Close it returns at once, and likewise once kept is closed,
// which says that the lease is not given up any more.
func (d *Deployer) Cede(kept <-chan struct{}) {
	select {
	case <-d.tenure.left():
	case <-d.closed:
	case <-kept:
	}
}

// How often the lead is looked at though nothing wakes: that a lease which was about to be lost was renewed after all, or that
// another node leads.
const (
	waverPause   = time.Second
	standbyPause = 3 * time.Second
)

// follow wakes the workers whenever the lead may have changed.
func (d *Deployer) follow(lead Lead) {
	for {
		changed := lead.Changed()
		d.poke()
		if !d.await(lead, changed) {
			return
		}
	}
}

// await waits until the lead may have changed; it reports false when the Deployer closes. Without singletons it is woken by
// changes alone.
func (d *Deployer) await(lead Lead, changed <-chan struct{}) bool {
	var tick <-chan time.Time
	bar := ""
	if d.hasSingletons() {
		bar = d.tenure.bar()
		pause := standbyPause
		if lead.Term().Epoch != 0 {
			pause = waverPause
		}
		ticker := time.NewTicker(pause)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-d.ctx.Done():
			return false
		case <-changed:
			return true
		case <-d.lone:
			return true
		case <-tick:
			if bar != "" && bar != d.tenure.bar() {
				return true
			}
		}
	}
}

func (d *Deployer) hasSingletons() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.singletons
}

// noteSingleton has the lead looked at more often from the first singleton on. The caller holds mu.
func (d *Deployer) noteSingleton(want Desired) {
	if d.singletons || want.Target == nil || !want.Target.Spec.Singleton {
		return
	}
	d.singletons = true
	d.lone <- struct{}{} // it holds one, and this is the only one ever
}

// poke has every deployment looked at again.
func (d *Deployer) poke() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.workers {
		w.poke()
	}
}
