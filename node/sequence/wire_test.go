package sequence

import (
	"bytes"
	"slices"
	"testing"

	"selvage/internal/ident"
)

func codec(t testing.TB) Codec {
	c, err := NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// FuzzWire: what is read as a claim or an answer is written and read again as the same.
func FuzzWire(f *testing.F) {
	c := codec(f)
	var claim, answer bytes.Buffer
	if err := c.WriteClaim(&claim, Claim{"app", "s1", 2, true, false}); err != nil {
		f.Fatal(err)
	}
	if err := c.WriteAnswer(&answer, 7, Answer{Ahead: []ident.NodeID{{1}, {2}}}); err != nil {
		f.Fatal(err)
	}
	f.Add(claim.Bytes())
	f.Add(answer.Bytes())
	f.Add([]byte{0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, err := c.ReadClaim(bytes.NewReader(data)); err == nil {
			var again bytes.Buffer
			if err := c.WriteClaim(&again, got); err != nil {
				t.Fatal(err)
			}
			if back, err := c.ReadClaim(&again); err != nil || back != got {
				t.Fatalf("%+v, then %+v, %v", got, back, err)
			}
		}
		if epoch, got, err := c.ReadAnswer(bytes.NewReader(data)); err == nil {
			var again bytes.Buffer
			if err := c.WriteAnswer(&again, epoch, got); err != nil {
				t.Fatal(err)
			}
			if e, back, err := c.ReadAnswer(&again); err != nil || e != epoch || back.Go != got.Go || !slices.Equal(back.Ahead, got.Ahead) {
				t.Fatalf("%+v, then %+v, %v", got, back, err)
			}
		}
	})
}

func TestClaimsThatNobodyMakes(t *testing.T) {
	c := codec(t)
	for _, claim := range []Claim{{}, {Deployment: "app"}, {Deployment: string(make([]byte, maxText+1)), Max: 1}} {
		var b bytes.Buffer
		if err := c.WriteClaim(&b, claim); err != nil {
			t.Fatal(err)
		}
		if got, err := c.ReadClaim(&b); err == nil {
			t.Errorf("read %+v", got)
		}
	}
}
