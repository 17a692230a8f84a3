// Package sequence has the leader of a site let its nodes change one after another: at most so many at once as a
// deployment says (maxUnavailable).
//
// A node that has fetched a new version, and runs an old one, asks the leader for a turn, and asks again every AskEvery for as
// long as it waits or changes. It changes when the leader says so, and tells when it has done, well or not. The leader
// keeps a Table, in memory only. Who is not heard of for Forget has lost his turn, as far as others are concerned.
//
// A new leader knows of no turns. It learns of those that were given from the nodes that have them, and until Settle has passed
// gives none of its own.
//
// What is promised: of the nodes that the leader hears of, no more than the bound change at once, but while two leaders follow
// each other faster than nodes ask. It is about service, and not about safety: a node that hears of no leader goes by itself
// in the end (Patience), and who was given a turn finishes what he began.
//
// The package does no I/O. Times are readings of a clock that does not go back.
package sequence
