package ledger

import "crypto/ed25519"

// Sign lets tests write entries that no ledger would.
func Sign(e *Entry, key ed25519.PrivateKey) ([]byte, error) {
	c, err := newCodec()
	if err != nil {
		return nil, err
	}
	return c.sign(e, key)
}

// DecodeProof lets tests read proofs of forks.
func DecodeProof(data []byte) (*Entry, error) {
	c, err := newCodec()
	if err != nil {
		return nil, err
	}
	return c.decodeProof(data)
}

// Names for tests of what is private.
var (
	EncodeProof  = encodeProof
	ReadEnvelope = readEnvelope
	IsProof      = isProof
	MetaCharter  = metaCharter
)

// Bounds and numbers for tests.
const (
	ProofSeq                 = proofSeq
	MetaFloor                = metaFloor
	MaxRegisters             = maxRegisters
	MaxWaiting               = maxWaiting
	MaxWaitingPerAuthor      = maxWaitingPerAuthor
	MaxWaitingBytes          = maxWaitingBytes
	MaxWaitingBytesPerAuthor = maxWaitingBytesPerAuthor
	MaxShown                 = maxShown
)

// WaitingRoom returns how many records wait, and their bytes.
func (l *Ledger) WaitingRoom() (count, bytes int) {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.waiting.count, l.waiting.bytes
}

// BoundStatements has only the first n statements of a feed looked into.
func (l *Ledger) BoundStatements(n int) {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.fold.bounds.statements = n
}
