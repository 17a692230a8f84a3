// Command wasip1 builds a program of this module for GOOS=wasip1 GOARCH=wasm:
//
//	go run ./internal/wasip1 -o bin/selvage-replay.wasm ./cmd/selvage-replay
//
// All that Selvage depends on builds there, but for one file that hashicorp/go-sockaddr lacks. So the build is
// given a copy of that module with the file in it, by a go.mod of its own that has the one replaced
// by the other. The copy is in bin/wasip1, where every build finds it again: its path is written into the
// program, which otherwise would differ each time.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
)

// The module that does not build, and the file that it lacks: go-sockaddr has it for plan9 and js.
const (
	lacking = "github.com/hashicorp/go-sockaddr"
	file    = "route_info_wasip1.go"
	content = `package sockaddr

func getDefaultIfName() (string, error) { return "", ErrNoInterface }

func NewRouteInfo() (routeInfo, error) { return routeInfo{}, ErrNoRoute }

func (routeInfo) GetDefaultInterfaceName() (string, error) { return "", ErrNoInterface }
`
)

// copies is where patched modules are, below the root of this module.
const copies = "bin/wasip1"

func main() {
	out := flag.String("o", "", "the file to write")
	flag.Parse()
	if *out == "" || flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: wasip1 -o FILE PACKAGE")
		os.Exit(2)
	}
	if err := build(*out, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "wasip1: error:", err)
		os.Exit(1)
	}
}

func build(out, pkg string) error {
	gomod, err := output("go", "env", "GOMOD")
	if err != nil {
		return err
	}
	root := filepath.Dir(string(bytes.TrimSpace(gomod)))
	patched, err := patch(root)
	if err != nil {
		return fmt.Errorf("patch %s: %w", lacking, err)
	}
	dir, err := os.MkdirTemp("", "selvage-wasip1-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	mod, err := replace(root, dir, patched)
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-modfile", mod, "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOWORK=off")
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// patch returns the path below root of a copy, with the file added, of the module in the version that go.mod
// names. Its name says what is in it, and it appears whole, so that what is there is right.
func patch(root string) (string, error) {
	answer, err := output("go", "mod", "download", "-json", lacking)
	if err != nil {
		return "", err
	}
	var module struct{ Dir, Version string }
	if err := json.Unmarshal(answer, &module); err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(content))
	name := path.Join(copies, fmt.Sprintf("go-sockaddr-%s-%x", module.Version, sum[:4]))
	if _, err := os.Stat(filepath.Join(root, name)); err == nil {
		return name, nil
	}
	if err := os.MkdirAll(filepath.Join(root, copies), 0o777); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(filepath.Join(root, copies), "new-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	if err := os.CopyFS(temp, os.DirFS(module.Dir)); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(temp, file), []byte(content), 0o666); err != nil {
		return "", err
	}
	err = os.Rename(temp, filepath.Join(root, name))
	if errors.Is(err, fs.ErrExist) { // another build was faster
		err = nil
	}
	return name, err
}

// replace writes into dir a copy of this module's go.mod, with its go.sum beside it, that has patched
// in the module's place.
func replace(root, dir, patched string) (mod string, err error) {
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			return "", err
		}
	}
	mod = filepath.Join(dir, "go.mod")
	_, err = output("go", "mod", "edit", "-replace", lacking+"=./"+patched, mod)
	return mod, err
}

func output(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %v: %w", name, args, err)
	}
	return out, nil
}
