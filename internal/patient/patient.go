// Package patient writes to and reads from a connection whose other end, or the way to it, may be slow, but not
// stuck: time is given for so many bytes, and given again each time that these have gone or come. So what is
// long takes as long as it has to, and who drips is left in the time of a slice.
package patient

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// Pace is the least speed that is waited for: Slice bytes, at least 1, in Time. What is shorter than a slice has as long.
type Pace struct {
	Slice int
	Time  time.Duration
}

// Always returns p, for a Reader whose pace stays.
func (p Pace) Always() Pace { return p }

// Write writes all of b. It sets the write deadline, and leaves it set.
func Write(conn net.Conn, b []byte, least Pace) error {
	for len(b) > 0 {
		if err := conn.SetWriteDeadline(time.Now().Add(least.Time)); err != nil {
			return err
		}
		n, err := conn.Write(b)
		if err != nil && (n < least.Slice || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return err
		}
		b = b[n:]
	}
	return nil
}

// Reader reads what comes from a connection. It sets the read deadline, and leaves it set. It is of one goroutine at a time.
type Reader struct {
	conn  net.Conn
	in    io.Reader
	least func() Pace
	due   int // bytes until there is time for more
}

// NewReader returns a reader of in, which may hold more of what conn brought. The time begins with the first Read. The pace is asked for
// anew for each slice.
func NewReader(conn net.Conn, in io.Reader, least func() Pace) *Reader {
	return &Reader{conn: conn, in: in, least: least}
}

// Read implements io.Reader.
func (r *Reader) Read(b []byte) (int, error) {
	if r.due <= 0 {
		least := r.least()
		r.due = least.Slice
		if err := r.conn.SetReadDeadline(time.Now().Add(least.Time)); err != nil {
			return 0, err
		}
	}
	n, err := r.in.Read(b[:min(len(b), r.due)])
	r.due -= n
	return n, err
}
