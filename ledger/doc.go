// Package ledger keeps what should run and who said so, and comes to the same answer on every node.
//
// # Words
//
// An entry is one signed record. A node writes its entries into feeds: a feed is an author, a
// scope and a lane. Scope "" is the whole fleet; else it is a site's name, and the entries stay at
// that site. The lane says how entries are kept: durable entries are hash-linked, numbered from 1
// without a gap, and kept for good (the audit log); urgent ones, the revocations, are kept likewise in
// a sequence of their own, so that none waits for its author's other entries; of register entries only
// the newest with each key is kept, so their numbers have holes.
//
// Order travels in the feed, authority in the envelope: entries are signed by the nodes that
// author them, which says who passed a thing on and in which order; what an operator says
// (release, deployment, revocation, site config, charter) is a DSSE envelope in the entry's body, and counts when the
// charter's keys for it signed it, whoever wrote the entry. A statement (release, deployment, revocation, site config)
// is known by the SHA-256 of its payload, so writing it twice changes nothing, and signatures
// that come in several entries add up.
//
// # Entry
//
// Deterministic CBOR (RFC 8949, 4.2.1), an array of ten:
//
//	0 version  1
//	1 fleet    32 bytes
//	2 author   32 bytes, Ed25519 public key
//	3 seq      from 1, by feed, below 2^62
//	4 prev     SHA-256 of the entry before it in the feed; empty for the first and in registers
//	5 time     hybrid logical clock: unix milliseconds << 16 | counter
//	6 kind     below 128 durable, but 3 urgent; from 128 register
//	7 scope    "" or a site's name
//	8 key      what it is about, at most 256 bytes
//	9 body     at most 64 KiB
//
// followed by the 64 bytes of the author's signature over "selvage entry 1\x00" and the array. The
// hash of an entry is that of all these bytes. An entry that is not in its one form is refused.
//
// The body of a charter, release, deployment, revocation or site config is the JSON of a DSSE envelope:
//
//	charter     type trust.TypeCharter; package trust draws it
//	release     type TypeRelease: an in-toto Statement, v1, whose predicate (type
//	            "https://selvage.dev/release/v1") is {name, version, type, created, artifacts:
//	            [{platform, digest, size, root, file, patches}]}, with one subject for each artifact:
//	            {name: "NAME@VERSION/PLATFORM", digest: {sha256}}. patches, left out where there
//	            are none: at most 8 of {from, digest, size, root, print}
//	deployment  type TypeDeployment: {name, generation, supersedes, declared, spec}
//	revocation  type TypeRevocation: {fleet, subject, id, site, keeps, reason, declared}
//	siteconfig  type TypeSite: {fleet, site, generation, supersedes, declared, witnesses: [node],
//	            issuers: [{node, life, expires}]}; life in seconds
//
// The body of an admission is a trust.Credential, that of a renewal a trust.Renewal, under the key of the member's ID. Other bodies are for those who write them.
//
// # Names and numbers
//
// A feed's name is its author, 32 bytes; its lane, 'd', 'r' or 'u'; its scope. Entries have their
// numbers. A proof that the feed is forked, drawn below, is kept and travels under 2^62; entries
// of other branches under the numbers after it, as each node likes. The log holds the same under
// the same names and numbers, and as metadata
//
//	"floor"      the time floor: unix milliseconds, 8 bytes, big endian
//	"charter/N"  the charter of version N: its envelope, JSON
//
// # Proof of a fork
//
//	"selvage fork 1\x00"   15 bytes
//	length                 of the first entry, 4 bytes, big endian
//	first, second          two entries of one feed, as above
//
// The entries have the same number, the smaller bytes first; or the feed is not of registers, and the
// second has the next number but does not name the first as the one before it. An honest author
// signs no such two: it restored an old backup, was copied, or lies.
//
// # Rules
//
// An entry is believed if its author signed it and was a member under any charter of the chain;
// an admission entry makes its own author one, by the credential in it. A member's entries are
// kept and passed on whatever they hold, for others may know how to read what this version does
// not; the fold takes from them what the newest charter authorises. What a key said that the
// newest charter does not name does not count any more.
//
// What cannot be judged yet (the author's admission, an earlier entry, or a charter is missing)
// waits in memory, in a bounded room that a restart empties; anti-entropy brings it again.
//
// An author whose fork is proven is quarantined: nothing that it says of itself counts. The feed
// is closed. Of all its branches those entries are kept that carry an operator's word (a signature
// on a statement, an admission, a charter of the chain), so what operators signed stays in force
// on whichever branch it lies, and nothing else is taken. A node that hears of entries that it
// has lost, before it writes, does not fork: it takes them back and goes on after them.
//
// An invite may be used as often as it says. Of more nodes that join with it those that were bound
// earliest stand, by their own word; the others are quarantined.
//
// # Renewal
//
// A site config can give nodes of the site the right to renew the credentials of its members, while they lead it. A renewal counts if
// its issuer had that right when it was issued, it is no longer than that allows, and the credential had ended no longer before than a
// third of that. Of several that have not expired the one with the highest fence counts. The right ends with its own date, with the
// site's next config, with the issuer's revocation, and with that of an operator's key without which the config would not count,
// though it is kept; what was renewed before stands until it expires, lest a site loses its members with the node that led it. An issuer
// that lies can so renew, for as long after its revocation as one credential lasts, members that nobody has put out, and nobody else;
// who is revoked or quarantined stays out whatever is renewed. Node.GoodUntil says what has come of it.
//
// # Revocation
//
// A revocation counts when any charter of the chain gives its signers the role: admit over the site for
// a node and for an invite, root for an operator's key. A later charter does not take it back, as
// what was revoked must not come back when an operator leaves. So an operator's key that left the charter
// can still revoke, until it is revoked itself.
//
//	node    nothing that it says of itself counts, and it is not let in, for good. Its entries are kept, so
//	        that all nodes hold the same, and what operators signed counts though it came in its feed
//	invite  nodes that the revocation keeps stand, whatever others claim; of all others who joined
//	        with it nothing counts, and nobody joins with it any more
//	key     statements and invites that the revocation keeps count; nothing else that it signed does. Root is
//	        not touched: whether a charter counts must not depend on what came first, so a
//	        root key is taken out by the next charter
//
// No revocation has a date from which it holds: whoever holds a key can date back what it signs. What
// stays in force is named instead, as known to the node that drafts the revocation (Draft); what of the same
// key was under way at the other side of a cut falls, and can be signed anew, or kept by a second revocation.
// What any of several keeps is kept, and keys are judged before what they signed, so the order of arrival changes
// nothing.
//
// # Calls
//
//	Open ──► Learn(charters) ──► Publish(admission) ──► Publish, OfferAll ... ──► OnStored, Changed
//	Root, Frontier ──► Read ──► the neighbour's OfferAll
//
// Two ledgers whose Roots differ compare Frontiers. Where one's number in a mark is higher, it
// gives what follows the other's; where numbers are equal and digests are not, each gives all.
// When nothing is news to either, their Roots are equal.
//
// # Guarantees
//
// Nothing is told to anyone (OnStored, queries, Read) before it is durable. A batch is stored
// whole or not at all; if that fails, nothing was taken, and nobody else is to blame.
//
// Changes come one at a time, and wait for the log. Queries, Root and Frontier wait for neither: while a
// change is being stored they answer with what was before it. Read and Entries read the log.
//
// The answers to queries, but for Report.Received and Now, depend on the set of entries, and not
// on the order in which they came, how often, in which batches, or what was restarted in between;
// so do Root and Frontier. A node tells everyone of its entries with rising times and numbers.
//
// An author cannot take back what operators signed, by forking its feed or otherwise.
//
// Now never goes back to before the latest time that operators have signed, and only they raise it.
//
// # Bounds
//
//	body, entry, proof       64 KiB, 65 KiB, 131 KiB
//	keys of a register feed  256; those written longest ago leave, so a node renews some 250 members
//	releases of a feed       16384 are looked into, the first; deployments, revocations and site configs alike
//	kept by a revocation     512 things; another revocation of the same adds to them
//	admissions of a feed     1024 are looked into, the first; charters alike
//	signatures               64 of a statement are taken from a feed
//	waiting                  256 records and 1 MiB of an author, 4096 and 16 MiB of all; the oldest leave
//
// # Limits
//
// Of two charters of one version, both signed as they must be, the one that came first stands, as
// with TUF; Forks tells of the other. Root keys that do so have parted the fleet.
//
// Of an issuer that has forked its register feed each node goes by the renewals that it holds; what a member shows counts everywhere.
//
// A fork in a register feed is found by who sees both entries while they are kept. From then on it
// is known to all; but if both are replaced before that, nobody finds it.
//
// Signatures on a charter do not add up: its envelope must be complete.
//
// Of a closed feed, Entries answers what this node kept, which differs from node to node. An
// operator's word that only nodes heard which could not judge it yet and then forgot it is lost.
//
// A member that floods the ledger is not stopped here, nor one that gives its entries false times.
package ledger
