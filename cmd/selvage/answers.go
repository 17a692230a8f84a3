package main

import (
	"fmt"
	"io"
	"os"
)

// answers is where answers go. It notes when one could not be written: a command whose answer is lost has failed, whatever it did.
type answers struct {
	io.Writer
	err error // of the first that was lost
}

func (a *answers) Write(p []byte) (int, error) {
	n, err := a.Writer.Write(p)
	if err == nil {
		return n, nil
	}
	err = fmt.Errorf("the answer is lost: %w", err)
	if a.err == nil {
		a.err = err
	}
	return n, err
}

// fileOf returns the file that w writes to; nil if it is none.
func fileOf(w io.Writer) *os.File {
	if a, ok := w.(*answers); ok {
		w = a.Writer
	}
	f, _ := w.(*os.File)
	return f
}
