// Package media puts releases into a file that people carry, and takes them out of it.
//
// # The file
//
// A CAR, version 1 (https://ipld.io/specs/transport/car/carv1), with one root: a UnixFS directory, so that any
// IPFS tool lists and extracts it.
//
//	about.json                    what the file is, and of which fleet
//	charters/00001.json ...       the chain of charters, each in its envelope
//	releases/NAME@VERSION.json    signed release statements; a / in the name is written ~
//	revocations/00001.json ...    signed revocations, the earliest first; no directory if there are none
//	sha256/HEX                    blobs: artifacts and patches of those releases
//
// Directories and documents are one block each: dag-pb and raw, CIDv1, SHA-256. A blob is the DAG that package store
// draws. Blocks come depth first, in the order of links, each once; that is how other tools write
// the same directory, and the same contents give the same bytes:
//
//	header    uvarint length; DAG-CBOR {"roots": [CID], "version": 1}
//	block     uvarint length of what follows; CID, 36 bytes; bytes
//
// What is signed comes before the blobs, so that a reader can judge it before it takes bytes.
//
// # Reading
//
// Each block has to be the one whose turn it is, so nothing has to be remembered of a block but where its bytes
// went: no cycle, no surplus, nothing in another order. Read ends with a file that was checked to its last byte,
// and nothing of it in the store. Keep puts the blobs there. This package knows of charters and
// statements only that they are documents; whether they count is for the caller's judge.
//
// # Bounds
//
//	a document      MaxDocument bytes
//	a directory     maxFolder bytes: some 2,000 blobs
//	before blobs    maxDocuments bytes
//	a blob          as package store has it
package media
