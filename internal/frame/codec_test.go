package frame

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"selvage/internal/canon"
)

func TestCodec(t *testing.T) {
	c, err := NewCodec(canon.Bounds{Array: 16, Depth: 4}, 20)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, s := range []string{"one", strings.Repeat("x", 20)} {
		if err := c.Write(&b, []string{s}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	if err := c.Read(&b, &got); err != nil || len(got) != 1 || got[0] != "one" {
		t.Errorf("%q, %v", got, err)
	}
	if err := c.Read(&b, &got); !errors.Is(err, ErrLong) {
		t.Errorf("longer than is read: %v", err)
	}
	if err := c.Read(bytes.NewReader([]byte{0, 1, 0xff}), &got); err == nil {
		t.Error("what is no value is read")
	}
}
