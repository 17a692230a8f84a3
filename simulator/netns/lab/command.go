//go:build linux

package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// tool runs one of iproute2's programs with a text on its standard input, and returns what it printed.
func tool(stdin, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return "", &Unable{What: "run " + name, Lacks: "it is not installed", Hint: "install iproute2"}
	}
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, complaint(errs.String()))
	}
	return out.String(), nil
}

// complaint makes one line of what a tool said was wrong.
func complaint(stderr string) string {
	return strings.Join(strings.FieldsFunc(stderr, func(r rune) bool { return r == '\n' }), "; ")
}

// batch runs commands of ip or tc, one a line, in a namespace, until one fails; that one is in the error.
func batch(space, name string, lines ...string) error {
	_, err := tool(strings.Join(lines, "\n")+"\n", name, "-n", space, "-batch", "-")
	if err == nil {
		return nil
	}
	if _, after, ok := strings.Cut(err.Error(), "Command failed -:"); ok {
		var n int
		if _, scan := fmt.Sscan(after, &n); scan == nil && n >= 1 && n <= len(lines) {
			return fmt.Errorf("%w: %s", err, lines[n-1])
		}
	}
	return err
}

// sysctl sets a value of the network that the calling thread is in: see space.do.
func sysctl(name, value string) error {
	return os.WriteFile("/proc/sys/net/"+name, []byte(value), 0)
}
