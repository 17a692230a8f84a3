package netns

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"selvage/simulator"
	"selvage/simulator/netns/lab"
)

// process is one run of a node.
type process struct {
	cmd  *exec.Cmd
	gone chan struct{} // closed when it has ended and its log was read
	err  error         // how it ended; of meaning when gone is closed
}

// maxLine bounds a line of a node's log, in bytes. What is longer ends the reading, and so the process.
const maxLine = 1 << 20

// startProcess runs a command on a host; heard is given each line that it logs.
func startProcess(on *lab.Host, cmd *exec.Cmd, heard func(line []byte)) (*process, error) {
	// An interrupt at the terminal is the story's to handle, and without the story nobody goes on.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := on.Start(cmd); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, gone: make(chan struct{})}
	go func() {
		defer close(p.gone)
		lines := bufio.NewScanner(log)
		lines.Buffer(nil, maxLine)
		for lines.Scan() {
			heard(lines.Bytes())
		}
		p.err = cmd.Wait()
	}()
	return p, nil
}

// ended reports whether the process is gone.
func (p *process) ended() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) } // it may be gone already

// end sends a signal, and SIGKILL after a time, and waits until the process is gone. One that is
// stopped goes on for that.
func (p *process) end(s syscall.Signal, limit time.Duration) {
	p.signal(s)
	p.signal(syscall.SIGCONT)
	if limit > 0 {
		select {
		case <-p.gone:
			return
		case <-time.After(limit):
		}
	}
	p.signal(syscall.SIGKILL)
	<-p.gone
}

// event makes a story's event of a line of a node's log, which is a JSON object; of what a node says
// when it crashes, the text is the event.
func event(on string, line []byte) simulator.Event {
	var fields map[string]any
	if json.Unmarshal(line, &fields) != nil {
		return simulator.Event{On: on, What: "says", Text: string(line)}
	}
	e := simulator.Event{On: on, What: fmt.Sprint(fields["msg"])}
	if peer, ok := fields["peer"].(string); ok {
		e.Peer = peer
		delete(fields, "peer")
	}
	if n, ok := fields["bytes"].(float64); ok {
		e.Bytes = int64(n)
		delete(fields, "bytes")
	}
	if level, ok := fields["level"].(string); ok && level != "INFO" {
		e.Level = strings.ToLower(level)
	}
	for _, known := range []string{"time", "level", "msg", "node", "site"} {
		delete(fields, known)
	}
	var words []string
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		words = append(words, fmt.Sprintf("%s=%v", k, fields[k]))
	}
	e.Text = strings.Join(words, " ")
	return e
}
