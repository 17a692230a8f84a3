// Package gossip spreads news: a Replicator keeps a log equal on all nodes of a fleet, and a
// Membership knows which nodes of one site are alive. Both work over streams between nodes that
// have proven who they are (Network). The log's entries are opaque bytes to gossip.
//
// # Words
//
// A record is a number and bytes in a feed. A feed's mark is its highest number and a digest of
// what is kept of it; a frontier is the marks of all feeds; the root is a digest of the frontier.
// A site feed must not leave its site. A peer is local if it is of this node's site, a mate if it
// is also a live member of it.
//
// # Replication
//
// Records travel in two ways. Push sends a new record to the neighbours at once. That is quick but
// forgetful: a full queue or a broken stream loses records. Sessions repair what push lost and what
// a cut kept away: soon after PeerUp, after a lost push, on Kick, and at a slow pace for ever, with
// one peer after the other. A node initiates one session at a time, so that after a heal its
// neighbours do not all send it the same. Sessions of the slow pace only peek, whether roots differ;
// when two peeks some seconds apart have found that, there is more to it than what is on its way.
//
// Records cross the edge between two sites on chosen links only. The two mates that come first in a
// rendezvous order choose one link each, a node that is alone in its site two; the choice holds for
// both directions. So sites and chosen links are a random graph in which each picks two, which is
// connected almost surely, and a record crosses the edge of a site about twice each way, however
// many links there are. A link that is chosen in the place of one that is gone has a session soon. What
// a session finds to have been missed makes its link a chosen one for ten minutes. A record of a feed
// that is urgent overtakes all others: it crosses on every link, without that wait, before what waits in a
// queue, and in a session it comes first; it waits for no more than the frame that is being written. Within a site, a node pushes what it wrote, and what came over the edge, to all local
// peers; what came from a mate goes round once more only where a node is not connected to all its
// mates, and then through the two that come first in the feed's rendezvous order.
//
// In a large fleet links rest (Config.Rest): one that has carried what there was across the edge carries the next when that time
// is over, or when it fills a frame. So what pours in, as when the fleet starts or reports on a release, goes in few and large frames,
// and of what both ends have got from others most is known to have crossed before it is sent back. Inside the site
// a record waits a 32nd of it for others. What comes alone finds a link that has rested. And where links rest, a node that has
// two across the edge begins with a peek on any further one, and sessions across it are short and follow each other, so that a newcomer
// has what it lacks from several and nothing from all of them. Who has been chosen by more than eight asks each further one to choose another link, and
// serves it only if ten seconds later it still has no other: the node that all who join a fleet meet first would send everything to everybody. For the same
// reason it serves eight sessions across the edge at a time where links rest, and breaks further ones off.
//
// The owner calls PeerUp and PeerDown as connections come and go, and Push for every record that
// the log has stored, with the peer that it came from.
//
// # Frames
//
// Both stream protocols carry frames: a length of 4 bytes, big-endian, from 1 to 262,144, and as
// many bytes of deterministic CBOR (RFC 8949, section 4.2), a map with these keys:
//
//	1 kind     1 root, 2 same, 3 frontier, 4 wants, 5 records, 6 done,
//	           7 differs, 8 buckets, 9 ask, 10 choose
//	2 root     32 bytes                                      kind 1
//	3 local    the sender holds the other to be local        kinds 1, 3 and 8
//	4 marks    see below                                     kind 3
//	5 wants    see below                                     kind 4
//	6 records  arrays of feed, number and data               kind 5
//	7 last     no more frames of this kind follow            kind 3
//	8 stored   how many records were new to the sender       kind 6
//	9 more     the sender had more than a session holds      kind 6
//	10 peek    only whether roots differ is asked            kind 1
//	11 buckets digests of marks, or bits; see below          kinds 8 and 9
//	12 chosen  the sender has chosen the link                kind 10
//	13 full    the sender has been chosen by many, and asks  kind 10
//	           that another link be chosen
//
// Absent is zero; other keys are ignored. Marks and wants are strings of bytes, one after another:
//
//	mark: feed hash (8 bytes: SHA-256 of the name, cut), number (unsigned varint), digest (8 bytes)
//	want: feed hash (8 bytes), number after which records are wanted (unsigned varint)
//
// A frontier of 64 feeds or more is not shown as a whole. Its marks are put into 8 to 256 buckets, a
// power of two, by the first bits of the feed's hash; the digest of a bucket is the first 4 bytes of
// the SHA-256 of its marks, written as above, by hash. The answer is a bit for each bucket that
// differs, the lowest of a byte first, and the frontier that follows is of these buckets.
//
// A push stream, /selvage/push/1, is frames of kinds 5 and 10 in one direction, for as long as both
// sides are up; a link is not chosen until the sender says so, and when the stream ends. A session,
// /selvage/sync/1, is:
//
//	initiator            responder
//	root            ──►
//	                ◄──  same, or, to a peek, differs, and the session ends;
//	                     or frontier, frontier, ... last; or buckets
//	ask             ──►  (if there were buckets)
//	                ◄──  frontier, frontier, ... last
//	wants, ...      ──►  (where the responder is ahead, or digests differ)
//	records, ...    ──►  (where the initiator is ahead, or digests differ)
//	done            ──►
//	                ◄──  records, ... done
//
// Where two digests differ at one number the whole feed goes both ways, as either side may lack
// something in the middle; where a session cannot hold all of it, or is cut, the initiator's next one has what follows, by the want-list too. Each
// side sends up to 16 MiB of records. A session that brought anything new is followed by another at once, up to 4
// times, and one that hit its bound by up to 15: records that had to wait for another feed are judged then. Where
// such sessions have brought nothing, they come later each time. A cut in the middle loses nothing, as every frame
// of records is durable before the next is read.
//
// # Peers that misbehave
//
// A frame that cannot be read, one out of turn, or eight rejected records within a minute: the
// peer's streams are cut, it is ignored for a minute, and Config.Misbehaved is told. Errors that
// wrap ErrNotStored are this node's own trouble and blame nobody.
//
// # Membership
//
// Membership is serf over memberlist, whose packets and streams go through Network streams:
// /selvage/serf-packet/1 has packets of up to 16 KiB, each after its length (2 bytes, big-endian);
// /selvage/serf-stream/1 is memberlist's own protocol. Serf knows a node by the text of its ID and
// a synthetic address under fd00::/8 that is computed from the ID. Only members of the site are
// listened to, whatever they say comes from the address of the peer that has proven itself, and
// news of nodes that are not of the site is ignored; so are serf's events, queries and prunings, and what is compressed, which no node sends. A crash is seen within some 12 s.
//
// Membership is an opinion. Two nodes may disagree for as long as they like, and after a cut both
// sides see the other as dead. Never derive a quorum from it, nor that only one node acts: it is
// good for choosing whom to ask first, and for showing people who is there.
//
// # Bounds
//
//	a frame                256 KiB
//	a record               feed 128 bytes, data 140 KiB
//	a session              16 MiB of records each way (64 KiB across the edge where links rest), 10 min, 30 s in which a frame
//	                       has not moved on by 4 KiB, or to its end
//	a frontier             262,144 feeds, 256 buckets
//	a record across        waits up to 100 ms, for others and lest it is on its way here too, and until the link has rested
//	a neighbour's queue    1,024 records, 4 MiB; beyond it a session is due in a second; what is urgent
//	                       takes the place of the newest that is not
//	sessions               one initiated at a time; one served per peer, the newest, once the one before has ended
//	packets to a member    64 wait; beyond that they are dropped
//	streams of serf        4 that one member has opened, at a time, of 8 MiB; more are closed. A state of 4,096 members, and 1 MiB of serf
package gossip
