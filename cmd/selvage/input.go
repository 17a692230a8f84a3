package main

import (
	"context"
	"fmt"
	"io"
	"os"
)

// stdio names standard input or output where a file is asked for.
const stdio = "-"

// input is what a command reads: a file, a pipe, or standard input. What a pipe or a person has to give may never come, so waiting for it ends
// with the command's context: a signal does not end this program by itself.
type input struct {
	io.Reader
	name string   // for people
	size int64    // bytes; 0 if that is not known
	file *os.File // nil: standard input
}

// openInput opens a file to be read; - is standard input. Close it.
func openInput(ctx context.Context, path string) (*input, error) {
	if path == stdio {
		return &input{Reader: standardInput(ctx), name: "standard input"}, nil
	}
	f, err := openFile(ctx, path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory, not a file", path)
	}
	if err != nil {
		_ = f.Close() // only read
		return nil, err
	}
	return &input{endingWith(ctx, f), path, info.Size(), f}, nil
}

// Close lets go of the file.
func (in *input) Close() {
	if in.file != nil {
		_ = in.file.Close() // only read
	}
}

// standardInput is what a person types, or what a pipe brings.
func standardInput(ctx context.Context) io.Reader { return endingWith(ctx, os.Stdin) }

// endingWith returns a reader of r whose Read ends with ctx, with the error of that. A read of r that is left behind then ends with the program.
func endingWith(ctx context.Context, r io.Reader) io.Reader {
	out, in := io.Pipe()
	context.AfterFunc(ctx, func() { _ = in.CloseWithError(ctx.Err()) }) // it never fails
	go func() {
		_, err := io.Copy(in, r)
		_ = in.CloseWithError(err) // likewise
	}()
	return out
}

// openFile opens what is there already. That of a pipe waits for its other end, and ends with ctx.
func openFile(ctx context.Context, path string, flag int) (*os.File, error) {
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened, 1)
	go func() {
		f, err := os.OpenFile(path, flag, 0)
		done <- opened{f, err}
	}()
	select {
	case o := <-done:
		return o.f, o.err
	case <-ctx.Done():
		return nil, ctx.Err() // who opens is left behind, and ends with the program
	}
}
