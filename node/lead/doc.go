// Package lead runs a node's part in the lease of its site (package lease), and tells the rest of the node whether it
// leads.
//
// # What is promised
//
// While clocks run within the bound and disks keep what was synced, no two nodes of a site have Active true at one
// moment of true time, and each node that comes to lead has a higher token than the one before it. Whoever acts for the
// site rests on three things:
//
//   - A side effect that is over at once (an entry published, an order given) asks Active immediately before, each time, takes
//     Settings.Margin at most, and carries the token. The answer is never kept.
//   - Work that goes on by itself (a program that runs) begins only while Term says Go, and is registered with OnStop. What was
//     registered is told to stop before the lease may pass on: StopMargin before the deadline if renewals fail, and on Yield and
//     Close before the lease is released, which waits for it. So if each function returns only when its work is
//     dead, and soon once its context ends, the work is dead before another node leads. Once Closing is closed a function may return
//     though it is not: the lease is not given up then.
//   - What stops with this process or not at all (a program that outlives a node which was killed, or stands still) is not
//     helped by OnStop. It needs a guard of its own, which ends it when Term.Left is over by the same clock; and the resource that it works on
//     needs the token.
//
// # Order of calls for work that goes on
//
//	remove := l.OnStop(func(ctx) { mu.Lock(); stop politely; when ctx ends kill; wait until dead; mu.Unlock() })
//	loop:
//	    changed := l.Changed()
//	    mu.Lock()
//	    if t := l.Term(); t.Go { start, with t.Fence } // else OnStop's function stops it
//	    mu.Unlock()
//	    <-changed
//
// Start and stop exclude each other by the consumer's own lock (one that may be held across a wait, internal/lock), and
// Term is asked with that lock held: a stop that begins in between then waits for the start, and ends it.
//
// The token can grow while this node leads on, when the voters change or an acceptor was outrun: Changed wakes, OnStop is
// not called. Work that was begun with the earlier token is still this node's; what it shows to a resource that has seen the
// later one is refused.
//
// # How it works
//
// One goroutine has the machine. It carries out what a step asks for in the order that package lease wants: the record is
// durable, then who leads is made known, then messages go out. If the record cannot be written the machine is thrown away, and
// another is started later, mute at first. Another goroutine, the guard, watches the time, so that a disk that hangs
// does not keep work from being stopped.
//
// Messages of a question and its answer share a stream:
//
//	/selvage/lease/1   opener: length, 2 bytes, big endian; a message of package lease
//	                   other end: likewise the answer, if there is one; either closes
//
// A voter of another site, a witness, is asked on a protocol of its own, since it votes for its own site too:
//
//	/selvage/witness/1 opener: length, 2 bytes, big endian; the name of the site whose lease it is about; then as above
//
// A witness has a machine and a record for each site that it votes for (Witnesses). It hears of the site's voters from those who
// ask it, as the site's lease records do not leave the site.
//
// # Bounds
//
// 64 messages that came wait for the machine, and 8 for each peer that are on their way; more are dropped, as any may be.
package lead
