package gossip

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
)

const (
	maxMark  = 8 + binary.MaxVarintLen64 + 8 // bytes of a mark in a frame
	maxMarks = 1 << 18                       // feeds in a frontier
)

// feedHash stands for a feed's name on the wire: the first 8 bytes of its SHA-256. Whoever makes
// two of his own feeds collide hides one of them; to hit another's feed takes 2^64 tries.
type feedHash [8]byte

func hashFeed(feed string) feedHash {
	var name [MaxFeed]byte // not on the heap: a session hashes every feed a few times
	sum := sha256.Sum256(append(name[:0], feed...))
	return feedHash(sum[:8])
}

func (h feedHash) compare(o feedHash) int { return bytes.Compare(h[:], o[:]) }

// markEntry is one feed in a frontier.
type markEntry struct {
	Feed feedHash
	Mark Mark
}

// want asks for the records of a feed after a number.
type want struct {
	Feed  feedHash
	After uint64
}

// feedMark is one feed of a node's own frontier.
type feedMark struct {
	markEntry
	name string
}

// frontier is the marks of a node, by hash. A session hashes and sorts them once.
type frontier []feedMark

func frontierOf(marks iter.Seq2[string, Mark]) (f frontier) {
	for feed, mark := range marks {
		f = append(f, feedMark{markEntry{Mark: mark}, feed})
	}
	for i := range f {
		f[i].Feed = hashFeed(f[i].name)
	}
	slices.SortFunc(f, func(a, b feedMark) int { return a.Feed.compare(b.Feed) })
	return f
}

// find returns the mark of a feed.
func (f frontier) find(h feedHash) (m feedMark, ok bool) {
	i, ok := slices.BinarySearchFunc(f, h, func(m feedMark, h feedHash) int { return m.Feed.compare(h) })
	if !ok {
		return m, false
	}
	return f[i], true
}

func (f frontier) encode() []byte {
	b := make([]byte, 0, len(f)*20)
	for _, m := range f {
		b = m.appendTo(b)
	}
	return b
}

func (e markEntry) appendTo(b []byte) []byte {
	b = append(b, e.Feed[:]...)
	b = binary.AppendUvarint(b, e.Mark.Seq)
	return append(b, e.Mark.Digest[:]...)
}

// decodeMarks reads marks from a peer. Errors wrap errFrame.
func decodeMarks(b []byte) ([]markEntry, error) {
	var es []markEntry
	for len(b) > 0 {
		var e markEntry
		var err error
		if e.Feed, e.Mark.Seq, b, err = cutFeed(b); err != nil {
			return nil, err
		}
		if len(b) < len(e.Mark.Digest) {
			return nil, fmt.Errorf("%w: a mark is cut short", errFrame)
		}
		b = b[copy(e.Mark.Digest[:], b):]
		es = append(es, e)
	}
	return es, nil
}

func encodeWants(ws []want) []byte {
	b := make([]byte, 0, len(ws)*12)
	for _, w := range ws {
		b = append(b, w.Feed[:]...)
		b = binary.AppendUvarint(b, w.After)
	}
	return b
}

// decodeWants reads a want-list from a peer. Errors wrap errFrame.
func decodeWants(b []byte) ([]want, error) {
	var ws []want
	for len(b) > 0 {
		var w want
		var err error
		if w.Feed, w.After, b, err = cutFeed(b); err != nil {
			return nil, err
		}
		ws = append(ws, w)
	}
	return ws, nil
}

// cutFeed cuts a feed's hash and a number off the front of b.
func cutFeed(b []byte) (h feedHash, n uint64, rest []byte, err error) {
	if len(b) < len(h) {
		return h, 0, nil, fmt.Errorf("%w: a feed's hash is cut short", errFrame)
	}
	b = b[copy(h[:], b):]
	n, used := binary.Uvarint(b)
	if used <= 0 {
		return h, 0, nil, fmt.Errorf("%w: a number is cut short", errFrame)
	}
	return h, n, b[used:], nil
}
