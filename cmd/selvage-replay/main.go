// Command selvage-replay is the guest of package simulator/replay: built for wasip1, it plays one scenario, and sees that,
// randomness and a clock that its host makes up, and nothing else. Package simulator/replay/guest says how they speak.
//
// Build it with 'go run ./internal/wasip1'; 'make build' does.
package main

import (
	"io"
	"log/slog"
	"os"

	"github.com/libp2p/go-libp2p/gologshim"

	"selvage/simulator/replay/guest"
)

func main() {
	gologshim.SetDefaultHandler(slog.DiscardHandler) // libp2p is alarmed by what a story does to it
	if err := guest.Play(os.Stdin, os.Stdout, os.Stderr); err != nil {
		_, _ = io.WriteString(os.Stderr, "selvage-replay: "+err.Error()+"\n") // the exit code says it too
		os.Exit(1)
	}
}
