package canon

import (
	"bytes"
	"encoding/hex"
	"testing"
)

type plain struct {
	A int   `cbor:"1,keyasint,omitempty"`
	B []int `cbor:"2,keyasint,omitempty"`
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		what, data string
		known      bool
		ok         bool
	}{
		{"a map", "a10107", false, true},
		{"a field that nobody knows", "a20107" + "0901", false, true},
		{"the same where all have to be known", "a20107" + "0901", true, false},
		{"a key twice", "a201070108", false, false},
		{"a tag", "c1a10107", false, false},
		{"an open length", "bf0107ff", false, false},
		{"as many elements as may be", "a10290" + "01010101010101010101010101010101", false, true},
		{"one more", "a10291" + "0101010101010101010101010101010101", false, false},
		{"too deep", "a10981818181818101", false, false},
	} {
		_, dec, err := Modes(Bounds{Array: 16, Depth: 4, Known: c.known})
		if err != nil {
			t.Fatal(err)
		}
		data, err := hex.DecodeString(c.data)
		if err != nil {
			t.Fatal(err)
		}
		var p plain
		if err := dec.Unmarshal(data, &p); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

func TestWrite(t *testing.T) {
	enc, _, err := Modes(Bounds{Array: 16, Depth: 4})
	if err != nil {
		t.Fatal(err)
	}
	got, err := enc.Marshal(map[string]int{"bb": 2, "a": 1})
	if want := []byte{0xa2, 0x61, 'a', 1, 0x62, 'b', 'b', 2}; err != nil || !bytes.Equal(got, want) {
		t.Errorf("%x, %v, want %x", got, err, want)
	}
}

func TestBoundsOutOfBounds(t *testing.T) {
	if _, _, err := Modes(Bounds{Array: 1, Depth: 4}); err == nil {
		t.Error("arrays of one element at most are fine")
	}
}
