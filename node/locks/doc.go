// Package locks has the leader of a site give locks to the site's own applications: of each name to one client at a time.
//
// # Words
//
// A client takes a lock by its name, with a claim, which is a random number of its own that is used once. The leader has a Table,
// in memory only, of who holds what and who waits, first come, first served. Whoever holds a lock has a token, a number
// that is higher for each grant of the site, whichever node leads it: what the client's work writes to is shown the token, and
// refuses lower ones. A Client asks, keeps asking while it waits or holds, and tells by its own clock how long the lock is its own.
//
// # Order of calls
//
//	c := locks.NewClient(name, claim, ask, clock)
//	c.Take(ctx, patience, told)   // until it is held
//	go c.Keep(ctx)                // renews
//	... work while c.Term().Live lasts, with c.Token() ...
//	c.Release(ctx)                // when the work is dead
//
// What not to do: use a claim again; release before the work has ended; work on when Live is over, whoever says what.
//
// # Why two never hold a lock
//
// Clocks run within 1±r of true time and count suspend, as package lease has it, and the site's lease is held by one node at a time.
//
//   - Under one leader: a grant that is made, or prolonged, at the moment t of the leader's clock lasts in its table until e, and the client is
//     told d = (e-t)(1-r)/(1+r). The client counts d by its own clock from the moment when it SENT what was answered, which is
//     before t in true time. So its time ends, in true time, at most d/(1-r) = (e-t)/(1+r) after t; and e comes no earlier than that. Nobody else
//     is granted the lock before e, unless the client has said that it is done.
//   - Under two leaders: e is never later than the deadline of the leader's own lease, less a tenth of that, so by the same sum each
//     grant has ended before that deadline, in true time. The next leader leads after it, or after a release that waited until nothing was
//     granted any more (Latest). So it may grant at once what it knows nothing of.
//   - A client that asks a leader to prolong what that one does not know is told that it has lost it: its time is over already.
//   - A message that is lost, late or doubled prolongs nothing: an answer counts from when its own question was sent, and is looked at as data.
//
// A client's work has to be dead when its time is over though the client is stopped, or starved, or gone: that is a guard's to see to
// (node/runtime/process). On waking from a suspend a few milliseconds may pass until the guard runs: the token is for them.
//
// # Tokens
//
//	token = the lease's token as one number (lease.Token.Number) << 10 | which grant under it, from 1
//
// So they compare as numbers, across leaders too, and stay below 2^63 for as long as the lease's are exact (2^17 changes of the voters). When the
// 1,023 of one lease run out, nothing more is granted until the leader has taken a higher token, with its next renewal: it is asked to when
// few are left (Table.Low). A renewal changes no token: a client keeps what it was granted with.
//
// # Bounds
//
// At most 1,024 locks that are held or waited for, and 64 who wait for one: more are told that there is no room, and ask again. Who waits and is
// not heard of for 5 s has lost his place.
//
// The package does no I/O. Times are readings of a clock that never goes back and counts suspend.
package locks
