package netns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// dirPrefix begins the names of the directories in which stages keep what they have, before the
// number of their process.
const dirPrefix = "selvage-netns-"

// makeDir makes a directory for a stage of this process, and removes those of processes that are gone.
func makeDir() (string, error) {
	old, err := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	if err != nil {
		return "", err
	}
	for _, dir := range old {
		if stale(dir) {
			if err := removeDir(dir); err != nil {
				return "", fmt.Errorf("remove what an old story left: %w", err)
			}
		}
	}
	return os.MkdirTemp("", fmt.Sprint(dirPrefix, os.Getpid(), "-"))
}

// stale reports whether a directory is a stage's whose process is gone.
func stale(dir string) bool {
	var pid int
	rest := strings.TrimPrefix(filepath.Base(dir), dirPrefix)
	if n, err := fmt.Sscanf(rest, "%d-", &pid); n != 1 || err != nil || pid <= 0 {
		return false
	}
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || info.Sys().(*syscall.Stat_t).Uid != 0 {
		return false // what others put into a place that is everybody's
	}
	return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

// removeDir removes a stage's directory, with the disks that are mounted there.
func removeDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		err := unix.Unmount(name, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) { // EINVAL: nothing is mounted there
			return fmt.Errorf("unmount %s: %w", name, err)
		}
	}
	return os.RemoveAll(dir)
}

// A disk that a scenario fills is a tmpfs, whose size can be changed.
const (
	diskType = "tmpfs"
	diskSize = "size=4g" // nothing is taken before it is written
)

// mountDisk makes a directory a disk of its own, which can be filled.
func mountDisk(dir string) error {
	if err := unix.Mount(diskType, dir, diskType, unix.MS_NOSUID|unix.MS_NODEV, diskSize); err != nil {
		return fmt.Errorf("mount a %s on %s: %w", diskType, dir, err)
	}
	return nil
}

// fillDisk makes a disk as small as what is on it.
func fillDisk(dir string) error {
	for try := 0; ; try++ {
		var s unix.Statfs_t
		if err := unix.Statfs(dir, &s); err != nil {
			return fmt.Errorf("fill the disk %s: %w", dir, err)
		}
		used := int64(s.Blocks-s.Bfree) * int64(s.Bsize) // a block's size has the width of a word
		err := unix.Mount(diskType, dir, diskType, unix.MS_REMOUNT|unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%d", used))
		if err == nil {
			return nil
		}
		if try == 100 { // more was written in between, each time
			return fmt.Errorf("fill the disk %s: %w", dir, err)
		}
	}
}

// emptyDisk gives a disk its room back.
func emptyDisk(dir string) error {
	if err := unix.Mount(diskType, dir, diskType, unix.MS_REMOUNT|unix.MS_NOSUID|unix.MS_NODEV, diskSize); err != nil {
		return fmt.Errorf("make room on the disk %s: %w", dir, err)
	}
	return nil
}
