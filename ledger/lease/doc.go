// Package lease decides which node leads a site, so that at no moment two do.
//
// # Words
//
// A site's voters are named by its config, whose versions are epochs. Each voter is an acceptor: it grants the lease. All
// but witnesses are proposers too: they ask for it, with a ballot that is used once. A ballot names the proposer and its
// incarnation, which is its life from one start to the next. Who has the lease is the holder; it asks for more of it in
// rounds. A token is the epoch and the ballot of a lease: what a resource is shown with each side effect.
//
// # Order of calls
//
//	m, fx := lease.Start(self, settings, record, salt, now) // record: what the disk remembers
//	... carry fx out: record durable, then lease made known, then messages sent ...
//	loop:
//	    at, ok := m.Next()                 // when to call Tick
//	    fx = m.Tick(now)                   // or m.Receive(now, from, message); carry fx out
//	before each side effect: if !lease.Active(now) { stop }, and show lease.Token
//
// now is what a clock shows that never goes back and counts suspend (CLOCK_BOOTTIME); where it counts from does not
// matter. The machine has no other input, no goroutine and no clock. Learn takes in what lease records in the ledger say;
// Yield gives the lease up; Change lets a voter in or out, and Propose says which.
//
// What not to do: cache Active; act on a Lease before the Record that came with it is durable; keep a machine whose
// record could not be written; give two machines one record.
//
// # Protocol
//
// PaxosLease (Trencseni, Gazso and Reinhardt, 2012) with durable promises, a fence, and changes of the voters.
//
//	R1  ballot = (counter, incarnation, node); an incarnation is counted and fsynced at a start, and salted.
//	R2  deadline = D_P after the moment when what was granted was asked FIRST: Prepare for the first round, that round's
//	    Accept for a later one. Every handler looks at it as data.
//	R3  an acceptor promises b only if b >= promised and no live lease of another stands in the way; fsync, then answer.
//	R4  it accepts on the same terms; its own expiry is D_A after that. An fsync only if the promise or a change is new.
//	R5  a proposer goes on when a majority has promised.
//	R6  it leads while a majority of distinct acceptors accepted one round, and now < deadline.
//	R7  after a start a voter is mute for Q = D_A, and owns nothing.
//	R8  a release names the exact ballot; its owner has stopped before.
//	R9  side effects look at the lease immediately before (within m) and carry the token (epoch, ballot).
//	R10 voters change by one, proposed by the holder with its ballot, agreed by majorities of old and new; each epoch
//	    takes a new ballot.
//
//	D_A = (D_P + m) (1+r)/(1-r)
//
//	proposer      Prepare(b)        Accept(b, 1)          Accept(b, 2), after Renew     ...  Release(b)
//	acceptors             Promise(b)            Accepted(b, 1)              Accepted(b, 2)
//
// A renewal is one more round with the same ballot: two messages for each voter but the holder itself, and nothing to
// write, since the promise stands. If an acceptor has promised a higher ballot meanwhile (it had missed the lease), the
// holder prepares a new one, while it leads on under the old.
//
// An acceptor with a live lease of another refuses without a promise, so one who comes back from a partition does not
// disturb the holder. A lease of the asker's own life does not stand in its way, whichever its ballot: it knows itself
// whether it acts under it.
//
// # Changes of the voters
//
// Each epoch's voters agree on the next ones as in Paxos, with the ballots of the lease: Promise brings the change that was
// accepted with the highest ballot, and who gets the lease proposes that one again before any other. A newcomer accepts
// first, so that the old do not bind themselves to a node that is not there. With majorities of old and new the change is
// agreed; the holder has the new config durable, and asks under it with a new ballot. Every message carries its sender's
// config; whoever is behind takes it over, and who asks under an earlier one is refused. Who was let go and misses it all
// learns of it when it asks.
//
// # Why two never lead
//
// Let A lead at true time T by a round that it asked at s and that a majority accepted, and B by one that another
// majority accepted, all before T.
//
//   - Both majorities are of one epoch or of two in a row: they share an acceptor x. Say x accepted A's round first, at t.
//     When it accepted B's, A's was no longer live there: either D_A had passed since t by x's clock, that is, at least
//     (D_P+m)/(1-r) of true time, and A's deadline, D_P after s <= t by a clock that runs at 1-r or faster, lies before; or
//     x had started since, and was mute as long; or A had released it, and stopped. So A did not lead when B came to. (The
//     other way round: the same.)
//   - They are of epochs i and j > i+1: the config of i+2 was agreed by a majority of the voters of i+1, in a round of a
//     node C that it accepted under R4. C's majority shares an acceptor with A's, and it accepted A's round first, since it refuses epoch
//     i after. So A led no more by then; or C is A's own same life, and its rounds of i end before those of i+1,
//     which in turn end before anybody leads under i+2.
//
// Tokens grow: the majority that promises a new ballot shares an acceptor with the one that accepted the last lease, and
// that one's promise is durable; and once a majority under epoch i+1 has promised, no majority of epoch i is left.
//
// The tests explore the real machine in small worlds to their end, with clocks exactly at the bound; each mutant of
// internal/mutant's Lease is found there.
//
// # Assumptions
//
//   - Clocks run within 1±r of true time, and count suspend. Answers carry clocks, which are compared: a node that at least
//     half of the others contradict abstains for ten minutes and raises an alarm; one that a holder contradicts with
//     others on its side does not count, is told, and abstains. It takes a few rounds to notice: meanwhile R9's fence is
//     what protects.
//   - A disk keeps what was fsynced. If one is put back to an older state: R7 keeps leases apart all the same, and the salt
//     incarnations. Promises that it forgot can let a token come again that is lower than the last; so Learn is told of
//     the lease records in the ledger, which the node gets back from others, and a ballot of a forgotten life raises an
//     alarm and starts a new one. A disk that goes back over a change of the voters may, together with others that never
//     heard of it, form a majority that is no longer one: the record of the config in the ledger is what stands against it.
//   - Voters are honest, and so is everybody else whose messages or lease records the shell hands in: each can name other
//     voters under a higher epoch, or use up the numbers of ballots. Who may send is the shell's to check.
//
// # Bounds
//
// At most MaxVoters voters, MaxEncoded bytes a message, one try and one change at a time. Of two voters both are needed;
// between 1 and 3 there is a moment with 2, a few round trips, and who dies for good in it leaves the site without a leader.
//
// # Wire
//
// Deterministic CBOR (RFC 8949, 4.2.1), arrays:
//
//	message  [1, kind, config, life, clock, ballot, round, change or null, promised, remaining, doubt]
//	record   [1, life, promised, config, change or null]
//	config   [epoch, [voter...]]        voter   [node, witness]
//	ballot   [counter, life, node]      life    [count, salt]
//	change   [ballot, [voter...]]
//
// kind is 1 Prepare, 2 Promise, 3 Accept, 4 Accepted, 5 Refuse, 6 Release; node 32 bytes, none in a ballot that is none;
// clock and remaining are nanoseconds; voters are in the order of their nodes. What is not in its one form is refused.
package lease
