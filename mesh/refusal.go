package mesh

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a refusal, bytes. A text that is longer is cut, a proof left out.
const (
	maxText  = 512
	maxProof = 64 << 10
)

var codes = []string{CodeFleet, CodeCredential, CodeHeld, CodeDropped, codeTwice, CodeOther}

// refusalOf makes a refusal of what a gate said.
func refusalOf(err error) *Refusal {
	var r *Refusal
	if !errors.As(err, &r) {
		return &Refusal{Code: CodeOther, Text: plain(err.Error())}
	}
	out := &Refusal{Code: r.Code, Text: plain(r.Text)}
	if len(r.Proof) <= maxProof {
		out.Proof = r.Proof
	}
	return out
}

// foreignRefusal makes a refusal of what a peer wrote, which may be anything.
func foreignRefusal(v verdict) *Refusal {
	r := &Refusal{Code: CodeOther, Text: plain(v.Text), ByRemote: true}
	if slices.Contains(codes, v.Code) {
		r.Code = v.Code
	}
	if len(v.Proof) <= maxProof {
		r.Proof = v.Proof
	}
	return r
}

// plain cuts a text to its bound, and takes out what could play tricks on a terminal or a log.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	for len(text) > maxText {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}
