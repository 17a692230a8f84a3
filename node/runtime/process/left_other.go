//go:build unix && !linux

package process

import "selvage/internal/disk"

// What a node leaves of its programs when it is killed is found on Linux only.

func noteGroup(disk.FS, string, int) error { return nil }
func forgetGroup(disk.FS, string)          {}
func (*Driver) endLeft()                   {}
