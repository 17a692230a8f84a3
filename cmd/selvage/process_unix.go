//go:build unix

package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// privately runs f so that what it makes has no permissions for others from its first moment.
func privately[T any](f func() (T, error)) (T, error) {
	old := syscall.Umask(0o177)
	defer syscall.Umask(old)
	return f()
}

// resident returns the bytes of memory that this process takes, as /proc tells; 0 where it does not.
func resident() int64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
