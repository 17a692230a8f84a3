package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// errorTrailer tells, after a file that was sent, what kept it from being whole.
const errorTrailer = "Selvage-Error"

func exportWish(r *http.Request) ExportWish {
	q := r.URL.Query()
	return ExportWish{Releases: q["release"], Platform: q.Get("platform")}
}

func (w ExportWish) query() url.Values {
	return url.Values{"release": w.Releases, "platform": {w.Platform}}
}

// sendMedia sends a file of releases. What goes wrong before its first byte is an answer like any other.
func sendMedia(b Backend, w http.ResponseWriter, r *http.Request) {
	out := &begun{ResponseWriter: w}
	w.Header().Set("Trailer", errorTrailer)
	w.Header().Set("Content-Type", "application/vnd.ipld.car; version=1")
	err := b.Export(r.Context(), exportWish(r), out)
	switch {
	case err == nil:
	case !out.begun:
		w.Header().Del("Trailer")
		answer(func(*http.Request) (any, error) { return nil, err })(w, r)
	default:
		text, _ := json.Marshal(asError(err)) // strings and a number
		w.Header().Set(errorTrailer, string(text))
	}
}

// begun notes whether anything was written.
type begun struct {
	http.ResponseWriter
	begun bool
}

func (b *begun) Write(p []byte) (int, error) {
	b.begun = true
	return b.ResponseWriter.Write(p)
}

// PlanExport asks what a file of releases will be, for which the node reads the chunk lists of all that is in it.
func (c *Client) PlanExport(ctx context.Context, wish ExportWish) (Media, error) {
	var m Media
	return m, c.do(ctx, http.MethodGet, "media", wish.query(), nil, &m)
}

// Export has the node write a file of releases to w. On an error what was written is of no use.
func (c *Client) Export(ctx context.Context, wish ExportWish, w io.Writer) error {
	resp, err := c.send(ctx, http.MethodGet, "media/file", wish.query(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("read the file: %w", lost(err))
	}
	text := resp.Trailer.Get(errorTrailer)
	if text == "" {
		return nil
	}
	var e Error
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return errors.New("the node could not write the file to its end")
	}
	return &e
}

// Import sends a file of releases to the node.
func (c *Client) Import(ctx context.Context, r io.Reader) (Imported, error) {
	var i Imported
	return i, c.do(ctx, http.MethodPost, "media", nil, r, &i)
}
