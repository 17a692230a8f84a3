package disk

import (
	"fmt"
	"io"
	"os"
	"path"
)

// CopyTree copies a directory with all that is in it to where nothing of it is: files, private to
// their owner, links and directories; not sockets and the like. It is durable once CopyTree has returned.
func CopyTree(from, to FS, dir string) error {
	list, err := from.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		name := path.Join(dir, e.Name())
		switch {
		case e.Type()&os.ModeSymlink != 0:
			err = copyLink(from, to, name)
		case e.IsDir():
			if err = to.MkdirAll(name, 0o700); err == nil {
				err = CopyTree(from, to, name)
			}
		case e.Type().IsRegular():
			err = copyFile(from, to, name)
		}
		if err != nil {
			return fmt.Errorf("copy %s: %w", name, err)
		}
	}
	return to.SyncDir(dir)
}

func copyLink(from, to FS, name string) error {
	target, err := from.Readlink(name)
	if err != nil {
		return err
	}
	return to.Symlink(target, name)
}

func copyFile(from, to FS, name string) error {
	in, err := from.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := to.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Sync()
}
