package netns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"selvage/internal/disk"
	"selvage/internal/ident"
	"selvage/node/api"
	"selvage/simulator"
	"selvage/simulator/netns/lab"
	"selvage/simulator/scenario"
)

// port is where every node listens; its host is its own.
const port = 4747

// machine is one machine of a story: what it keeps while its node is down, and its process while it is up.
type machine struct {
	stage  *stage
	site   string
	name   string // of the node, in its site
	host   *lab.Host
	id     ident.NodeID
	dir    string
	fs     Disk
	client *api.Client

	full    int                      // faults that have its disk full
	still   int                      // faults that have its process stopped
	backups map[time.Duration]string // directories, by the time when they were made

	mu      sync.Mutex
	process *process // nil while it is down
	wanted  bool     // it shall be up
	view    *view    // what it told last; nil if it has told nothing since it was started
	silent  bool     // it did not answer when it was asked after that
	failed  error    // it ended as no node should
	words   string   // the last that it logged
}

func newMachine(st *stage, site, name string, host *lab.Host, dir string) (*machine, error) {
	m := &machine{stage: st, site: site, name: name, host: host, dir: dir, backups: map[time.Duration]string{},
		client: api.NewClient(filepath.Join(dir, "selvage.sock"))}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if st.fills(m) {
		if err := mountDisk(dir); err != nil {
			return nil, err
		}
	}
	var err error
	m.fs, err = st.cfg.Open(dir)
	return m, err
}

// fills reports whether the story has the machine's disk full at some time.
func (st *stage) fills(m *machine) bool {
	return slices.ContainsFunc(st.scenario.Faults, func(f scenario.Fault) bool {
		return f.Kind == scenario.DiskFull && (f.On == m.site || f.On == m.String())
	})
}

func (m *machine) String() string { return m.site + "/" + m.name }

// Site implements simulator.Machine.
func (m *machine) Site() string { return m.site }

// Name implements simulator.Machine.
func (m *machine) Name() string { return m.name }

// NodeName implements simulator.Machine: those of different sites shall not be alike.
func (m *machine) NodeName() string { return m.site + "-" + m.name }

// ID implements simulator.Machine.
func (m *machine) ID() ident.NodeID { return m.id }

// Disk implements simulator.Machine.
func (m *machine) Disk() disk.FS { return m.fs }

// Agent implements simulator.Machine. It is nil also while the process is stopped, for it cannot be asked, and while it does not answer.
func (m *machine) Agent() simulator.Agent {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.process == nil || m.view == nil || m.silent || m.still > 0 {
		return nil
	}
	return m.view
}

// hold stops the process, until it is let go as often.
func (m *machine) hold(by int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.still += by
	switch {
	case m.process == nil:
	case m.still > 0:
		m.process.signal(syscall.SIGSTOP)
	default:
		m.process.signal(syscall.SIGCONT)
	}
}

// enrolled reads from what init or join printed who the node is.
func (m *machine) enrolled(out []byte) error {
	var card struct{ Node ident.NodeID }
	err := json.Unmarshal(out, &card)
	m.id = card.Node
	return err
}

// join enrols the machine and starts its node.
func (m *machine) join(ctx context.Context, ticket string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	out, err := m.stage.run(m.dir, "join", ticket, "--name", m.NodeName(), "-o", "json")
	if err == nil {
		err = m.enrolled(out)
	}
	if err == nil {
		err = m.start()
	}
	if err != nil {
		return fmt.Errorf("enrol %s: %w", m, err)
	}
	return nil
}

// start runs the machine's node; if it runs already, it does nothing. It does not wait until the node answers: Settle does.
func (m *machine) start() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wanted = true
	if m.process != nil {
		return nil
	}
	cmd := exec.Command(m.stage.cfg.Exe, "--dir", m.dir, "-o", "json", "up", "--log", m.stage.log, "--listen", fmt.Sprintf("%s:%d", m.host.Addr(), port))
	p, err := startProcess(m.host, cmd, m.heard)
	if err != nil {
		return fmt.Errorf("start %s: %w", m, err)
	}
	if m.process, m.view, m.silent = p, nil, false; m.still > 0 {
		p.signal(syscall.SIGSTOP)
	}
	return nil
}

// kill ends the node as a crash does. It reports whether the machine was up, or was to be.
func (m *machine) kill() bool {
	p, was := m.take()
	if p != nil {
		p.end(syscall.SIGKILL, 0)
	}
	return was
}

// close stops the node for good, politely if there is time, and returns what went wrong with it earlier.
func (m *machine) close() error {
	p, _ := m.take()
	switch {
	case p != nil && m.stage.ctx.Err() != nil:
		p.end(syscall.SIGKILL, 0)
	case p != nil:
		p.end(syscall.SIGTERM, stopLimit)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return errors.Join(m.failed, m.fs.Close())
}

// stopLimit is how long a node has to end politely.
const stopLimit = 20 * time.Second

// take removes the process from the machine.
func (m *machine) take() (p *process, wanted bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, wanted = m.process, m.wanted
	m.process, m.view, m.wanted = nil, nil, false
	return p, wanted
}

// look asks the node how it does. A node that was started is waited for; one that answered before, and does not within askLimit, is not
// seen until it does.
func (m *machine) look(ctx context.Context) {
	m.mu.Lock()
	p, before, still := m.process, m.view, m.still
	m.mu.Unlock()
	if p == nil || still > 0 {
		return
	}
	for end := time.Now().Add(startLimit); ; {
		v, err := ask(ctx, m)
		if err == nil {
			m.saw(p, v)
			return
		}
		if p.ended() {
			m.lost(p)
			return
		}
		if before != nil || ctx.Err() != nil || time.Now().After(end) {
			m.stage.trace.Note(m.String(), "does not answer", "%v", err)
			m.missed(p)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// saw keeps what a process told, unless that is not the machine's any more.
func (m *machine) saw(p *process, v *view) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.process == p {
		m.view, m.silent = v, false
	}
}

// missed notes that a process did not answer, unless that is not the machine's any more.
func (m *machine) missed(p *process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.silent = m.silent || m.process == p
}

// lost notes that a process has ended by itself. A node that says why it cannot run may do so, for a
// story can bring that about; one that crashes may not.
func (m *machine) lost(p *process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.process != p {
		return
	}
	m.process, m.view = nil, nil
	why := fmt.Sprintf("%v: %s", p.err, m.words)
	m.stage.trace.Note(m.String(), "ended by itself", "%s", why)
	var exit *exec.ExitError
	if !errors.As(p.err, &exit) || exit.ExitCode() != exitFailed {
		m.failed = fmt.Errorf("node %s ended by itself: %s", m, why)
	}
}

// exitFailed is the exit code of a command that says why.
const exitFailed = 1

// heard takes a line that the node has logged.
func (m *machine) heard(line []byte) {
	e := event(m.String(), line)
	m.stage.trace.Add(e)
	m.mu.Lock()
	m.words = e.What + " " + e.Text
	m.mu.Unlock()
	tell(m.stage.said)
}

// lastWords returns the last that the node logged.
func (m *machine) lastWords() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.words
}

// backUp copies the machine's disk while its node is stopped for a moment.
func (m *machine) backUp(at time.Duration) error {
	m.hold(1)
	defer m.hold(-1)
	dir := fmt.Sprintf("%s-at-%s", m.dir, at)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	to, err := m.stage.cfg.Open(dir)
	if err != nil {
		return err
	}
	defer to.Close()
	m.backups[at] = dir
	return disk.CopyTree(m.fs, to, ".")
}

// restore puts a copy of a backup in the place of what the machine has. Its node must be down.
func (m *machine) restore(at time.Duration) error {
	from, err := m.stage.cfg.Open(m.backups[at])
	if err != nil {
		return err
	}
	defer from.Close()
	list, err := m.fs.ReadDir(".")
	if err != nil {
		return err
	}
	for _, e := range list {
		if err := m.fs.RemoveAll(e.Name()); err != nil {
			return err
		}
	}
	return disk.CopyTree(from, m.fs, ".")
}
