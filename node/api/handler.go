package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"selvage/internal/canon"
)

// Backend is the node behind the API. Methods are called from several goroutines at once.
type Backend interface {
	Status() Status
	Nodes() []Node
	Sites() []Site
	Releases() []Release
	Deployments() []Deployment
	Blobs() []Blob
	Entries() ([]Entry, error)
	Revocations() []Revocation
	Keys() []Key
	Draft(subject, id, site string) (Draft, error)
	// DraftSite returns the ledger.SiteConfig that would take the place of what is wanted of a site, and wants the same.
	DraftSite(site string) (json.RawMessage, error)
	Rollout(name string) (Rollout, error)
	Holders(ctx context.Context, release, platform string) ([]Holder, error)
	AddBlob(ctx context.Context, r io.Reader) (Added, error)
	MakePatches(ctx context.Context, wish PatchWish) ([]Patch, error)
	PlanExport(wish ExportWish) (Media, error)
	Export(ctx context.Context, wish ExportWish, w io.Writer) error
	Import(ctx context.Context, r io.Reader) (Imported, error)
	Pin(change PinChange) ([]string, error)
	Scrub(ctx context.Context, told func(Scrub)) (Scrub, error)
	Publish(kind string, envelope []byte) (digest string, err error)
	CheckInvite(envelope []byte) error
	SetUplink(ctx context.Context, change UplinkChange) (Uplink, error)
	Leases() []SiteLease
	YieldLease(ctx context.Context) (SiteLease, error)
	Terms() []Term
	Locks(ctx context.Context) ([]Lock, error)
	AskLock(ctx context.Context, ask LockAsk) (LockAnswer, error)
}

// maxDocument bounds the body of a request that is not a blob, bytes.
const maxDocument = 128 << 10

// NewHandler serves b.
func NewHandler(b Backend) http.Handler {
	mux := http.NewServeMux()
	get(mux, "status", func(*http.Request) (any, error) { return b.Status(), nil })
	get(mux, "nodes", func(*http.Request) (any, error) { return b.Nodes(), nil })
	get(mux, "sites", func(*http.Request) (any, error) { return b.Sites(), nil })
	get(mux, "releases", func(*http.Request) (any, error) { return b.Releases(), nil })
	get(mux, "deployments", func(*http.Request) (any, error) { return b.Deployments(), nil })
	get(mux, "blobs", func(*http.Request) (any, error) { return b.Blobs(), nil })
	get(mux, "entries", func(*http.Request) (any, error) { return b.Entries() })
	get(mux, "revocations", func(*http.Request) (any, error) { return b.Revocations(), nil })
	get(mux, "leases", func(*http.Request) (any, error) { return b.Leases(), nil })
	get(mux, "terms", func(*http.Request) (any, error) { return b.Terms(), nil })
	get(mux, "locks", func(r *http.Request) (any, error) { return b.Locks(r.Context()) })
	get(mux, "keys", func(*http.Request) (any, error) { return b.Keys(), nil })
	get(mux, "draft", func(r *http.Request) (any, error) {
		return b.Draft(r.FormValue("subject"), r.FormValue("id"), r.FormValue("site"))
	})
	get(mux, "siteconfig", func(r *http.Request) (any, error) { return b.DraftSite(r.FormValue("site")) })
	get(mux, "rollout", func(r *http.Request) (any, error) { return b.Rollout(r.FormValue("name")) })
	get(mux, "holders", func(r *http.Request) (any, error) {
		return b.Holders(r.Context(), r.FormValue("release"), r.FormValue("platform"))
	})
	get(mux, "media", func(r *http.Request) (any, error) { return b.PlanExport(exportWish(r)) })
	mux.HandleFunc("GET /v1/media/file", func(w http.ResponseWriter, r *http.Request) { sendMedia(b, w, r) })
	mux.HandleFunc("POST /v1/media", answer(func(r *http.Request) (any, error) { return b.Import(r.Context(), r.Body) }))
	mux.HandleFunc("POST /v1/scrub", func(w http.ResponseWriter, r *http.Request) { scrub(b, w, r) })
	mux.HandleFunc("POST /v1/blobs", answer(func(r *http.Request) (any, error) { return b.AddBlob(r.Context(), r.Body) }))
	mux.HandleFunc("POST /v1/patches", answer(func(r *http.Request) (any, error) {
		return decoded(r, "wish for patches", func(wish PatchWish) (any, error) { return b.MakePatches(r.Context(), wish) })
	}))
	mux.HandleFunc("POST /v1/statements", answer(func(r *http.Request) (any, error) { return publish(b, r) }))
	mux.HandleFunc("POST /v1/invites", answer(func(r *http.Request) (any, error) { return checkInvite(b, r) }))
	mux.HandleFunc("POST /v1/lease/yield", answer(func(r *http.Request) (any, error) { return b.YieldLease(r.Context()) }))
	mux.HandleFunc("POST /v1/locks", answer(func(r *http.Request) (any, error) {
		return decoded(r, "what to do with a lock", func(ask LockAsk) (any, error) { return b.AskLock(r.Context(), ask) })
	}))
	mux.HandleFunc("PUT /v1/pins", answer(func(r *http.Request) (any, error) {
		return decoded(r, "change of pins", func(change PinChange) (any, error) { return b.Pin(change) })
	}))
	mux.HandleFunc("PUT /v1/uplink", answer(func(r *http.Request) (any, error) {
		return decoded(r, "uplink change", func(change UplinkChange) (any, error) { return b.SetUplink(r.Context(), change) })
	}))
	return mux
}

func get(mux *http.ServeMux, noun string, f func(*http.Request) (any, error)) {
	mux.HandleFunc("GET /v1/"+noun, answer(f))
}

// answer turns what f returns into JSON.
func answer(f func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := f(r)
		code := http.StatusOK
		if err != nil {
			e := asError(err)
			v, code = e, e.Code
		}
		var body bytes.Buffer
		if err := json.NewEncoder(&body).Encode(v); err != nil {
			body.Reset()
			code = http.StatusInternalServerError
			_ = json.NewEncoder(&body).Encode(&Error{Code: code, Text: fmt.Sprintf("encode the answer: %v", err)}) // strings and a number
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = body.WriteTo(w) // the caller may be gone, and has then no use for an error
	}
}

// Published names a statement that the node has taken.
type Published struct {
	Statement string `json:"statement"` // digest, hex
}

func publish(b Backend, r *http.Request) (any, error) {
	body, err := document(r)
	if err != nil {
		return nil, err
	}
	digest, err := b.Publish(r.FormValue("kind"), body)
	return Published{digest}, err
}

// checked is the answer to what is in order.
type checked struct {
	OK bool `json:"ok"`
}

func checkInvite(b Backend, r *http.Request) (any, error) {
	body, err := document(r)
	if err != nil {
		return nil, err
	}
	return checked{true}, b.CheckInvite(body)
}

// decoded has f answer what the body of a request says, which is JSON, and nothing that is not known here.
func decoded[V any](r *http.Request, what string, f func(V) (any, error)) (any, error) {
	body, err := document(r)
	if err != nil {
		return nil, err
	}
	var v V
	if err := canon.ReadJSON(body, &v); err != nil {
		return nil, Refuse(fmt.Errorf("decode %s: %w", what, err), "")
	}
	return f(v)
}

func document(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	if len(body) > maxDocument {
		return nil, Refuse(errors.New("request is too long"), "")
	}
	return body, nil
}
