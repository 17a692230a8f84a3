package ledger

import (
	"crypto/sha256"
	"maps"
	"slices"
)

// proofSeq is the number under which a closed feed's proof is kept and travels, above those of all
// entries. Entries of other branches follow it, numbered as each node likes.
const proofSeq = 1 << 62

// closedFeed is a feed that its author forked. What the author says of itself counts no more, but
// what operators signed stays in force on whichever branch it lies: an author must not be able to
// take an operator's word back by forking. So beside the branch that came first, entries of others
// are kept that carry an operator's word which is news, and nothing else; their number is bounded
// by what operators said, but for admissions that the author dates back. All nodes come to carry
// the same words, maybe by different entries.
type closedFeed struct {
	kept   []slot            // the proof and after it entries of other branches; their numbers begin with proofSeq
	words  map[string]string // what the entries of all branches carry: name to rank
	digest [8]byte           // of the words: equal for equal ones
}

// word is something self-certifying that an entry carries. Of two with one name, that of the
// lower rank counts.
type word struct{ name, rank string }

func (w word) hash() [sha256.Size]byte { return sha256.Sum256([]byte(w.name + "\x00" + w.rank)) }

// newClosedFeed begins with a proof; the hash is the proof's.
func newClosedFeed(hash [sha256.Size]byte) *closedFeed {
	c := &closedFeed{words: map[string]string{}}
	c.keep(hash)
	toggle(&c.digest, sha256.Sum256(forkPrefix))
	return c
}

func (c *closedFeed) clone() *closedFeed {
	return &closedFeed{kept: slices.Clone(c.kept), words: maps.Clone(c.words), digest: c.digest}
}

// keep gives a number to what is kept besides the feed's own branch.
func (c *closedFeed) keep(hash [sha256.Size]byte) (seq uint64) {
	seq = proofSeq + uint64(len(c.kept))
	c.kept = append(c.kept, slot{seq: seq, hash: hash})
	return seq
}

func (c *closedFeed) holds(hash [sha256.Size]byte) bool {
	return slices.ContainsFunc(c.kept, func(s slot) bool { return s.hash == hash })
}

// learn adds words and reports whether any of them was news.
func (c *closedFeed) learn(words []word) bool {
	news := false
	for _, w := range words {
		rank, ok := c.words[w.name]
		if ok && rank <= w.rank {
			continue
		}
		if ok {
			toggle(&c.digest, word{w.name, rank}.hash())
		}
		toggle(&c.digest, w.hash())
		c.words[w.name] = w.rank
		news = true
	}
	return news
}

// vouched reports whether entries of a kind may carry an operator's word.
func vouched(k Kind) bool {
	return k == KindAdmission || k == KindCharter || isStatement(k)
}

// vouch takes what operators say in an entry of a closed feed, past the bounds that hold for what
// anyone may write, and returns their words. Only keys of the chain's charters vouch for any; more
// says that a longer chain may find words that this one does not.
func (f *fold) vouch(e *Entry) (words []word, more bool) {
	switch {
	case e.Kind == KindAdmission:
		return f.vouchAdmission(e)
	case e.Kind == KindCharter:
		return f.vouchCharter(e)
	case isStatement(e.Kind):
		return f.vouchStatement(e)
	}
	return nil, false
}

func (f *fold) vouchAdmission(e *Entry) (words []word, more bool) {
	if _, err := e.claim.read(); err != nil {
		return nil, false
	}
	a, err := f.charters.admitClaim(e.claim)
	if err != nil {
		return nil, true
	}
	f.admit(a)
	return []word{{"admission/" + a.Serial, a.rank()}}, false
}

func (f *fold) vouchCharter(e *Entry) (words []word, more bool) {
	p, err := readProposal(e.Body)
	if err != nil {
		return nil, false
	}
	f.addCharter(p, false)
	if f.charters.holds(p.digest) {
		return []word{{"charter/" + p.digest, ""}}, false
	}
	return nil, p.version > f.charters.latest()
}

// vouchStatement takes a statement for the signatures on it that hold, each a word.
func (f *fold) vouchStatement(e *Entry) (words []word, more bool) {
	s, err := readStatement(e.Kind, e.Body)
	if err != nil {
		return nil, false
	}
	s.show(e.Feed().Key(), f.charters.keys)
	more = len(s.unknown) > 0
	if len(s.good) == 0 {
		return nil, more
	}
	for id := range s.good {
		words = append(words, word{"statement/" + s.digest + "/" + id, ""})
	}
	f.mergeStatement(s)
	return words, more
}
