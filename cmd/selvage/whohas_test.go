package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"selvage/node/api"
)

// TestPrintHolders: that nobody holds a release has one exit code, whatever the form of the answer.
func TestPrintHolders(t *testing.T) {
	for format, want := range map[string]string{"table": "", "json": "[]\n"} {
		var out bytes.Buffer
		err := printHolders(&environment{out: &out, format: format}, "app@v1", []api.Holder{})
		var f *failure
		if !errors.As(err, &f) || f.code != exitNotFound || out.String() != want {
			t.Errorf("%s, nobody: %v, %q", format, err, out.String())
		}
		out.Reset()
		err = printHolders(&environment{out: &out, format: format}, "app@v1", []api.Holder{{Name: "n1", Complete: true}})
		if err != nil || !strings.Contains(out.String(), "n1") {
			t.Errorf("%s, one: %v, %q", format, err, out.String())
		}
	}
}
