package lease

import "fmt"

// Held says under which config a lease is held, and with which token: what the ledger tells of it, for Machine.Learn.
type Held struct {
	Config Config
	Token  Token
}

type wireHeld struct {
	_       struct{} `cbor:",toarray"`
	Version uint64
	Config  wireConfig
	Epoch   uint64
	Ballot  wireBallot
}

func (h Held) check() error {
	if h.Config.Epoch == 0 || h.Token.Epoch == 0 || h.Token.Epoch > h.Config.Epoch {
		return fmt.Errorf("%w: a token of epoch %d under epoch %d", ErrMalformed, h.Token.Epoch, h.Config.Epoch)
	}
	if err := h.Config.check(); err != nil {
		return err
	}
	return checkBallot(h.Token.Ballot)
}

// Encode returns the one form of what is told.
func (h Held) Encode() ([]byte, error) {
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("encode held lease: %w", err)
	}
	return marshal(wireHeld{Version: wireVersion, Config: h.Config.wire(), Epoch: h.Token.Epoch, Ballot: h.Token.Ballot.wire()})
}

// DecodeHeld reads what Held.Encode writes, and nothing else. Errors wrap ErrMalformed.
func DecodeHeld(data []byte) (Held, error) {
	var w wireHeld
	if err := unmarshal(data, &w); err != nil {
		return Held{}, err
	}
	var r reader
	h := Held{Config: r.config(w.Config), Token: Token{w.Epoch, r.ballot(w.Ballot)}}
	return h, r.done(data, w.Version, h.check(), h.Encode)
}
