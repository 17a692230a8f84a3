package main

import (
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"selvage/ledger/trust"
)

// operatorKeyName is where init leaves the operator's key, in the state directory.
const operatorKeyName = "operator.key"

// keyFlag lets a command sign as an operator.
type keyFlag struct{ paths []string }

func (k *keyFlag) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&k.paths, "key", nil,
		"operator key file, once for each key that has to sign (or SELVAGE_KEY; default operator.key in the state directory)")
}

func (k *keyFlag) load(env *environment) ([]ed25519.PrivateKey, error) {
	paths := k.paths
	if p := os.Getenv("SELVAGE_KEY"); len(paths) == 0 && p != "" {
		paths = []string{p}
	}
	if len(paths) == 0 {
		paths = []string{filepath.Join(env.dir, operatorKeyName)}
	}
	var keys []ed25519.PrivateKey
	for _, p := range paths {
		key, err := readKey(p)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func readKey(path string) (ed25519.PrivateKey, error) {
	info, err := os.Stat(path)
	if os.IsNotExist(err) {
		return nil, hinted(fmt.Errorf("no operator key at %s", path), "name the key that 'selvage init' made with --key FILE")
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, hinted(fmt.Errorf("operator key %s is not a file", path), "name the key that 'selvage init' made with --key FILE")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, hinted(fmt.Errorf("operator key %s can be read by others", path), "chmod 600 "+path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := trust.ParseKey(data)
	if err != nil {
		return nil, fmt.Errorf("read operator key %s: %w", path, err)
	}
	return key, nil
}
