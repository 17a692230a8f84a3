//go:build unix

package process

import (
	"bytes"
	"os"
	"path"
	"sync"

	"selvage/internal/disk"
)

const (
	maxLog  = 1 << 20 // bytes of each of the two files
	maxTail = 1 << 10 // bytes of output kept for Status.LastError
)

// logFile takes what a program prints. Its Write never fails: a program must not end because
// the disk is full, so what cannot be kept is dropped.
type logFile struct {
	fs   disk.FS
	name string

	mu   sync.Mutex
	file disk.File // nil before the first write, and after one that failed
	size int64
	last []byte // the last of this run's output, at most maxTail
}

// begin forgets the tail of the run before.
func (l *logFile) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = nil
}

// tail returns the last whole lines of this run, as far as maxTail reaches.
func (l *logFile) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.last
	if len(last) == maxTail { // then its first line may be cut
		if _, after, found := bytes.Cut(last, []byte("\n")); found && len(after) > 0 {
			last = after
		}
	}
	return string(bytes.ToValidUTF8(last, []byte("?")))
}

func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = append(l.last, p[max(0, len(p)-maxTail):]...)
	if over := len(l.last) - maxTail; over > 0 {
		l.last = append(l.last[:0], l.last[over:]...)
	}
	for rest := p; len(rest) > 0; {
		n := min(len(rest), maxLog)
		if l.put(rest[:n]) != nil {
			l.drop()
			break
		}
		rest = rest[n:]
	}
	return len(p), nil
}

// put writes p, which is at most maxLog long, after turning the files over if it needs the room.
func (l *logFile) put(p []byte) error {
	if err := l.open(); err != nil {
		return err
	}
	if l.size+int64(len(p)) > maxLog {
		l.drop()
		if err := l.fs.Rename(l.name, l.name+".1"); err != nil {
			return err
		}
		if err := l.open(); err != nil {
			return err
		}
	}
	n, err := l.file.Write(p)
	l.size += int64(n)
	return err
}

func (l *logFile) open() error {
	if l.file != nil {
		return nil
	}
	if err := l.fs.MkdirAll(path.Dir(l.name), 0o755); err != nil {
		return err
	}
	f, err := l.fs.OpenFile(l.name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	l.file, l.size = f, info.Size()
	return nil
}

func (l *logFile) drop() {
	if l.file != nil {
		_ = l.file.Close() // a log's last bytes are not worth an error
		l.file = nil
	}
}

func (l *logFile) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop()
}
