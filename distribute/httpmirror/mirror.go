package httpmirror

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"selvage/distribute"
)

const (
	maxHeaders   = 16 << 10
	maxRedirects = 3
	maxConns     = 4
	maxURL       = 2048
	headerTime   = 20 * time.Second
	idleTime     = 30 * time.Second
)

// Dial connects to an address, as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Mirror is one mirror.
type Mirror struct {
	url    *url.URL
	client *http.Client
}

var _ distribute.Mirror = (*Mirror)(nil)

// New returns the mirror at a URL, http or https, without user, query or fragment. All its connections are dialled by dial. Nothing
// is asked of it yet.
func New(raw string, dial Dial) (*Mirror, error) {
	u, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		DialContext: dial, DisableCompression: true, MaxResponseHeaderBytes: maxHeaders, ResponseHeaderTimeout: headerTime,
		TLSHandshakeTimeout: headerTime, MaxConnsPerHost: maxConns, MaxIdleConnsPerHost: maxConns, IdleConnTimeout: idleTime,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	return &Mirror{url: u, client: &http.Client{Transport: transport, CheckRedirect: checkRedirect}}, nil
}

// Parse reads a mirror's URL.
func Parse(raw string) (*url.URL, error) {
	if len(raw) > maxURL {
		return nil, fmt.Errorf("it is longer than %d bytes", maxURL)
	}
	u, err := url.Parse(raw)
	var bad *url.Error
	switch {
	case errors.As(err, &bad):
		return nil, bad.Err
	case err != nil:
		return nil, err
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("it has to begin with http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("it names no host")
	case u.User != nil:
		return nil, errors.New("it names a user: a mirror is read without credentials")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("it has a query or a fragment")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = strings.TrimRight(u.RawPath, "/")
	return u, nil
}

func checkRedirect(r *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("it redirects more than %d times", maxRedirects)
	case r.URL.Scheme != "https" && via[0].URL.Scheme == "https":
		return errors.New("it redirects from https to http")
	}
	return nil
}

// Name implements distribute.Mirror: it is the URL.
func (m *Mirror) Name() string { return m.url.String() }

// Close ends connections that nobody uses.
func (m *Mirror) Close() { m.client.CloseIdleConnections() }

// Read implements distribute.Mirror.
func (m *Mirror) Read(ctx context.Context, d distribute.Digest, size, offset, length int64) (io.ReadCloser, error) {
	if length == 0 { // there is no Range of no bytes
		return http.NoBody, nil
	}
	part := http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", offset, offset+length-1)}}
	answer, cancel, err := m.get(ctx, m.url.JoinPath("blobs", "sha256", d.String()), part, func(a *http.Response) error { return check(a, size, offset, length) })
	if err != nil {
		return nil, err
	}
	return &body{answer, length, cancel}, nil
}

// List implements distribute.Mirror.
func (m *Mirror) List(ctx context.Context, d distribute.Digest, most int64) (io.ReadCloser, error) {
	answer, cancel, err := m.get(ctx, m.url.JoinPath("dag", d.String()), http.Header{}, func(a *http.Response) error {
		if a.StatusCode != http.StatusOK || a.ContentLength > most {
			return errors.New("it has no chunk list of the blob")
		}
		return unencoded(a)
	})
	if err != nil {
		return nil, err
	}
	return &list{answer, most, cancel}, nil
}

// get asks for something, and returns the body of an answer that a look at its headers has found right.
func (m *Mirror) get(ctx context.Context, what *url.URL, header http.Header, right func(*http.Response) error) (io.ReadCloser, context.CancelFunc, error) {
	ctx, cancel := context.WithCancel(ctx)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, what.String(), nil)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	r.Header = header
	r.Header.Set("Accept-Encoding", "identity")
	r.Header.Set("User-Agent", "selvage")
	answer, err := m.client.Do(r)
	if err == nil {
		if err = right(answer); err != nil {
			_ = answer.Body.Close() // it was not read
		}
	}
	if err != nil {
		cancel()
		return nil, nil, plain(err)
	}
	return answer.Body, cancel, nil
}

// check looks whether an answer is what was asked for, as far as its headers say.
func check(a *http.Response, size, offset, length int64) error {
	switch a.StatusCode {
	case http.StatusPartialContent:
		if got, want := a.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-%d/", offset, offset+length-1); got != want+fmt.Sprint(size) && got != want+"*" {
			return errors.New("it answers with another range, or of a blob of another size")
		}
	case http.StatusOK:
		if offset > 0 || length < size {
			return errors.New("it does not serve ranges")
		}
	case http.StatusNotFound, http.StatusGone:
		return errors.New("it has not got the blob")
	case http.StatusRequestedRangeNotSatisfiable:
		return errors.New("its blob is shorter")
	default:
		return fmt.Errorf("it answers with status %d", a.StatusCode)
	}
	if err := unencoded(a); err != nil {
		return err
	}
	if a.ContentLength >= 0 && a.ContentLength != length {
		return errors.New("it answers with another number of bytes")
	}
	return nil
}

func unencoded(a *http.Response) error {
	if e := a.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return errors.New("it encodes what it sends, though it was asked not to")
	}
	return nil
}

// plain strips an error of what differs from one time to the next.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return fmt.Errorf("%s: %w", op.Op, op.Err)
	}
	return err
}

// body reads what was asked for, and fails if there is more or less.
type body struct {
	io.ReadCloser
	left   int64
	cancel context.CancelFunc
}

// endTime is how long an answer may take to end once all bytes are here.
const endTime = time.Second

var errLong = errors.New("it sends more than it was asked for")

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		stop := time.AfterFunc(endTime, b.cancel)
		defer stop.Stop()
		if n, _ := io.ReadFull(b.ReadCloser, make([]byte, 1)); n > 0 {
			return 0, errLong
		}
		return 0, io.EOF
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case b.left == 0:
		return n, nil
	case errors.Is(err, io.EOF):
		return n, io.ErrUnexpectedEOF
	case err != nil:
		return n, plain(err)
	}
	return n, nil
}

// Close implements io.Closer. A connection whose answer was read to its end is used again.
func (b *body) Close() error {
	if b.left == 0 {
		_, _ = b.Read(nil) // the end, without which the connection is given up
	}
	err := b.ReadCloser.Close()
	b.cancel()
	return err
}

// list reads a chunk list, and fails if there is more than there can be of it.
type list struct {
	io.ReadCloser
	room   int64
	cancel context.CancelFunc
}

// Read implements io.Reader.
func (l *list) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	if l.room -= int64(n); l.room < 0 {
		return 0, errLong
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = plain(err)
	}
	return n, err
}

// Close implements io.Closer.
func (l *list) Close() error {
	err := l.ReadCloser.Close()
	l.cancel()
	return err
}
