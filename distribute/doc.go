// Package distribute gets blobs here, from whoever has them.
//
// A Swarm fetches blobs into a store and serves the store's blobs to peers. Whom to ask for what is
// distribute/planner's decision; the swarm moves the bytes. Every chunk is checked against its
// CID before it counts, so a peer can withhold, but not change.
//
// # Protocols
//
// Numbers are unsigned varints unless a length is given; a digest is 32 bytes.
//
// /selvage/have/1, control: one stream from each peer to the other, of messages
//
//	type     1 byte: 1 want, 2 unwant, 3 bitmap, 4 whole, 5 got, 6 share, 7 taking, 8 later, 9 urgent, 10 waits
//	digest
//	bitmap:  length, a store.Bitmap's form      the sender has these chunks
//	got:     count, then first and count of each run     the sender has these chunks too
//	taking:  runs as of got                     the sender asked other sites for these chunks, and for no others
//	share:   place, of      of all pieces the sender gives every of-th, from place on, to the receiver's site first
//
// Runs ascend and do not overlap. Later, want and urgent all want the blob, each of its Class; the newest counts. A peer that sent one is told what this node has of the blob, now
// and as it grows, until it sends unwant; one of its site is told too what it is getting over the uplink.
// Of other sites a node asks only those whom its plan needs to hear: see planner. Waits says that what the
// receiver asked for of the blob comes when something of a higher class has gone. Nothing
// else is told of blobs that were not asked for, but to nodes of the site what is taken over the uplink of what is not for later. News is
// gathered: for 50 ms where it is for a peer of the site, longer if that has more than 16, and for 1 s where it is for others. On a new
// stream nothing is wanted yet, and it takes the place of an older one: so whatever breaks a stream,
// the next begins with all that there is to say. The opener reads the stream only to see its end.
//
// /selvage/dag/1, control: the opener sends a digest and reads a status byte (0 ok, 1 not here)
// and the nodes of the blob's DAG as store.EncodeNodes writes them, to the end of the stream.
//
// /selvage/fetch/2, bulk: the opener sends a digest, and then requests: the number of runs,
// and for each the first chunk and how many. The answers come in order, for each run a status
// byte (0 ok, 1 not here, 2 packed) and, if ok, the bytes of its chunks; if packed, for each of its chunks a length,
// at most 64 more than the chunk's, and as many bytes; or 0 and the chunk, where that does not become smaller.
// The packed chunks of a stream are one frame of zstd (RFC 8878)
// with a window of at most 512 KiB, flushed after each, which is not ended. Other sites get them; mates get the bytes.
//
// /selvage/holder/1, control: the opener sends a digest and reads a status byte (0 whole, 1 in
// part, 2 nothing), and how many bytes of it are here, 8 bytes, big endian.
//
// # Trust
//
// A peer that sends what cannot be (a chunk, list or bitmap of another blob, bad form) is reported
// and, by the fetch that noticed, not asked again. One that gives nothing, or less than it promised,
// is asked less and less: see planner. It is reported too, once in a fetch, as one that need not have
// lied; so is one that asks for what it may not have.
//
// A chunk list is read node by node, each held against the hash by which it was linked, the first against
// the root that the release names. So it is known who is to blame: for a node with another hash its
// sender; for nodes that have theirs, and do not add up to the size that the release names or are not of
// a blob, the release. Such a release is not tried again for an hour.
//
// What each of these ends in, and the tests that show it. What is reported, node shows in its status: each cause once, and no
// more than so many (node.TestAlertsAreBounded).
//
//	lies in bitmaps, bad form         reported, put out                          TestBadHaves, TestEarlyBitmapOfAnotherBlob
//	corrupt, short, surplus, unasked  reported, put out                          TestLiars, TestLiarComesBack, node.TestCorruptPeer
//	slow, stalls, has it not          asked of others; reported, stays           TestLiars, TestGivesNothing, TestListDropByDrop, planner.TestMateOvertakesTheUplink
//	says for ever what it gets, wants waited for within bounds                   TestClaimsWithoutEnd, TestTakesWithoutEnd, TestWholeWithoutEnd, TestWantsWithoutEnd, TestWaitsWithoutEnd, planner.TestWordsWithoutBytes
//	a list that is not the blob's     reported, put out; of another root, stays  TestLiars, TestListOfAnotherRoot, store.TestListThatCircles
//	asks for all, or for too much     bounded; reported                          TestAsksForEverythingAtOnce, TestAsksForWhatItMayNotHave, TestDeafPeer, TestStreamsAreBounded
//	a release that does not add up    the fetch fails, says so, and rests        TestReleaseContradictsItself, node.TestReleaseContradictsItself, scenario contradicts
//	a DAG deep, huge, of tiny chunks  the same, after few bytes                  store.TestHostileLists
//	a full disk, at every write       the fetch fails, and goes on later         TestFetchOnAFullDisk, TestPatchOnAFullDisk, TestMendOnAFullDisk
//	a blob altered, cut or gone       not handed out; reported, mended           store.TestScrub, store.TestRotIsNotHandedOut, store.TestGoneIsNoticedByChunks, TestPartIsRemoved, TestPatchOfRottenBlobs, node.TestScrubMends
//	a wrong or hostile patch          refused; chunks instead                    TestPatchFaults, patch.TestHostile, node.TestBadPatches
//	a file carried by hand            taken whole or not at all                  media.TestHostile, media.TestAltered, media.TestDiskFull
//
// # Bounds
//
//	a run                        MaxRun bytes; a longer one is answered as not here
//	a request                    maxRuns runs
//	requests waiting on a stream maxQueued; the next is not read
//	blobs that a peer wants      maxWants; it is reported, and its stream ended
//	streams of a peer            maxStreams; the next is ended
//	portions of a stream         2 of sendBuffer: one is sent while the next is read
//	streams with packed chunks   maxPackers, 2.2 MB each; on others chunks go as they are
//	chunks waiting to be stored  slabMost slabs in all, 32 MiB; the next is not read
//	a chunk list                 store.MaxList of its blob's size; its sender is reported
//	news for a peer              maxNews chunks a blob; beyond, a bitmap is sent
//	waiting for mates' words     wordsMost on end, half of the time; the whole from a mirror: what it takes at wholeSlowest
//
// # Locks
//
// Swarm.mu is taken before a task's, that before a neighbour's or a fetcher's. None is held while
// a peer or the disk is waited for.
package distribute
