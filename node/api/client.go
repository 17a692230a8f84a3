package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"
)

var (
	// ErrNotRunning: nobody listens on the socket.
	ErrNotRunning = errors.New("no node is running")
	// ErrSilent: a node has the socket, and did not answer in time: it is stopped, or stuck.
	ErrSilent = errors.New("the node does not answer")
	// ErrEnded: the node was there, and ended before it had answered. Whether it did what it was asked is not known.
	ErrEnded = errors.New("the node ended before it had answered")
)

// patience bounds how long a node may take for an answer that does not depend on how many bytes are sent, read or made for it.
const patience = time.Minute

// Client talks to the node whose socket it was given. It is safe for concurrent use. Every call ends with its context; those
// for which the node has neither bytes to move nor others to wait for end after a minute too.
type Client struct {
	http     http.Client
	patience time.Duration
}

// NewClient returns a client of the node that listens on the unix socket at path. It does not dial yet.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	// A connection is made in no time, and one that was kept would stay, here and at the node, for each client that there ever was.
	return &Client{http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}, patience}
}

// Get asks for a noun of the API and decodes the answer into v. Errors that the node gave are of
// type *Error; if no node listens, the error has ErrNotRunning in its chain, and ErrSilent or ErrEnded if it does not answer.
func (c *Client) Get(ctx context.Context, noun string, query url.Values, v any) error {
	return c.soon(ctx, http.MethodGet, noun, query, nil, v)
}

// Holders asks who holds a release's blob. The node asks others for that, and waits five seconds for each sixteen that are silent.
func (c *Client) Holders(ctx context.Context, release, platform string) ([]Holder, error) {
	var all []Holder
	return all, c.do(ctx, http.MethodGet, "holders", url.Values{"release": {release}, "platform": {platform}}, nil, &all)
}

// AddBlob sends a blob to the node's store.
func (c *Client) AddBlob(ctx context.Context, r io.Reader) (Added, error) {
	var a Added
	return a, c.do(ctx, http.MethodPost, "blobs", nil, r, &a)
}

// MakePatches has the node make patches to a blob of its store.
func (c *Client) MakePatches(ctx context.Context, wish PatchWish) ([]Patch, error) {
	body, err := json.Marshal(wish)
	if err != nil {
		return nil, err
	}
	var p []Patch
	return p, c.do(ctx, http.MethodPost, "patches", nil, bytes.NewReader(body), &p)
}

// Publish hands the node a signed statement to spread.
func (c *Client) Publish(ctx context.Context, kind string, envelope []byte) (Published, error) {
	var p Published
	return p, c.soon(ctx, http.MethodPost, "statements", url.Values{"kind": {kind}}, bytes.NewReader(envelope), &p)
}

// CheckInvite asks the node whether an invite is signed by those who may.
func (c *Client) CheckInvite(ctx context.Context, envelope []byte) error {
	return c.soon(ctx, http.MethodPost, "invites", nil, bytes.NewReader(envelope), &checked{})
}

// Pin changes what is pinned, and returns what is then.
func (c *Client) Pin(ctx context.Context, change PinChange) ([]string, error) {
	body, err := json.Marshal(change)
	if err != nil {
		return nil, err
	}
	var pins []string
	return pins, c.soon(ctx, http.MethodPut, "pins", nil, bytes.NewReader(body), &pins)
}

// SetUplink changes how the node's traffic with other sites is held.
func (c *Client) SetUplink(ctx context.Context, change UplinkChange) (Uplink, error) {
	body, err := json.Marshal(change)
	if err != nil {
		return Uplink{}, err
	}
	var u Uplink
	return u, c.soon(ctx, http.MethodPut, "uplink", nil, bytes.NewReader(body), &u)
}

// YieldLease has the node stop leading its site.
func (c *Client) YieldLease(ctx context.Context) (SiteLease, error) {
	var l SiteLease
	return l, c.do(ctx, http.MethodPost, "lease/yield", nil, nil, &l)
}

// AskLock has the node ask the leader of its site for a lock. IsUnavailable says of the error that nobody leads, or answers.
func (c *Client) AskLock(ctx context.Context, ask LockAsk) (LockAnswer, error) {
	body, err := json.Marshal(ask)
	if err != nil {
		return LockAnswer{}, err
	}
	var a LockAnswer
	return a, c.do(ctx, http.MethodPost, "locks", nil, bytes.NewReader(body), &a)
}

// soon is do for what a node answers at once.
func (c *Client) soon(ctx context.Context, method, noun string, query url.Values, body io.Reader, v any) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	return c.do(ctx, method, noun, query, body, v)
}

func (c *Client) do(ctx context.Context, method, noun string, query url.Values, body io.Reader, v any) error {
	resp, err := c.send(ctx, method, noun, query, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		return fmt.Errorf("read the node's answer: %w", lost(err))
	}
	return nil
}

// lost says of an error that kept an answer from coming what it means.
func lost(err error) error {
	is := func(e error) bool { return errors.Is(err, e) }
	switch {
	case is(context.Canceled):
		return err // by the caller, who knows
	case is(context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", ErrSilent, err)
	case is(syscall.ECONNRESET), is(syscall.EPIPE), is(net.ErrClosed), is(io.EOF), is(io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %w", ErrEnded, err)
	}
	return err
}

// send returns the node's answer, if it is a good one.
func (c *Client) send(ctx context.Context, method, noun string, query url.Values, body io.Reader) (*http.Response, error) {
	u := url.URL{Scheme: "http", Host: "node", Path: "/v1/" + noun, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	for _, none := range []error{fs.ErrNotExist, syscall.ENOTDIR, syscall.ECONNREFUSED, syscall.EINVAL} { // the last if the path is too long for a socket
		if errors.Is(err, none) {
			return nil, fmt.Errorf("%w: %w", ErrNotRunning, err)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("ask node: %w", lost(err))
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var e Error
	if err := json.NewDecoder(resp.Body).Decode(&e); err != nil || e.Text == "" {
		return nil, fmt.Errorf("ask node: it answered %s", resp.Status)
	}
	return nil, &e
}
