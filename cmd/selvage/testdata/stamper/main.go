// Command stamper is what the tests of real sites run: every 10 ms it writes down that it runs, in the file that STAMPS names.
//
//	nanoseconds token node process version
//
// It does not hear that it shall end unless POLITE is set.
package main

import (
	"cmp"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// version is set by the linker.
var version = "1"

func main() {
	if os.Getenv("POLITE") == "" {
		signal.Ignore(syscall.SIGTERM)
	}
	file, err := os.OpenFile(os.Getenv("STAMPS"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, "stamper:", err)
		os.Exit(1)
	}
	for ; ; time.Sleep(10 * time.Millisecond) {
		line := fmt.Sprintln(time.Now().UnixNano(), cmp.Or(os.Getenv("SELVAGE_EPOCH"), "0"), os.Getenv("SELVAGE_NODE"), os.Getpid(), version)
		if _, err := file.WriteString(line); err != nil { // one write, which is not torn by those of others
			fmt.Fprintln(os.Stderr, "stamper:", err)
			os.Exit(1)
		}
	}
}
