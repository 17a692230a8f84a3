// Package exchange gives the blocks of blobs by their CIDs, as IPFS tools ask for them: it is boxo's exchange.Interface
// over a swarm.
//
// A swarm fetches blobs and not blocks: peers tell each other which chunks of a blob they have, and are never asked who has a block. So an
// Exchange has to know a blob before its blocks can be asked for, which is what releases name it by: digest, size and
// root. Who asks for the root has the whole blob fetched, to its end, and gets the blocks as they come. A block of a blob
// whose root nobody has asked for yet is waited for.
package exchange
