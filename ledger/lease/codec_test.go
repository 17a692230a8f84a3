package lease

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"
)

func samples() []Message {
	b := Ballot{7, Incarnation{2, 99}, nodeID(1)}
	c := Config{Epoch: 3, Voters: voters(0, 1, 2)}
	change := &Change{Ballot{6, Incarnation{1, 5}, nodeID(2)}, voters(0, 1)}
	return []Message{
		{Kind: Prepare, Ballot: b, Config: c, Life: b.Incarnation, Clock: time.Second},
		{Kind: Promise, Ballot: b, Config: c, Change: change},
		{Kind: Accept, Ballot: b, Config: c, Life: b.Incarnation, Round: 1, Change: &Change{b, voters(0, 1, 2, 3)}, Doubt: true},
		{Kind: Accepted, Ballot: b, Config: c, Round: 9},
		{Kind: Refuse, Ballot: b, Config: Config{}, Promised: b, Remaining: time.Second},
		{Kind: Release, Ballot: b, Config: c, Life: b.Incarnation},
	}
}

func TestCodec(t *testing.T) {
	for _, m := range samples() {
		data, err := m.Encode()
		if err != nil {
			t.Fatalf("%s: %v", m.Kind, err)
		}
		if again, err := DecodeMessage(data); err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("%+v became %+v, %v", m, again, err)
		}
		if _, err := DecodeMessage(append(data, 0)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s with a byte more: %v", m.Kind, err)
		}
	}
}

// TestLargest: what is as large as can be is within the bound.
func TestLargest(t *testing.T) {
	b := Ballot{maxNumber - 1, Incarnation{maxNumber - 1, ^uint64(0)}, nodeID(250)}
	c := Config{maxNumber - 2, voters(0, 1, 2, 3, 4, 5, 6)}
	change := &Change{b, voters(0, 1, 2, 3, 4, 5)}
	m := Message{Kind: Accept, Ballot: b, Config: c, Life: b.Incarnation, Clock: 1<<63 - 1, Round: maxNumber - 1, Change: change, Doubt: true}
	if data, err := m.Encode(); err != nil || len(data) > MaxEncoded {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if data, err := (Record{b.Incarnation, b, c, change}).Encode(); err != nil || len(data) > MaxEncoded {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}

func TestMessagesOutOfForm(t *testing.T) {
	for name, spoil := range map[string]func(*Message){
		"kind":              func(m *Message) { m.Kind = Release + 1 },
		"no ballot":         func(m *Message) { m.Ballot = Ballot{} },
		"counter":           func(m *Message) { m.Ballot.Counter = maxNumber },
		"no round":          func(m *Message) { m.Round = 0 },
		"round":             func(m *Message) { m.Round = released },
		"voters in reverse": func(m *Message) { m.Config.Voters = []Voter{{Node: nodeID(1)}, {Node: nodeID(0)}} },
		"witnesses only":    func(m *Message) { m.Config.Voters = []Voter{{nodeID(1), true}} },
		"no voters":         func(m *Message) { m.Config.Voters = nil },
		"eight voters":      func(m *Message) { m.Config.Voters = voters(0, 1, 2, 3, 4, 5, 6, 7) },
		"two at once":       func(m *Message) { m.Change = &Change{m.Ballot, voters(0, 1, 2, 3, 4)} },
		"remaining":         func(m *Message) { m.Remaining = 1 },
		"a clock before 0":  func(m *Message) { m.Clock = -1 },
	} {
		m := samples()[2]
		spoil(&m)
		if _, err := m.Encode(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeMessage(f *testing.F) {
	for _, m := range samples() {
		data, err := m.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := DecodeMessage(data)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("an error that callers do not know: %v", err)
			}
			return
		}
		if again, err := m.Encode(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%x became %x, %v", data, again, err)
		}
		// Whatever is in form, a machine takes it.
		node, _ := Start(nodeID(0), Defaults(), Record{Config: Config{Epoch: 1, Voters: voters(0, 1, 2)}}, 1, 0)
		node.Tick(time.Minute)
		for _, from := range []int{1, 2} {
			fx := node.Receive(2*time.Minute, nodeID(from), m)
			if fx.Record != nil {
				if _, err := fx.Record.Encode(); err != nil {
					t.Errorf("a record that cannot be written: %v", err)
				}
			}
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	b := Ballot{7, Incarnation{2, 99}, nodeID(1)}
	c := Config{Epoch: 3, Voters: voters(0, 1, 2)}
	for _, r := range []Record{{}, {Config: Found(nodeID(0))}, {Incarnation{1, 2}, b, c, &Change{b, voters(0, 1)}}} {
		data, err := r.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := DecodeRecord(data)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("an error that callers do not know: %v", err)
			}
			return
		}
		if again, err := r.Encode(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%x became %x, %v", data, again, err)
		}
		Start(nodeID(0), Defaults(), r, 1, 0)
	})
}

func FuzzDecodeHeld(f *testing.F) {
	b := Ballot{7, Incarnation{2, 99}, nodeID(1)}
	for _, h := range []Held{{Found(nodeID(0)), Token{1, b}}, {Config{Epoch: 3, Voters: voters(0, 1, 2)}, Token{2, b}}} {
		data, err := h.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := DecodeHeld(data)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("an error that callers do not know: %v", err)
			}
			return
		}
		if again, err := h.Encode(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%x became %x, %v", data, again, err)
		}
		m, _ := Start(nodeID(0), Defaults(), Record{Config: Found(nodeID(0))}, 1, 0)
		m.Learn(time.Second, nodeID(2), h.Config, h.Token)
	})
}

func TestHeldOutOfForm(t *testing.T) {
	b := Ballot{7, Incarnation{2, 99}, nodeID(1)}
	for name, h := range map[string]Held{
		"no config":              {Config{}, Token{1, b}},
		"no epoch":               {Found(nodeID(0)), Token{0, b}},
		"a token of a later one": {Found(nodeID(0)), Token{2, b}},
		"no ballot":              {Found(nodeID(0)), Token{1, Ballot{}}},
	} {
		if _, err := h.Encode(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTokenNumbers: numbers are in the order of tokens.
func TestTokenNumbers(t *testing.T) {
	configs := []Config{{Epoch: 1, Voters: voters(0, 1, 2)}, {Epoch: 2, Voters: voters(0, 1, 2, 3)}}
	var tokens []Token
	for epoch := range uint64(2) {
		for _, counter := range []uint64{1, 2, 300, 1 << 27} {
			for node := range 3 {
				for life := range uint64(2) {
					tokens = append(tokens, Token{epoch + 1, Ballot{counter, Incarnation{life + 1, 5}, nodeID(node)}})
				}
			}
		}
	}
	for i, a := range tokens {
		for _, b := range tokens[i+1:] {
			if x, y := a.Number(configs...), b.Number(configs...); a.Compare(b) >= 0 || x >= y || y >= 1<<53 {
				t.Errorf("%+v is %d, %+v is %d", a, x, b, y)
			}
		}
	}
}
