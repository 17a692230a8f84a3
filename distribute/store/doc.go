// Package store keeps blobs, whole and in part.
//
// A blob is bytes named by their SHA-256. It is cut into chunks at places that its content
// chooses (FastCDC), so that the next version of a program shares most chunks with this one. The
// chunk list is a UnixFS DAG, whose root CID stands beside the digest in a release: whoever
// has the root can check every node of the DAG, and every chunk, on its own.
//
// # Words
//
// An Object is one blob as the store has it: its chunk list, once known, and which chunks are
// here. A complete object's bytes were checked against the blob's SHA-256.
//
// # On disk
//
//	oci-layout, index.json      an OCI image layout; the index lists the complete blobs, each with
//	                            its root and time of completion as annotations
//	blobs/sha256/<hex>          a complete blob, as it is
//	dag/<hex>                   the DAG's inner nodes, each before its children: uvarint length, bytes
//	partial/<hex>               a blob that is not complete, sparse
//	partial/<hex>.want          what it will be, JSON, and whether it was whole before it went bad here
//	partial/<hex>.have          the chunks that are here: CRC-32, then Bitmap's form
//	partial/<hex>.raw           the beginning of a blob that comes as one piece
//	partial/<hex>.at            how much of that was synced, and the state of its SHA-256: CRC-32,
//	                            length (8 bytes, big endian), the state as crypto/sha256 writes it
//	partial/add-<n>             a blob being added; removed at start
//
// Crash safety: a chunk is in the .have file only after its bytes were synced; a blob is in
// blobs/ only after its whole digest was checked and its bytes were synced; it is in the index
// after that. What a crash leaves in between is finished or removed by Open: a blob that has come to blobs/ and not into the
// index is read once more for that. A crash costs the chunks of the last SyncEvery at most.
//
// Whatever a file holds, Open opens the store: what cannot be read is as good as not here, and is healed from what can be. A blob
// that the index does not list, or whose chunk list is not that of its root, is read as a whole, and if it has the bytes of its name it
// is listed, with a list made anew. A .have file is made anew from the partial file; the chunk list of a part has to come
// again. What was read and is another's bytes is removed; what the disk does not give stays, for another start.
//
// Files of two blobs may share places on the disk, where the file system has that: see FillLocal. Each is still a file of its
// own; but what goes bad there, goes bad in both.
//
// # DAG
//
// Leaves are raw chunks, CIDv1, SHA-256. Inner nodes are dag-pb with UnixFS type File, links
// without names, and the blocksizes of their children. A node ends after a child whose CID's
// last byte is below a bound, and holds minLinks to maxLinks children; so an edit changes the
// nodes around it and leaves the others as they were. A blob of one chunk is its own root.
// Chunk and node boundaries are part of the format: a golden test pins them.
package store
