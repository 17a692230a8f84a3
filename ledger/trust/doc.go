// Package trust says who may say what, and lets any node check it offline.
//
// A charter names the keys that hold each role, over which scope, and how many of them must sign.
// Version 1 founds a fleet: the fleet's ID is the digest of its payload, so whoever knows the ID
// can check the charter, and whoever has version N can check N+1, which carries the thresholds of
// both (the root rules of TUF, section 5.3). Versions follow one another without a gap and never
// go back.
//
// An operator's word is a DSSE envelope, and Charter.Verify counts the distinct keys of a role
// that signed it. A machine is admitted by an invite, signed under the role admit, and a binding,
// in which the one-time key of the invite signs the machine's own key. The two are its
// credential: any node checks it with nothing but the charter.
//
//	init ──► charter v1 ──► FleetID
//	invite ──► Ticket (invite + one-time private key), handed over as text
//	join ──► Ticket.Bind(node key) ──► Credential ──► shown in every hello, kept in the ledger
//	peer ──► Charter.Admit(credential) ──► Member
//	who leads the member's site ──► SignRenewal ──► shown with the credential, kept in the ledger
//
// Clocks of edge machines lie, so nothing here asks for the time: it is an argument, and callers
// pass the later of their clock and their Floor, the highest time that an operator has signed.
//
// What this package does not do: it does not know of revocations, nor of tickets that were used
// twice, nor who may renew; all need the ledger. It does no I/O, and everything in it is safe for concurrent use.
//
// # Formats
//
// Charter and invite are JSON in DSSE envelopes, of the types TypeCharter and TypeInvite. An
// invite's serial begins the SHA-256 of its one-time key, so that no other inviter can make an
// invite that has it, and use this one up. A
// credential is deterministic CBOR, {1: invite envelope as JSON, 2: binding, 3: signature}, where
// the binding is the CBOR of {1: fleet, 2: serial, 3: node key, 4: name, 5: time in unix
// milliseconds} and the signature is the one-time key's over "selvage binding 1\x00" and the
// binding; and 4, if it was renewed: the renewal. That is the CBOR of {1: body, 2: signature}, where the body is {1: fleet, 2: serial,
// 3: node key, 4: issuer's node key, 5: fence, 6: until when the credential was good, 7: when it was renewed, 8: until when it is good
// now}, times in unix milliseconds, and the signature is the issuer's over "selvage renewal 1\x00" and the body. A ticket is the text "selvage-ticket-1:" and the unpadded URL base64 of
//
//	CRC-32 (IEEE) of the rest, 4 bytes, big endian
//	CBOR {1: invite envelope as JSON, 2: one-time private seed}
//
// so that a ticket that was cut short or mistyped is told from one that is not good.
package trust
