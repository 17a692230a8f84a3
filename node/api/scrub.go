package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// line is one of those that answer a scrub: how far it has come, or the error that ended it.
type line struct {
	Type string `json:"type"` // progress, result or error
	*Scrub
	*Error
}

// scrub answers line by line.
func scrub(b Backend, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/jsonl")
	enc, flush := json.NewEncoder(w), http.NewResponseController(w)
	tell := func(l line) {
		_ = enc.Encode(l) // the caller may be gone, which ends the scrub
		_ = flush.Flush() // likewise
	}
	s, err := b.Scrub(r.Context(), func(s Scrub) { tell(line{Type: "progress", Scrub: &s}) })
	if err != nil {
		tell(line{Type: "error", Error: asError(err)})
		return
	}
	tell(line{Type: "result", Scrub: &s})
}

// Scrub has the node scrub its store, and tells how far it has come.
func (c *Client) Scrub(ctx context.Context, told func(Scrub)) (Scrub, error) {
	resp, err := c.send(ctx, http.MethodPost, "scrub", nil, nil)
	if err != nil {
		return Scrub{}, err
	}
	defer resp.Body.Close()
	for dec := json.NewDecoder(resp.Body); ; {
		var l line
		if err := dec.Decode(&l); err != nil {
			return Scrub{}, fmt.Errorf("read the node's answer: %w", lost(err))
		}
		switch {
		case l.Error != nil:
			return Scrub{}, l.Error
		case l.Scrub == nil:
			return Scrub{}, errors.New("read the node's answer: a line without anything")
		case l.Type == "result":
			return *l.Scrub, nil
		}
		told(*l.Scrub)
	}
}
