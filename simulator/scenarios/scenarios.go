// Package scenarios has the scenarios that are shipped. Those in long are not in the program.
package scenarios

import (
	"embed"
	"io/fs"
)

//go:embed *.yaml
var files embed.FS

// Names returns the file names of all, in the order of the alphabet.
func Names() []string {
	list, err := fs.Glob(files, "*.yaml")
	if err != nil { // the pattern is right
		panic(err)
	}
	return list
}

// Read returns the text of one; fs.ErrNotExist is in the error's chain if there is none of that file name.
func Read(name string) ([]byte, error) { return files.ReadFile(name) }
