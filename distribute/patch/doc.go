// Package patch makes patches, which turn one version's blob into another's, and applies them.
//
// # Words
//
// Make reads an old and a new file and writes a patch. Apply reads the old file and the patch, as a
// stream, and writes the new file. A step adds differences to some old bytes; a literal is told as it
// is. The source is what steps refer to: old itself, or what a region of it inflates to. A region is
// a deflate stream inside a file.
//
// # How
//
// Long runs that both files have are found first, by a rolling hash over blocks; so only what they
// leave has to be indexed. Then a walk as bsdiff's pairs each stretch of new with one of old that it
// equals but for some bytes: between two builds of a program most code differs in addresses only,
// and the differences pack well.
//
// Files beyond a window, 256 MiB, are first held against each other by some of their shingles, which are found in both wherever
// they are: long equal runs are copied, and what is between them is cut into pieces of 32 MiB, each paired by steps with the
// stretch of old, of 64 MiB at most, that has most in common with it. If more than 256 MiB are to be told so, it would take
// too long: then pieces of 4 MiB are packed by zstd with a stretch of 8 MiB as its dictionary, some six times as fast and, for
// programs, seven times as large (BenchmarkReferences). Such a patch is one of references.
//
// Deflated data has no such stretches: one byte changes all that follow. So a region of new is
// told by what it inflates to, against the region of old that is most like it, and deflated again
// by the applier. The debugger's half of a Go program is such regions. Make does that only where
// compress/flate makes the very same stream, and a patch names the compress/flate that it was made
// with by a print of its work: an applier with another refuses the patch at its header.
//
// # Form
//
// Numbers are unsigned varints unless a length is given.
//
//	magic    8 bytes: SLVPATCH
//	version  1 byte: 1; a patch of references has 2 and another form, below
//	print    8 bytes of the SHA-256 of what compress/flate makes of a sample; see Print
//	old      the old file's length
//	frames   to the end
//
// A frame is three parts: operations, differences, literals. Each is
//
//	size     bytes, at most maxPart
//	packed   bytes, at most size; equal to it if the part is not compressed
//	bytes    a zstd frame (RFC 8878), or the part as it is
//
// An operation does not cross frames, and a frame's differences and literals are used up by its
// operations. An operation begins with n<<2 | kind:
//
//	1 copy   n bytes of the source
//	2 add    n bytes of the source, each plus the next of the differences
//	3 insert n literals
//	0 other  n says what:
//	    0    the end; nothing follows, neither in the frame nor after it
//	    1    old is the source, from its beginning
//	    2    a region is: its offset in old, length, and the length it inflates to, at most maxInflated
//	    3    the end of what is deflated
//	    4    what follows is deflated, at a level of compress/flate plus 2
//	    5    the place in the source moves, by a number in zigzag form
//
// Copying and adding move the place in the source on.
//
// A patch of references is
//
//	magic    8 bytes: SLVPATCH
//	version  1 byte: 2
//	old      the old file's length
//	entries  to the end
//
// An entry is
//
//	0        the end; nothing follows
//	1        a copy: offset in old, length
//	2        a piece: offset in old, length from there, at most maxReference, which is its dictionary; its length, at most
//	         maxPiece; that of what follows, at most its length
//	         a zstd frame (RFC 8878) with that dictionary, raw, as number 1; or the piece as it is, if it has its length
//
// # Trust
//
// A patch is checked by what it makes: Apply returns nil only if that has the length and the
// SHA-256 that the caller wants. What it has written before is not to be shown to anyone until
// then. A wrong or hostile patch can cost its own bytes, and bounded work:
//
//	written            want.Size bytes
//	held in memory     3 parts and the packed form of one, a region: 48 MiB; or a dictionary, a piece and its packed form: 16 MiB
//	inflated, deflated inflateMost bytes in all; each region and each deflated stretch counts as startCost more, and as its length if
//	                   it inflates to less
//	unpacked           unpackMost bytes in all
//	dictionaries       referMost bytes in all
//
// Make counts what is inflated and deflated in the same way, and leaves regions as they are where they
// would cost more; so it does with dictionaries. It does not count what is unpacked: what it writes unpacks to less than three bytes
// for each that it makes.
//
// # Memory
//
// Make holds both files if they fit a window, 512 MiB at most, or else a piece and a stretch, 96 MiB, and a table of old's shingles,
// 96 MiB at most; an index of at most maxSeeds positions, 320 MiB; one region of each file; and what the encoders leave to the
// garbage collector; nothing bounds the sum. A process that made a patch had 0.5 GiB resident for files of 136 MB without
// regions, and 1.02 GiB for files of 33 MB that were six regions near maxInflated each; Apply had 11 MiB and 43 MiB there. For files of
// 273 MB the heap grew by 0.87 GB, and by 0.30 GB by references; for Apply by 23 MB and 17 MB.
package patch
