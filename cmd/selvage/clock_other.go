//go:build !linux

package main

import "time"

var begun = time.Now()

// uptime reads the clock that the site's lease rests on. Here it may not count suspend: a machine that is to lead a site must
// not be suspended.
func uptime() time.Duration { return time.Since(begun) }
