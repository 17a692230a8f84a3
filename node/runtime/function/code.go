package function

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"

	"selvage/internal/disk"
	"selvage/node/runtime"
	"selvage/node/runtime/internal/slots"
)

// sumFile lies in a slot and tells the sum of the machine code there. wazero itself has one over the instructions,
// but none over where functions begin: what it takes from a rotten disk can end the whole node.
const sumFile = "sum"

// checkCode removes machine code that is not as it was left.
func (d *Driver) checkCode(w runtime.Workload) error {
	slot := slots.Dir(w)
	sum, err := sumOf(d.config.FS, slot)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		var told []byte
		if told, err = disk.ReadFile(d.config.FS, path.Join(slot, sumFile), sha256.Size*2+1); err == nil && string(told) == sum {
			return nil
		}
	}
	if !errors.Is(err, fs.ErrNotExist) { // else it was never finished, or is of a version that kept no sum
		d.config.Logger.Warn("machine code on disk was damaged", "deployment", w.Deployment, "release", w.Release, "error", err)
	}
	return slots.Drop(d.config.FS, w)
}

// keepCode has the machine code in the workload's slot be right for the next checkCode.
func (d *Driver) keepCode(w runtime.Workload) error {
	slot := slots.Dir(w)
	sum, err := sumOf(d.config.FS, slot)
	if err != nil {
		return err
	}
	name := path.Join(slot, sumFile)
	if told, err := disk.ReadFile(d.config.FS, name, sha256.Size*2+1); err == nil && string(told) == sum {
		return nil
	}
	return disk.WriteFile(d.config.FS, name, []byte(sum), 0o600)
}

// sumOf returns a sum over the names and bytes of all files below a directory but sumFile.
func sumOf(f disk.FS, dir string) (string, error) {
	all := sha256.New()
	if err := sumUp(f, dir, all); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x\n", all.Sum(nil)), nil
}

func sumUp(f disk.FS, dir string, all hash.Hash) error {
	list, err := f.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		name := path.Join(dir, e.Name())
		switch {
		case e.IsDir():
			err = sumUp(f, name, all)
		case e.Name() != sumFile:
			err = sumFileUp(f, name, all)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func sumFileUp(f disk.FS, name string, all hash.Hash) error {
	file, err := f.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	one := sha256.New()
	if _, err := io.Copy(one, file); err != nil {
		return err
	}
	fmt.Fprintf(all, "%q %x\n", name, one.Sum(nil))
	return nil
}
