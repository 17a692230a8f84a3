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
// and the differences pack well. One walk serves files of every size; larger ones are looked at in
// windows.
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
//	version  1 byte: 1
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
// # Trust
//
// A patch is checked by what it makes: Apply returns nil only if that has the length and the
// SHA-256 that the caller wants. What it has written before is not to be shown to anyone until
// then. A wrong or hostile patch can cost its own bytes, and bounded work:
//
//	written            want.Size bytes
//	held in memory     3 parts and the packed form of one, a region: 48 MiB
//	inflated, deflated inflateMost bytes in all
//	unpacked           unpackMost bytes in all
//
// Make counts what is inflated and deflated in the same way, and leaves regions as they are where they
// would cost more. It does not count what is unpacked: what it writes unpacks to less than three bytes
// for each that it makes.
//
// # Memory
//
// Make holds a window of each file, 256 MiB, an index of at most maxSeeds positions, one region of
// each file, and what the encoders leave to the garbage collector; nothing bounds the sum. A process
// that made a patch had 0.5 GiB resident for files of 136 MB without regions, and 1.02 GiB for files
// of 33 MB that were six regions near maxInflated each; Apply had 11 MiB and 43 MiB there. Of a file
// beyond a window Make does not find what moved further than that.
package patch
