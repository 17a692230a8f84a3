package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// uptime reads the clock that the site's lease rests on: it counts suspend, and nobody can set it.
func uptime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil { // every kernel since 2.6.39 has it
		panic(err)
	}
	return time.Duration(t.Nano())
}
