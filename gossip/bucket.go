package gossip

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/bits"
)

// Marks are put into buckets by the first bits of their feed's hash, so that two nodes whose frontiers
// differ a little need not show each other all of them.
const (
	bucketFeeds  = 8   // in a bucket, about
	maxBuckets   = 256 // a power of two
	bucketDigest = 4   // bytes; where two are equal by chance, marks that differ there stay hidden until either changes
)

// buckets returns how many buckets a frontier is put into: 1, or a power of two from 8 on.
func buckets(feeds int) int {
	n := 1 << bits.Len(uint(feeds/bucketFeeds))
	if n < 8 {
		return 1
	}
	return min(n, maxBuckets)
}

// bucketOf returns the bucket of a feed, one of n.
func bucketOf(h feedHash, n int) int { return int(h[0]) * n / 256 }

// bucketDigests returns the digests of n buckets, one after another.
func bucketDigests(f frontier, n int) []byte {
	out := make([]byte, 0, n*bucketDigest)
	var marks []byte
	for i := range n { // in order, as the frontier is
		marks = marks[:0]
		for len(f) > 0 && bucketOf(f[0].Feed, n) == i {
			marks, f = f[0].appendTo(marks), f[1:]
		}
		sum := sha256.Sum256(marks)
		out = append(out, sum[:bucketDigest]...)
	}
	return out
}

// bucketCount returns how many buckets a peer's digests are of. Errors wrap errFrame.
func bucketCount(digests []byte) (int, error) {
	n := len(digests) / bucketDigest
	if len(digests)%bucketDigest != 0 || n < 8 || n > maxBuckets || bits.OnesCount(uint(n)) != 1 {
		return 0, fmt.Errorf("%w: digests of %d bytes", errFrame, len(digests))
	}
	return n, nil
}

// differing returns a bit for each bucket, the lowest of a byte first, that is set where two lists of
// digests differ. If they are the same, though the roots are not, it sets all.
func differing(mine, theirs []byte) []byte {
	n := len(theirs) / bucketDigest
	out := make([]byte, n/8)
	for i := range n {
		if at := i * bucketDigest; !bytes.Equal(mine[at:at+bucketDigest], theirs[at:at+bucketDigest]) {
			out[i/8] |= 1 << (i % 8)
		}
	}
	if bytes.Equal(mine, theirs) {
		return bytes.Repeat([]byte{0xff}, n/8)
	}
	return out
}

// inBuckets returns the part of a frontier that is in the buckets whose bits are set.
func inBuckets(f frontier, set []byte, n int) (out frontier) {
	for _, m := range f {
		if i := bucketOf(m.Feed, n); set[i/8]&(1<<(i%8)) != 0 {
			out = append(out, m)
		}
	}
	return out
}
