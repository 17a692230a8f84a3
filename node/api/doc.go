// Package api is how the command line talks to the node on the same machine: HTTP and JSON over
// a unix socket in the node's state directory, mode 0600. Who may open the socket may use the node;
// what only an operator may say is signed by the caller, and the node merely carries it.
//
//	GET  /v1/status                      Status
//	GET  /v1/nodes /sites /releases /deployments /blobs /entries
//	     /v1/revocations /keys /leases /terms /locks                 a list each
//	GET  /v1/draft?subject=node|key|invite&id=ID[&site=SITE]         Draft, of a revocation to sign
//	GET  /v1/siteconfig?site=SITE                                    a ledger.SiteConfig, to change and sign
//	GET  /v1/rollout?name=NAME           Rollout
//	GET  /v1/holders?release=NAME@VERSION[&platform=OS/ARCH]         []Holder
//	GET  /v1/media?release=NAME@VERSION...[&platform=OS/ARCH]        Media: what a file of releases will be
//	GET  /v1/media/file?...              likewise; answers the file itself
//	POST /v1/media                       the body is such a file; answers Imported
//	POST /v1/scrub                       answers Scrub, a line each time it has come further, the last with what was found
//	POST /v1/blobs                       the body is the blob; answers Added
//	POST /v1/patches                     PatchWish; answers a list of Patch, made and stored
//	POST /v1/statements?kind=KIND        the body is a DSSE envelope; answers its digest
//	POST /v1/invites                     the body is an invite's envelope; answers {"ok"} if it would let machines in
//	POST /v1/lease/yield                 the node stops leading its site; answers SiteLease
//	POST /v1/locks                       LockAsk, of the site's leader; answers LockAnswer, or 503 if nobody leads or answers
//	PUT  /v1/pins                        PinChange, which may ask for nothing; answers a list of what is pinned
//	PUT  /v1/uplink                      UplinkChange; answers Uplink
//
// An application takes a lock so: it draws a claim, and asks to take the lock until it is "held"; then asks to keep it every second, and
// releases it when its work has ended. The lock is its own for for_seconds from when it SENT what was answered so, by a clock that counts suspend
// (CLOCK_BOOTTIME), whatever is answered, or not, after that. It shows its token to what it writes to. 'selvage lock' does all of that.
//
// An error is {"error", "hint", "code"} with an HTTP status; Client turns it into an *Error.
// A request with a field that is not known here is refused. Fields are only ever added to the answers. The file of releases is followed by a trailer, Selvage-Error: such an error if
// it could not be written to its end, else empty.
package api
