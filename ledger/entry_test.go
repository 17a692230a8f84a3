package ledger_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"

	"selvage/internal/ident"
	"selvage/ledger"
	"selvage/ledger/memlog"
)

func isRefusal(err error) bool {
	return errors.Is(err, ledger.ErrMalformed) || errors.Is(err, ledger.ErrSignature)
}

// TestAlteredEntry: no entry with one bit changed, one byte more or one less is taken.
func TestAlteredEntry(t *testing.T) {
	f := newFleet(t, oneOperator())
	a, admission := f.admitted("a", "s1")
	l := f.watcher()
	offer(t, l, ledger.Stored, admission)
	r := a.write(ledger.KindRelease, "s1", "key", []byte("body"))
	refuse := func(what string, at int, data []byte) {
		t.Helper()
		outcome, err := l.Offer(ledger.Record{Feed: r.Feed, Seq: r.Seq, Data: data})
		if outcome != ledger.Rejected || !isRefusal(err) {
			t.Fatalf("%s at %d: outcome %v, %v", what, at, outcome, err)
		}
	}
	for i := range r.Data {
		for bit := range 8 {
			data := bytes.Clone(r.Data)
			data[i] ^= 1 << bit
			refuse("a bit", i, data)
		}
		refuse("a byte less", i, slicesDelete(r.Data, i))
		refuse("cut short", i, r.Data[:i])
	}
	refuse("a byte more", len(r.Data), append(bytes.Clone(r.Data), 0))
	offer(t, l, ledger.Stored, r)
}

func slicesDelete(data []byte, i int) []byte { return append(bytes.Clone(data[:i]), data[i+1:]...) }

// TestMisaddressed: an entry counts only as what it is.
func TestMisaddressed(t *testing.T) {
	f := newFleet(t, oneOperator())
	a, admission := f.admitted("a", "s1")
	b, other := f.admitted("b", "s1")
	l := f.watcher()
	offer(t, l, ledger.Stored, admission, other)
	r := a.write(ledger.KindCommand, "", "", nil)
	for name, change := range map[string]func(*ledger.Record){
		"another's feed": func(r *ledger.Record) { r.Feed = ledger.Feed{Author: b.id, Lane: ledger.Durable}.Key() },
		"another lane":   func(r *ledger.Record) { r.Feed = ledger.Feed{Author: a.id, Lane: ledger.Register}.Key() },
		"another scope":  func(r *ledger.Record) { r.Feed += "s1" },
		"another number": func(r *ledger.Record) { r.Seq++ },
		"a proof":        func(r *ledger.Record) { r.Seq = ledger.ProofSeq },
	} {
		x := r
		change(&x)
		if outcome, err := l.Offer(x); outcome != ledger.Rejected || !errors.Is(err, ledger.ErrMalformed) {
			t.Errorf("%s: outcome %v, %v", name, outcome, err)
		}
	}
}

func TestForeignFleet(t *testing.T) {
	f, g := newFleet(t, oneOperator()), newFleet(t, operators(1, "op", "another"))
	a, admission := g.admitted("a", "s1")
	l := f.watcher()
	for _, r := range []ledger.Record{admission, a.write(ledger.KindReport, "", "", nil)} {
		if outcome, err := l.Offer(r); outcome != ledger.Rejected || !errors.Is(err, ledger.ErrMalformed) {
			t.Errorf("outcome %v, %v", outcome, err)
		}
	}
	if err := l.Learn(g.chain); err == nil {
		t.Error("took the charter of another fleet")
	}
}

// TestGap: entries may come in any order; one that is missing holds up those after it.
func TestGap(t *testing.T) {
	f := newFleet(t, oneOperator())
	a, admission := f.admitted("a", "s1")
	l := f.watcher()
	two, three, four := a.write(ledger.KindCommand, "", "", nil), a.write(ledger.KindCommand, "", "", nil), a.write(ledger.KindCommand, "", "", nil)
	end := func(want uint64) {
		t.Helper()
		if got := maps.Collect(l.Frontier([]string{""}))[two.Feed].Seq; got != want {
			t.Errorf("the feed ends at %d, want %d", got, want)
		}
	}
	offer(t, l, ledger.Waiting, three)
	end(0)
	offer(t, l, ledger.Stored, admission)
	offer(t, l, ledger.Waiting, four)
	end(1)
	offer(t, l, ledger.Stored, two)
	end(4)
	outcomes, _ := f.watcher().OfferAll([]ledger.Record{four, three, two, admission})
	for i, o := range outcomes {
		if o != ledger.Stored {
			t.Errorf("record %d of a batch that holds all: outcome %v", i, o)
		}
	}
}

// TestOneForm: an entry that says the same in other bytes is refused, though its author signed it.
func TestOneForm(t *testing.T) {
	f := newFleet(t, oneOperator())
	a, admission := f.admitted("a", "s1")
	l := f.watcher()
	offer(t, l, ledger.Stored, admission)
	r := a.write(ledger.KindReport, "", "", nil)
	body := r.Data[:len(r.Data)-ed25519.SignatureSize]
	sign := func(body []byte) []byte {
		return append(bytes.Clone(body), ed25519.Sign(a.key, append([]byte("selvage entry 1\x00"), body...))...)
	}
	if !bytes.Equal(sign(body), r.Data) {
		t.Fatal("the test signs in another way")
	}
	for name, other := range map[string][]byte{
		"a longer number": append([]byte{0x8a, 0x18, 1}, body[2:]...),
		"a longer head":   append([]byte{0x98, 10}, body[1:]...),
		"a tag":           append([]byte{0xc1}, body...),
		"bytes after it":  append(bytes.Clone(body), 0),
		"no fixed length": append(append([]byte{0x9f}, body[1:]...), 0xff),
	} {
		if outcome, err := l.Offer(ledger.Record{Feed: r.Feed, Seq: r.Seq, Data: sign(other)}); outcome != ledger.Rejected || !errors.Is(err, ledger.ErrMalformed) {
			t.Errorf("%s: outcome %v, %v", name, outcome, err)
		}
	}
}

// TestFormat pins the bytes of an entry, which are for good.
func TestFormat(t *testing.T) {
	k := keyOf("format")
	e := &ledger.Entry{Version: 1, Author: ident.FromPrivateKey(k), Seq: 7, Prev: make([]byte, 32), Time: 5 << 16, Kind: ledger.KindRelease,
		Scope: "s1", Key: "key", Body: []byte("body")}
	data, err := ledger.Sign(e, k)
	must(t, err)
	author := hex.EncodeToString(e.Author[:])
	want := "8a015820" + strings.Repeat("00", 32) + "5820" + author + "075820" + strings.Repeat("00", 32) + "1a00050000" + "04" + "627331" + "636b6579" + "44626f6479"
	if got := hex.EncodeToString(data[:len(data)-ed25519.SignatureSize]); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var items []any
	must(t, cbor.Unmarshal(data[:len(data)-ed25519.SignatureSize], &items))
	if len(items) != 10 {
		t.Errorf("an array of %d", len(items))
	}
	back, err := ledger.Decode(data)
	must(t, err)
	if back.Seq != 7 || back.Key != "key" || string(back.Body) != "body" || back.Kind.String() != "release" || ledger.Kind(99).String() != "kind 99" {
		t.Errorf("got %+v", back)
	}
}

func TestParseFeed(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := ledger.Feed{Author: ident.NodeID(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(rt, "author")),
			Lane:  rapid.SampledFrom([]ledger.Lane{ledger.Durable, ledger.Register, ledger.Urgent}).Draw(rt, "lane"),
			Scope: rapid.StringMatching(`([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?`).Draw(rt, "scope")}
		back, err := ledger.ParseFeed(f.Key())
		if err != nil || back != f {
			rt.Fatalf("%v became %v, %v", f, back, err)
		}
	})
	author := strings.Repeat("a", 32)
	for _, bad := range []string{"", author, author + "x", author + "dS", author + "d-", author + "d" + strings.Repeat("s", 64), author + "d\x00", author + "d!"} {
		if _, err := ledger.ParseFeed(bad); !errors.Is(err, ledger.ErrMalformed) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestProof: a proof is taken on its own word, from anyone, and only if it proves something.
func TestProof(t *testing.T) {
	f := newFleet(t, oneOperator())
	a, admission := f.admitted("a", "s1")
	b := a.backup(ledger.Durable)
	one, two := a.write(ledger.KindCommand, "", "", nil), a.write(ledger.KindCommand, "", "", nil)
	other, next := b.write(ledger.KindCommand, "", "x", nil), b.write(ledger.KindCommand, "", "x", nil)
	site := a.write(ledger.KindCommand, "s1", "", nil)
	report := a.write(ledger.KindReport, "", "", nil)
	low, high := one.Data, other.Data
	if bytes.Compare(low, high) > 0 {
		low, high = high, low
	}
	good := ledger.EncodeProof(one.Data, other.Data, true)
	cases := map[string]struct {
		proof []byte
		ok    bool
	}{
		"one number":            {good, true},
		"a link":                {ledger.EncodeProof(one.Data, next.Data, false), true},
		"the same entry":        {ledger.EncodeProof(one.Data, one.Data, true), false},
		"the wrong order":       {ledger.EncodeProof(high, low, false), false},
		"what follows":          {ledger.EncodeProof(one.Data, two.Data, false), false},
		"a link backwards":      {ledger.EncodeProof(next.Data, one.Data, false), false},
		"feeds of two scopes":   {ledger.EncodeProof(admission.Data, site.Data, false), false},
		"feeds of two lanes":    {ledger.EncodeProof(admission.Data, report.Data, false), false},
		"nothing":               {[]byte("selvage fork 1\x00"), false},
		"less than its lengths": {[]byte("selvage fork 1\x00\xff\xff\xff\xff"), false},
		"cut short":             {good[:len(good)-1], false},
		"too long":              {append(bytes.Clone(good), make([]byte, 3*ledger.MaxEntry)...), false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			l := f.watcher()
			offer(t, l, ledger.Stored, admission)
			r := ledger.Record{Feed: one.Feed, Seq: ledger.ProofSeq, Data: c.proof}
			if !c.ok {
				outcome, err := l.Offer(r)
				if outcome != ledger.Rejected || !isRefusal(err) || len(l.Forks()) != 0 {
					t.Errorf("outcome %v, %v, forks %v", outcome, err, l.Forks())
				}
				return
			}
			offer(t, l, ledger.Stored, r)
			offer(t, l, ledger.Known, r, one, other)
			if n, _ := l.Node(a.id); n.Quarantined == "" {
				t.Errorf("got %+v", n)
			}
		})
	}
	l := f.watcher()
	offer(t, l, ledger.Waiting, ledger.Record{Feed: one.Feed, Seq: ledger.ProofSeq, Data: good})
	offer(t, l, ledger.Stored, admission)
	if len(l.Forks()) != 1 {
		t.Error("the proof that waited for its author's admission is lost")
	}
}

func TestAlteredProof(t *testing.T) {
	f := newFleet(t, oneOperator())
	a, admission := f.admitted("a", "s1")
	b := a.backup(ledger.Durable)
	one, other := a.write(ledger.KindCommand, "", "", nil), b.write(ledger.KindCommand, "", "x", nil)
	l := f.open("watcher", new(memlog.Log))
	offer(t, l, ledger.Stored, admission)
	proof := ledger.EncodeProof(one.Data, other.Data, true)
	for i := range proof {
		data := bytes.Clone(proof)
		data[i] ^= 1
		if outcome, err := l.Offer(ledger.Record{Feed: one.Feed, Seq: ledger.ProofSeq, Data: data}); outcome != ledger.Rejected || !isRefusal(err) {
			t.Fatalf("byte %d: outcome %v, %v", i, outcome, err)
		}
	}
}
