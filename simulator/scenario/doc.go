// Package scenario reads, checks, expands, writes and shrinks scenario files: stories that the
// simulator plays. A story says who is there (sites and their links), what goes wrong (faults), what
// people do (work), and what has to hold (invariants and budgets). The package plays nothing itself:
// it does no I/O and has no clock.
//
//	seed: 42
//	sites:
//	  - {name: s1, nodes: 5}
//	  - {name: s2, nodes: 3, uplink: {up: 1mbit, down: 8mbit, latency: 40ms, loss: 1%}}
//	faults:
//	  - {at: 30s, for: 10m, partition: [[s1], [s2]]}
//	  - {at: 1m, for: 30s, crash: s1/n2}
//	work:
//	  - {at: 5s, seed: {size: 20MB, from: s1/n0, name: app, version: v1}}
//	  - {at: 10s, deploy: {name: app, release: app@v1}}
//	always: [one_leader_per_site, epochs_grow, nothing_unsigned_runs]
//	eventually: {within: 2m, of: heal, check: [ledgers_equal, all_run: app@v1]}
//	budget: {uplink_ratio: 1.10}
//
// # Order of calls
//
// Parse reads a file strictly and tells all that is wrong with it, each with file, line and field.
// Expand draws the random faults. An engine plays what it gives. Where that failed, Minimize looks for
// a smaller scenario that fails too, and Marshal writes its file. One table of fields drives the
// parser, the writer, Schema and the section on fields below, so that they cannot disagree.
//
// # What it all means
//
// A node is called SITE/NODE. A site has the nodes n0, n1, ... from the start, and those that join.
// Times count from the start of the story, when the clocks show Epoch. Work comes before the faults of the
// same moment, and what a fault stopped runs again at the moment when it ends. All happens at its moment, but
// after work that takes a while, as at a node with a slow disk.
//
// A story that contradicts itself is refused: a crash of a node that is down, work at a node that is
// down, stands still, has not joined, or would have to write to a full disk, a deployment of what was not seeded
// before or to labels that no site has, a check of what is not deployed, a set of nodes parted from itself, a fault that
// outlasts the story. Other faults may overlap as they like, and each ends by itself: what clocks are off adds up, and of
// uplinks that become others the last to begin counts.
//
// # Values
//
// A duration is written as Go writes it, and may begin with days: 200us, 1h30m, 2d12h. A rate is in
// bits a second, with bit, kbit, mbit or gbit, which are decimal. A size is in bytes, with B, the decimal KB,
// MB, GB, TB, or the binary KiB, MiB, GiB, TiB. A share is a percentage or a fraction: 5% is 0.05. A drift
// is in ppm or seconds a second: 200ppm is 0.0002. Anchors, aliases and tags are refused, as is a
// second document, or a file of more than MaxFile bytes.
//
// # Fields
//
// Each field is given with its value and bounds, what it is for, and what holds where it is
// not given; where nothing is said of that, it is nought, false or empty. A fault has exactly one of the
// fields from partition to restore, and a piece of work exactly one from seed to issuer.
//
//	name: a text of at most 200 characters; what the story is about
//	seed: a whole number, 0 to 18446744073709551615; what all randomness comes from
//	duration: a duration, 1s to 366d; virtual time at which the story ends at the latest; otherwise
//	    after all that is said to happen, with half as long again
//	sites: a list of at most 1000 of a mapping; who is there; has to be given
//	  name: a name; what the site is called; has to be given
//	  count: a whole number, 1 to 1000; how many such sites there are; a number from 0 on follows their
//	      name; otherwise one, of that name
//	  nodes: a whole number, 1 to 250; how many nodes are there from the start, at most 250 with those
//	      that join, and 5000 in all sites; they are called n0, n1, ...; has to be given
//	  labels: at most 32 of LABEL: VALUE; labels of each of its nodes
//	  lan: a mapping; the links among its nodes
//	    latency: a duration, 0s to 1m; one way
//	    jitter: a duration, 0s to 1m; how far a packet's latency may be off
//	    loss: a share, 0% to 100% or 0 to 1; of packets, each by itself
//	    burst: a mapping; loss that comes in bursts (Gilbert-Elliott)
//	      bad: a share, 0% to 100% or 0 to 1; probability, at each packet, that a burst begins
//	      good: a share, 0% to 100% or 0 to 1; probability, at each packet, that it ends
//	      loss: a share, 0% to 100% or 0 to 1; of packets in a burst
//	    queue: a size, 0 to 1GiB; what waits at most in front of the link; otherwise 0, which is the
//	        network's own
//	    codel: true or false; whether the queue is kept short (RFC 8289)
//	    mtu: a whole number, 0 to 65535; bytes of a packet on the wire; at least 576; otherwise 0, which
//	        is 1500
//	    reorder: a share, 0% to 100% or 0 to 1; of packets that overtake others
//	    duplicate: a share, 0% to 100% or 0 to 1; of packets that arrive twice
//	  uplink: a mapping; the link to other sites, which its nodes share
//	    up: a rate, 0 to 1000gbit; bits a second from the site; otherwise 0, which is no limit
//	    down: a rate, 0 to 1000gbit; bits a second to the site; otherwise 0, which is no limit
//	    duty: a mapping; when the link is up; otherwise {}, which is always
//	      up: a duration, 0s to 366d; how long it is up each time
//	      every: a duration, 0s to 366d; from one time to the next; not less than up
//	      offset: a duration, 0s to 366d; when the first time begins; less than every
//	    budget: a mapping; how much each of its directions carries; otherwise {}, which is no bound
//	      bytes: a size, 0 to 1000TB; how much; otherwise 0, which is no bound
//	      every: a duration, 0s to 366d; in which time; otherwise 0s, which is in all
//	    nat: one of cone, symmetric; what translates addresses between the site and the others;
//	        otherwise nothing does
//	    latency, jitter, loss, burst, queue, codel, mtu, reorder, duplicate: as in sites.lan
//	faults: a list of at most 10000 of a mapping; what goes wrong, and when
//	  at: a duration, 0s to 366d; when it begins; has to be given
//	  for: a duration, 0s to 366d; how long it lasts; otherwise 0s, which is for good; what is restored
//	      goes on at once
//	  partition: a list of at most 1000 of a list of at most 1000; sets of places, two at least, that
//	      cannot reach each other
//	  cut: a mapping; nothing gets from one place to another; the other way it does
//	    from: a SITE or SITE/NODE; where it is sent; has to be given
//	    to: a SITE or SITE/NODE; where it does not arrive; has to be given
//	  isolate: a SITE or SITE/NODE; a place that can reach nobody beyond it
//	  crash: a SITE or SITE/NODE; a place that stops as if killed, and starts again in the end
//	  powercut: a SITE or SITE/NODE; likewise, and what was not synced to disk may be lost
//	  clock: a mapping; a place whose clock is wrong
//	    on: a SITE or SITE/NODE; whose; has to be given
//	    jump: a duration, -36525d to 36525d; how far it is put forward
//	    set: a time: a year, a date like 1970-01-31, or one like 1970-01-31T12:00:00Z; what it is put
//	        to, instead of jump
//	    drift: a drift, -500000ppm to 500000ppm; what it gains of the time that passes
//	  pause: a SITE or SITE/NODE; a place that stands still; what comes for it meanwhile waits
//	  suspend: a SITE or SITE/NODE; likewise; what comes for it meanwhile is lost
//	  diskfull: a SITE or SITE/NODE; a place that cannot write
//	  slowdisk: a mapping; a place that is slow to make anything durable
//	    on: a SITE or SITE/NODE; what; has to be given
//	    sync: a duration, 1ms to 1m; how long each sync takes; has to be given
//	  degrade: a mapping; a site whose uplink becomes another
//	    on: a name; which site; has to be given
//	    uplink: a mapping; what changes; the rest stays as the site has it; has to be given
//	      up, down, latency, jitter, loss, burst, queue, codel, mtu, reorder, duplicate, duty, budget:
//	          as in sites.uplink
//	  poison: a SITE or SITE/NODE; a place that serves corrupt chunks
//	  rot: a SITE or SITE/NODE; a place where a byte of every blob on the disk becomes another, at once
//	  forge: a SITE or SITE/NODE; a place that hands out what others wrote with signatures that do not
//	      hold
//	  restore: a mapping; a place that is stopped, and goes on from a backup in the end
//	    on: a SITE or SITE/NODE; what; has to be given
//	    from: a duration, 0s to 366d; when the backup was made; not after at; has to be given
//	random: a list of at most 100 of a mapping; faults drawn from the seed
//	  every: a duration, 1ms to 366d; from one fault to the next, on average; they come at nought to
//	      twice that; has to be given
//	  after: a duration, 0s to 366d; when the first may begin
//	  before: a duration, 1ms to 366d; when no more begin; all are over the longest for after it; has to
//	      be given
//	  kinds: a list of at most 13 of one of partition, cut, isolate, crash, powercut, pause, suspend,
//	      clock, diskfull, slowdisk, poison, forge, restore; which kinds are drawn, each as likely as
//	      the others; has to be given
//	  on: a list of at most 1000 of a SITE or SITE/NODE; where; a site stands for one of its nodes where
//	      crash, pause, suspend, clock, diskfull, slowdisk, poison, forge or restore is drawn; otherwise
//	      any node
//	  for: a duration or two, 1ms to 366d; how long each lasts: a time, or [SHORTEST, LONGEST];
//	      otherwise [5s, 1m]
//	work: a list of at most 10000 of a mapping; what people do, and when
//	  at: a duration, 0s to 366d; when it is done; has to be given
//	  seed: a mapping; a release is made
//	    size: a size, 1B to 1TB; of its blob; has to be given
//	    from: a SITE/NODE; at which node; otherwise the first node
//	    name: a name; of the release; has to be given
//	    version: a version; of the release; has to be given
//	    change: a share, 0% to 100% or 0 to 1; how much is new of the last release of this name; all of
//	        it if this is the first; otherwise 100%
//	    places: a whole number, 1 to 10000; in how many places that is, as far from each other as they
//	        can be; otherwise 1, at random
//	    repeats: a share, 0% to 100% or 0 to 1; how much of what is new repeats what went before, as in
//	        programs, and can be packed; otherwise 0, which is noise
//	    wrong: one of digest, size, root; what its release says wrongly of it; otherwise nothing
//	  deploy: a mapping; a release is declared to run
//	    name: a name; of the deployment; otherwise the release's
//	    release: a NAME@VERSION; which release; it was seeded before; has to be given
//	    from: a SITE/NODE; at which node it is declared; otherwise that which seeded it
//	    selector: at most 32 of LABEL: VALUE; labels of the nodes that run it; otherwise all nodes
//	    singleton: true or false; whether it runs in each site on the node that leads it alone;
//	        otherwise false
//	    at_once: a whole number, 0 to 1000; how many nodes of a site may change to it at once; otherwise
//	        0, all of them
//	    healthy: a duration, 0s to 1h; how long a node that changed has to stay healthy to count;
//	        otherwise 0s
//	    urgent: true or false; whether its blobs come before all others; otherwise false
//	    windows: a list of at most 16 of a window, MINUTE HOUR DAY MONTH WEEKDAY DURATION [ZONE]; when
//	        nodes may change to it; they fetch it ahead; otherwise at any time
//	    not_before: a duration, 0s to 366d; when they may at the earliest; otherwise 0s, at once
//	  join: a mapping; a node joins a site
//	    site: a name; which site; has to be given
//	    name: a name; what the node is called; has to be given
//	  uplink: a mapping; the use of an uplink is held, let go or limited
//	    on: a SITE or SITE/NODE; whose; has to be given
//	    held: true or false; whether nothing may use it; otherwise as it was
//	    up: a rate, 0 to 1000gbit; limit, where 0 is none; otherwise as it was
//	    down: a rate, 0 to 1000gbit; limit, where 0 is none; otherwise as it was
//	    windows: a list of at most 16 of a window, MINUTE HOUR DAY MONTH WEEKDAY DURATION [ZONE]; when
//	        blobs may cross it; [] is at any time; otherwise as it was
//	    cap: a size, 0 to 1000TB; how much may cross it in a month, both ways together, before blobs
//	        wait; 0 is no cap; otherwise as it was
//	  charter: a mapping; the fleet's charter is amended: one more key may sign releases
//	    from: a SITE/NODE; at which node; has to be given
//	  lock: a mapping; programs take a lock of their site, over and over, from then on: one on each node
//	      of a place
//	    name: a name; of the lock; has to be given
//	    on: a SITE or SITE/NODE; where; has to be given
//	    hold: a duration, 1ms to 1h; how long they hold it each time, unless they lose it; has to be
//	        given
//	    rest: a duration, 0s to 1h; how long they do without it after that
//	  revoke: a mapping; a node is revoked: put out of the fleet
//	    node: a SITE/NODE; which node; has to be given
//	    from: a SITE/NODE; at which node, another one; has to be given
//	    reason: a line of text; why; otherwise none
//	  witness: a mapping; a node of another site may vote on who leads a site, or not any more
//	    site: a name; for which site, another one; has to be given
//	    from: a SITE/NODE; at which node that is said; has to be given
//	    remove: true or false; whether it may not any more; otherwise false
//	    node: as in work.revoke
//	  yield: a mapping; the node that leads a site is told to give that up
//	    on: a SITE or SITE/NODE; where; nothing happens if no node there leads; has to be given
//	  mirror: a mapping; a web server has a copy of a node's blobs from then on, for who can get them
//	      from no node; it is no part of the network, whose faults do not concern it
//	    of: a SITE/NODE; whose blobs, as they are then; has to be given
//	    on: a SITE or SITE/NODE; who may ask it; has to be given
//	    rate: a rate, 0 to 1000gbit; of each connection; otherwise 0, which is no limit
//	  issuer: a mapping; a node may renew the credentials of its site's members, while it leads
//	    life: a duration, 1m to 400d; how long a renewed credential is good for; otherwise 90d
//	    node, from: as in work.witness
//	always: a list of at most 100 of INVARIANT or INVARIANT: ARGUMENT; invariants that hold at every
//	    moment
//	sometimes: a list of at most 100 of INVARIANT or INVARIANT: ARGUMENT; invariants that hold at one
//	    moment at least
//	eventually: one, or a list of at most 100 of a mapping; invariants that come to hold, and by when
//	  within: a duration, 1ms to 366d; how long it may take; has to be given
//	  of: start, heal, work, or a time like 5m; from when on: start, heal (the end of the last fault),
//	      work (the last of it), or a time like 5m; otherwise heal
//	  check: one, or a list of at most 100 of INVARIANT or INVARIANT: ARGUMENT; which invariants hold
//	      then, all at once; has to be given
//	budget: a mapping; what the whole story may cost
//	  uplink_ratio: a ratio, 0 to 1000; bytes down each uplink against the ideal, which is each block
//	      once; a site that was to get a release has to have it in the end; otherwise 0, which is no
//	      bound
//	  blob_ratio: a ratio, 0 to 1000; the same of blobs only; otherwise 0, which is no bound
//	  blob_bytes: a size, 0 to 1TB; of blobs, patches among them, down each uplink; otherwise 0, which
//	      is no bound
//	  makespan: a duration, 0s to 366d; from the last deploy until all run it; otherwise 0s, which is no
//	      bound
package scenario
