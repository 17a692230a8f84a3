// Package mutant has the known bugs that the simulator and the model checker have to find: each breaks one promise of
// Selvage, at the place that keeps it. A scenario that does not notice has no teeth ('selvage sim mutants').
//
// The code that a mutant changes asks On. In an ordinary build the answer is the constant false, so the compiler
// leaves nothing of the bug. A build with the tag mutants takes the one mutant that is on from SELVAGE_MUTANT.
// Such a build is for simulations and tests only, and never goes to a machine.
package mutant

import "slices"

// Name names a mutant.
type Name string

// The mutants.
const (
	SkipChunkVerification Name = "skip-chunk-verification"
	ForgetFsync           Name = "forget-fsync"
	ForgetBlobFsync       Name = "forget-blob-fsync"
	AcceptLowerCharter    Name = "accept-lower-charter"
	DropTakeover          Name = "drop-takeover"
	DeafHeir              Name = "deaf-heir"
	RelayUnverified       Name = "relay-unverified"
	ForgetRevocation      Name = "forget-revocation"
	HandOutRot            Name = "hand-out-rot"
	SingletonOutlivesTerm Name = "singleton-outlives-term"
	TurnsWithoutBound     Name = "turns-without-bound"
	WriteUnheard          Name = "write-unheard"
	LockOutlivesLease     Name = "lock-outlives-lease"
	ForgetRenewal         Name = "forget-renewal"
	ActivateEarly         Name = "activate-early"
	LaterPushesIn         Name = "later-pushes-in"
	UrgentWaits           Name = "urgent-waits"
)

// The mutants of the site lease. The first six are the variants that are known to be unsafe; the rest break what
// changes of the voters, renewals and tokens rest on.
const (
	LeaseTimerAtQuorum   Name = "lease-timer-at-quorum"
	LeaseOverwriteLive   Name = "lease-overwrite-live"
	LeaseCountMessages   Name = "lease-count-messages"
	LeaseReleaseByOwner  Name = "lease-release-by-owner"
	LeaseNoIncarnation   Name = "lease-no-incarnation"
	LeaseShortQuarantine Name = "lease-short-quarantine"
	LeaseTwoVotersAtOnce Name = "lease-two-voters-at-once"
	LeaseChangeUnagreed  Name = "lease-change-unagreed"
	LeaseForgetPending   Name = "lease-forget-pending"
	LeaseStaleEpoch      Name = "lease-stale-epoch"
	LeaseStaleRound      Name = "lease-stale-round"
	LeaseForgetPromise   Name = "lease-forget-promise"
)

// Mutant is a known bug, for people.
type Mutant struct {
	Name   Name
	Breaks string
}

// All returns the mutants that scenarios have to find, in the order of the list in which they are shown.
func All() []Mutant {
	return []Mutant{
		{SkipChunkVerification, "a chunk is stored without a look at its digest"},
		{ForgetFsync, "an entry is told of before it is durable"},
		{ForgetBlobFsync, "a blob that was fetched counts as whole before its bytes are durable"},
		{AcceptLowerCharter, "whoever shows an older charter puts the node back to it"},
		{DropTakeover, "a site waits for ever for the node on duty at the uplink"},
		{DeafHeir, "who takes over at the uplink does not begin to listen to other sites"},
		{RelayUnverified, "an entry that its author did not sign is passed on all the same"},
		{ForgetRevocation, "who comes to the door is not asked whether it was revoked"},
		{HandOutRot, "what went bad on a disk is handed out without a look"},
		{SingletonOutlivesTerm, "a singleton may live as long again as the lease lasts"},
		{TurnsWithoutBound, "the leader of a site lets everybody change who asks"},
		{ForgetRenewal, "who leads a site does not renew the credentials of its members"},
		{ActivateEarly, "a node changes to what was declared for a later time as soon as it has it"},
		{LaterPushesIn, "what is fetched for later does not give way to what is wanted now"},
		{UrgentWaits, "what is urgent waits with what is not: nothing gives way to it"},
		{WriteUnheard, "a node that was restored from a backup writes before it has heard what it wrote"},
		{LockOutlivesLease, "a lock is granted for as long as a lease lasts, whatever is left of the leader's"},
	}
}

// Lease returns the mutants of the site lease, which its model checker finds; scenarios find all but one of them.
func Lease() []Mutant {
	return []Mutant{
		{LeaseTimerAtQuorum, "a lease counts from when a majority answered, not from when it was asked"},
		{LeaseOverwriteLive, "an acceptor gives a lease away while another's lives"},
		{LeaseCountMessages, "an acceptor that answers twice counts as two"},
		{LeaseReleaseByOwner, "a late release ends a lease that its owner took later"},
		{LeaseNoIncarnation, "an answer to a node's former life counts in its next"},
		{LeaseShortQuarantine, "an acceptor votes again before what it forgot has ended"},
		{LeaseTwoVotersAtOnce, "two voters come or go in one step"},
		{LeaseChangeUnagreed, "a holder goes to new voters before anybody has agreed"},
		{LeaseForgetPending, "a new holder does not finish the change that an old one may have got agreed"},
		{LeaseStaleEpoch, "an acceptor serves those who ask under voters that have been replaced"},
		{LeaseStaleRound, "an answer to an earlier round prolongs the lease as one to this round does"},
		{LeaseForgetPromise, "an acceptor's promise is told before it is durable"},
	}
}

// known reports whether a mutant has that name.
func known(n Name) bool {
	is := func(m Mutant) bool { return m.Name == n }
	return slices.ContainsFunc(All(), is) || slices.ContainsFunc(Lease(), is)
}
