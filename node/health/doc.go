// Package health judges whether what was started works.
//
// Judge is the rule, a plain state machine: observations and the time go in, a verdict comes
// out. A workload is pending at first. It is healthy once every observation has been good for
// MinHealthy on end, and failed if that has not come about by the deadline. Both are
// final for one start of one release: a release that proved itself and breaks later is not
// ready, which Verdict.Ready says, but it has not failed to start.
//
// Watch is the shell around it: it probes an instance over HTTP, or where there is no probe
// looks whether it runs, and tells of each change of the verdict. Time in which it could not look, as this program stood still, does
// not count.
//
//	observation         is good if
//	HTTP probe          the answer's status is 2xx or 3xx, within Timeout; redirects are not followed
//	no probe            the phase is running
//	either              and the instance has not restarted since the last observation
package health
