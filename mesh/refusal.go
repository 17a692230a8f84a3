package mesh

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText bounds a refusal's text, bytes; longer ones are cut.
const maxText = 512

var codes = []string{CodeFleet, CodeCredential, CodeHeld, CodeDropped, codeTwice, CodeOther}

// refusalOf makes a refusal of what a gate said.
func refusalOf(err error) *Refusal {
	var r *Refusal
	if !errors.As(err, &r) {
		return &Refusal{Code: CodeOther, Text: plain(err.Error())}
	}
	return &Refusal{Code: r.Code, Text: plain(r.Text)}
}

// foreignRefusal makes a refusal of what a peer wrote, which may be anything.
func foreignRefusal(code, text string) *Refusal {
	if !slices.Contains(codes, code) {
		code = CodeOther
	}
	return &Refusal{Code: code, Text: plain(text), ByRemote: true}
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
