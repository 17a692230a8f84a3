package distribute

import (
	"sync"
	"time"

	"selvage/internal/ident"
)

// wordsMost is how long on end a fetch gives way to what mates only say that they are getting: this node fetches no such blob, so it
// cannot see whether anything of it comes. After that it goes on for as long, whatever they say. So words alone cost it no more than this,
// and half of the time; and what is of a higher class, and takes longer, has to share for half of its time.
const wordsMost = 5 * time.Minute

// forbearance is how long a fetch has waited for words alone. It is safe for concurrent use.
type forbearance struct {
	mu     sync.Mutex
	looked time.Time
	waits  bool          // it did when that was looked at last
	sees   bool          // it gave way then to what this node sees, which is neither waiting for words nor going on
	waited time.Duration // what it waited, less what it went on; from 0 to wordsMost
	spent  bool          // it has waited wordsMost, and does not wait until that is 0 again
}

// holds reports whether the fetch gives way: to what this node sees, or to mates' words, if there are any now that would have it wait.
func (f *forbearance) holds(seen, words bool, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	since := now.Sub(f.looked)
	f.looked = now
	switch {
	case f.waits:
		f.waited = min(wordsMost, f.waited+since)
	case !f.sees:
		f.waited = max(0, f.waited-since)
	}
	f.spent = f.waited == wordsMost || f.spent && f.waited > 0
	f.sees, f.waits = seen, words && !seen && !f.spent
	return f.sees || f.waits
}

// givesWay reports whether something of a higher class than the task's comes to the site. The caller holds no lock.
func (t *task) givesWay(now time.Time) bool {
	seen, said := t.swarm.coming(now)
	class := t.class()
	return t.forbears.holds(class.yields(seen), class.yields(said), now)
}

// coming is the highest class of what comes to the site over the uplink: as this node sees, and as mates only say. The caller holds no lock.
func (s *Swarm) coming(now time.Time) (seen, said Class) {
	seen, claims := s.crossing(now)
	for _, c := range claims {
		if s.complete(c.blob) {
			continue
		}
		switch believed, known := c.task.believes(c.mate); {
		case believed:
			seen = max(seen, c.class)
		case !known:
			said = max(said, c.class)
		}
	}
	return seen, said
}

// claimed is that a mate says that it is getting a blob.
type claimed struct {
	mate  ident.NodeID
	blob  Digest
	class Class
	task  *task // which gets the blob for this node; nil: there is none
}

// crossing is the highest class of what this node gets over the uplink, and what mates say that they get.
func (s *Swarm) crossing(now time.Time) (most Class, claims []claimed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tasks {
		if since := time.Duration(now.UnixNano() - t.crossed.Load()); since.Abs() < crossFresh { // less than 0 if the clock was put back
			most = max(most, t.class())
		}
	}
	for id, h := range s.heard {
		if n := s.peers[id]; n == nil || !n.local {
			continue
		}
		for d, at := range h.takes {
			if now.Sub(at) >= takeFresh {
				continue
			}
			c := claimed{mate: id, blob: d, class: s.wantOfPeer(h, d), task: s.tasks[d]}
			if c.task != nil {
				c.class = max(c.class, c.task.class()) // another mate may want it more
			}
			claims = append(claims, c)
		}
	}
	return most, claims
}

// believes reports whether a mate is believed that it is getting something of the blob, if that is known. The caller does not hold mu.
func (t *task) believes(mate ident.NodeID) (believed, known bool) {
	if t == nil {
		return false, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.plan == nil {
		return false, false
	}
	return t.plan.Believes(mate), true
}

// complete reports whether a blob is here. It may wait for the disk: the caller does not hold mu.
func (s *Swarm) complete(d Digest) bool {
	o, ok := s.cfg.Store.Object(d)
	return ok && o.Complete()
}
