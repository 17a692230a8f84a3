package ledger_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"selvage/internal/ident"
	"selvage/ledger"
	"selvage/ledger/memlog"
	"selvage/ledger/trust"
)

// seedsOf has records of every kind, one of them a proof.
func seedsOf(t testing.TB) (*fleet, []ledger.Record) {
	f := newFleet(t, oneOperator())
	a, admission := f.admitted("a", "s1")
	b := a.backup(ledger.Durable)
	deployment, _ := f.deploy(ledger.Deployment{Name: "app", Generation: 1, Declared: epoch}, "op")
	one, other := a.write(ledger.KindCommand, "", "key", nil), b.write(ledger.KindCommand, "", "", nil)
	return f, []ledger.Record{admission, one,
		a.write(ledger.KindRelease, "", "", f.release("app", "1", "x", 0, "op")),
		a.write(ledger.KindDeployment, "", "", deployment),
		a.write(ledger.KindCharter, "", "", marshal(t, signCharter(t, operators(1, "op", "o2").charter(2), "op"))),
		a.write(ledger.KindReport, "s1", "report", []byte("x")),
		{Feed: one.Feed, Seq: ledger.ProofSeq, Data: ledger.EncodeProof(one.Data, other.Data, true)},
	}
}

// FuzzDecode: bytes are an entry only if its author signed them, and then they are its one form.
func FuzzDecode(f *testing.F) {
	_, records := seedsOf(f)
	for _, r := range records {
		f.Add(r.Data)
	}
	k := keyOf("node a")
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := ledger.Decode(data); err != nil && !isRefusal(err) {
			t.Errorf("an error that callers do not know: %v", err)
		}
		if len(data) <= ed25519.SignatureSize {
			return
		}
		// Signed by the author of the seeds, so that what lies behind the signature is reached.
		body := data[:len(data)-ed25519.SignatureSize]
		signed := append(bytes.Clone(body), ed25519.Sign(k, append([]byte("selvage entry 1\x00"), body...))...)
		e, err := ledger.Decode(signed)
		if err != nil {
			return
		}
		again, err := ledger.Sign(e, k)
		must(t, err)
		if !bytes.Equal(again, signed) {
			t.Errorf("%x became %x", signed, again)
		}
	})
}

// FuzzProof: what is read as a proof proves something.
func FuzzProof(f *testing.F) {
	_, records := seedsOf(f)
	f.Add(records[len(records)-1].Data)
	f.Add([]byte("selvage fork 1\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if e, err := ledger.DecodeProof(data); err == nil && e == nil || err != nil && !isRefusal(err) {
			t.Errorf("%v, %v", e, err)
		}
	})
}

// FuzzParseFeed: a feed has one name.
func FuzzParseFeed(f *testing.F) {
	_, records := seedsOf(f)
	for _, r := range records {
		f.Add(r.Feed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if feed, err := ledger.ParseFeed(key); err == nil && feed.Key() != key {
			t.Errorf("%q became %q", key, feed.Key())
		}
	})
}

func payload(t testing.TB, body []byte) []byte {
	env, err := ledger.ReadEnvelope(body)
	must(t, err)
	data, err := env.DecodeB64Payload()
	must(t, err)
	return data
}

// FuzzDecodeRelease: what is read can be signed again, and says the same.
func FuzzDecodeRelease(f *testing.F) {
	fl := newFleet(f, oneOperator())
	f.Add(payload(f, fl.release("app", "1", "x", 0, "op")))
	f.Add([]byte(`{"_type":"https://in-toto.io/Statement/v1"}`))
	with := releaseOf("app", "2", "x", 0)
	with.Artifacts[0].Patches = patchesOf(2)
	signed, err := ledger.SignRelease(with, keyOf("op"))
	must(f, err)
	f.Add(payload(f, marshal(f, signed)))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ledger.DecodeRelease(data)
		if err != nil {
			return
		}
		env, err := ledger.SignRelease(r, keyOf("op"))
		must(t, err)
		again, err := ledger.DecodeRelease(payload(t, marshal(t, env)))
		must(t, err)
		if again.Ref() != r.Ref() || again.Type != r.Type || len(again.Artifacts) != len(r.Artifacts) || !again.Created.Equal(r.Created) ||
			!reflect.DeepEqual(patchesIn(again), patchesIn(r)) {
			t.Errorf("%+v became %+v", r, again)
		}
	})
}

// patchesIn lists a release's patches; none and an empty list are the same.
func patchesIn(r ledger.Release) (all []ledger.Patch) {
	for _, a := range r.Artifacts {
		all = append(all, a.Patches...)
	}
	return all
}

// FuzzDecodeDeployment: what is read can be signed again, and says the same.
func FuzzDecodeDeployment(f *testing.F) {
	fl := newFleet(f, oneOperator())
	body, _ := fl.deploy(ledger.Deployment{Name: "app", Generation: 1, Declared: epoch}, "op")
	f.Add(payload(f, body))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := ledger.DecodeDeployment(data)
		if err != nil {
			return
		}
		env, err := ledger.SignDeployment(d, keyOf("op"))
		must(t, err)
		again, err := ledger.DecodeDeployment(payload(t, marshal(t, env)))
		must(t, err)
		if again.Name != d.Name || again.Generation != d.Generation || !again.Declared.Equal(d.Declared) {
			t.Errorf("%+v became %+v", d, again)
		}
	})
}

// FuzzDecodeRevocation: what is read can be signed again, and says the same.
func FuzzDecodeRevocation(f *testing.F) {
	fl := newFleet(f, oneOperator())
	for _, r := range []ledger.Revocation{
		{Subject: ledger.SubjectNode, ID: keyedNode("x"), Site: "s1", Reason: "stolen"},
		{Subject: ledger.SubjectKey, ID: keyID("op"), Keeps: []string{keyID("op"), "00112233445566778899aabbccddeeff"}},
		{Subject: ledger.SubjectInvite, ID: "00112233445566778899aabbccddeeff", Keeps: []string{keyedNode("x")}},
	} {
		body, _ := fl.revoke(r, "op")
		f.Add(payload(f, body))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ledger.DecodeRevocation(data)
		if err != nil {
			return
		}
		env, err := ledger.SignRevocation(r, keyOf("op"))
		must(t, err)
		again, err := ledger.DecodeRevocation(payload(t, marshal(t, env)))
		must(t, err)
		if again.Subject != r.Subject || again.ID != r.ID || again.Site != r.Site || !slices.Equal(again.Keeps, r.Keeps) || !again.Declared.Equal(r.Declared) {
			t.Errorf("%+v became %+v", r, again)
		}
	})
}

// FuzzDecodeSite: what is read as a site config is the same when it is written.
func FuzzDecodeSite(f *testing.F) {
	fl := newFleet(f, oneOperator())
	a, b := fl.author("a").id, fl.author("b").id
	for _, c := range []ledger.SiteConfig{
		{Site: "s1", Generation: 1, Declared: epoch, Witnesses: []ident.NodeID{a, b}},
		{Site: "s1", Generation: 2, Declared: epoch, Supersedes: []string{keyID("op")}, Issuers: []ledger.Issuer{{Node: a, Life: trust.DefaultLifetime, Expires: epoch.Add(time.Hour)}}},
	} {
		body, _ := fl.site(c, "op")
		f.Add(payload(f, body))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ledger.DecodeSite(data)
		if err != nil {
			return
		}
		env, err := ledger.SignSite(c, keyOf("op"))
		must(t, err)
		again, err := ledger.DecodeSite(payload(t, marshal(t, env)))
		must(t, err)
		if !slices.Equal(again.Witnesses, c.Witnesses) || len(again.Issuers) != len(c.Issuers) || again.Site != c.Site || again.Generation != c.Generation ||
			!again.Declared.Equal(c.Declared) {
			t.Errorf("%+v became %+v", c, again)
		}
	})
}

// FuzzReadEnvelope: what is read can be written, and is the same then.
func FuzzReadEnvelope(f *testing.F) {
	fl := newFleet(f, oneOperator())
	f.Add(fl.release("app", "1", "x", 0, "op"))
	f.Add([]byte(`{"payloadType":"x","payload":"","signatures":[{"keyid":"","sig":""}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		env, err := ledger.ReadEnvelope(data)
		if err != nil {
			return
		}
		again, err := ledger.ReadEnvelope(marshal(t, env))
		must(t, err)
		if !bytes.Equal(marshal(t, again), marshal(t, env)) {
			t.Errorf("%+v became %+v", env, again)
		}
		if _, err := env.DecodeB64Payload(); err == nil {
			if _, err := ledger.Digest(env); err != nil {
				t.Error(err)
			}
		}
	})
}

// FuzzEntryBody: whatever a member writes, alone or in a feed that it forked, the ledger stays up
// and says the same after a restart.
func FuzzEntryBody(f *testing.F) {
	fl, records := seedsOf(f)
	for _, r := range records[:len(records)-1] {
		e, err := ledger.Decode(r.Data)
		must(f, err)
		f.Add(uint8(e.Kind), e.Body)
	}
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		if len(body) > ledger.MaxBody {
			return
		}
		fl := fl.in(t)
		a, admission := fl.admitted("a", "s1")
		b := a.backup(ledger.Durable)
		log := new(memlog.Log)
		l := fl.open("watcher", log)
		l.OfferAll([]ledger.Record{admission, a.write(ledger.Kind(kind), "", "", body), b.write(ledger.Kind(kind), "s1", "", body), b.write(ledger.KindCommand, "", "x", nil), b.write(ledger.Kind(kind), "", "y", body)})
		equalOrFatal(t, viewOf(t, l), viewOf(t, fl.openBare("watcher", log)))
	})
}

// FuzzStored: whatever the log's metadata and entries are, opening it fails or succeeds.
func FuzzStored(f *testing.F) {
	fl, records := seedsOf(f)
	charter := marshal(f, fl.chain[0])
	for _, r := range records {
		f.Add(r.Feed, r.Seq, r.Data, []byte{0, 0, 1, 0, 0, 0, 0, 0}, charter)
	}
	f.Add("", uint64(0), []byte{}, []byte("short"), []byte("{}"))
	f.Add(records[0].Feed, uint64(ledger.ProofSeq+1), records[0].Data, []byte{}, charter)
	f.Fuzz(func(t *testing.T, feed string, seq uint64, data, floor, charter []byte) {
		log := new(memlog.Log)
		must(t, log.Commit(ledger.Batch{Put: []ledger.Item{{Feed: feed, Seq: seq, Data: data}},
			Meta: map[string][]byte{ledger.MetaFloor: floor, ledger.MetaCharter(1): charter}}))
		l, err := ledger.Open(ledger.Config{Log: log, Key: keyOf("node a"), Fleet: fl.id})
		if err != nil {
			return
		}
		l.Nodes()
		l.Releases()
		l.Root([]string{""})
		l.Now()
		if _, err := l.Entries(); err != nil {
			t.Error(err)
		}
	})
}

// FuzzOffer: whatever a peer sends, it is stored only if its author signed it.
func FuzzOffer(f *testing.F) {
	fl, records := seedsOf(f)
	for _, r := range records {
		f.Add(r.Feed, r.Seq, r.Data)
	}
	f.Fuzz(func(t *testing.T, feed string, seq uint64, data []byte) {
		l := fl.in(t).watcher()
		l.OfferAll(records)
		outcome, err := l.Offer(ledger.Record{Feed: feed, Seq: seq, Data: data})
		if (outcome == ledger.Rejected) != (err != nil) || err != nil && !isRefusal(err) {
			t.Errorf("outcome %v, %v", outcome, err)
		}
		if outcome == ledger.Stored {
			t.Error("stored what no author wrote")
		}
	})
}

// FuzzLearn: whatever charters a peer shows, only the fleet's count.
func FuzzLearn(f *testing.F) {
	fl, _ := seedsOf(f)
	f.Add(marshal(f, fl.chain))
	f.Add([]byte(`[{}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var envelopes []trust.Envelope
		if json.Unmarshal(data, &envelopes) != nil {
			return
		}
		l := fl.in(t).openBare("watcher", new(memlog.Log))
		if err := l.Learn(envelopes); (err == nil) != (l.Chain() != nil) {
			t.Errorf("learnt %v, %v", l.Chain(), err)
		}
	})
}
