package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

// terminal returns what tells how large the terminal is that w writes to; nil if it is none, or one that cannot write over what it shows.
func terminal(w io.Writer) func() (width, height int) {
	f := fileOf(w)
	if f == nil || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return func() (int, int) {
		width, height, err := term.GetSize(int(f.Fd()))
		if err != nil || width <= 0 || height <= 0 { // a serial line does not tell
			return 80, 24
		}
		return width, height
	}
}
