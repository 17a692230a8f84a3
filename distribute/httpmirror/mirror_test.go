package httpmirror

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"selvage/distribute"
)

func TestParse(t *testing.T) {
	for raw, want := range map[string]string{
		"http://mirror.example/store/":            "http://mirror.example/store",
		"https://[::1]:8443":                      "https://[::1]:8443",
		"https://m/a%2Fb/":                        "https://m/a%2Fb",
		"mirror.example/store":                    "",
		"ftp://mirror.example":                    "",
		"http:///store":                           "",
		"http://:80/store":                        "",
		"http://u:p@mirror.example":               "",
		"http://mirror.example/?a=b":              "",
		"http://mirror.example/#x":                "",
		"http://mirror example/":                  "",
		"http://m/%zz":                            "",
		"":                                        "",
		"http://m/" + strings.Repeat("x", maxURL): "",
	} {
		u, err := Parse(raw)
		if (err == nil) != (want != "") || err == nil && u.String() != want {
			t.Errorf("%q is %v, %v", raw, u, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("https://mirror.example:8443/a/b")
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := Parse(raw)
		if err != nil {
			return
		}
		again, err := Parse(u.String())
		if err != nil || again.String() != u.String() {
			t.Fatalf("%q reads as %q, and that as %v, %v", raw, u, again, err)
		}
	})
}

var data = bytes.Repeat([]byte("what is woven holds. "), 5000)

// ask reads a part of the blob from a server.
func ask(t *testing.T, h http.Handler, offset, length int64) ([]byte, error) {
	t.Helper()
	s := httptest.NewServer(h)
	defer s.Close()
	return askAt(t, s.URL, offset, length)
}

func askAt(t *testing.T, url string, offset, length int64) ([]byte, error) {
	t.Helper()
	m, err := New(url, new(net.Dialer).DialContext)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r, err := m.Read(ctx, distribute.Digest(sha256.Sum256(data)), int64(len(data)), offset, length)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// A directory with a copy of a store, behind the plainest of servers.
func TestStaticServer(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "store", "blobs", "sha256")
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, fmt.Sprintf("%x", sha256.Sum256(data))), data, 0o600); err != nil {
		t.Fatal(err)
	}
	files := http.FileServer(http.Dir(dir))
	moved := http.NewServeMux()
	moved.Handle("/store/", files)
	moved.Handle("/old/", http.RedirectHandler("/store/", http.StatusFound)) // of another path: to be told by 404
	moved.HandleFunc("/moved/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/store/"+strings.TrimPrefix(r.URL.Path, "/moved/"), http.StatusPermanentRedirect)
	})
	s := httptest.NewServer(moved)
	defer s.Close()
	for _, c := range []struct{ offset, length int64 }{{0, 1}, {0, int64(len(data))}, {17, 70_000}, {int64(len(data)) - 1, 1}, {5, 0}} {
		for _, at := range []string{"/store", "/moved/"} {
			got, err := askAt(t, s.URL+at, c.offset, c.length)
			if err != nil || !bytes.Equal(got, data[c.offset:c.offset+c.length]) {
				t.Errorf("%s, %d bytes from %d: got %d, %v", at, c.length, c.offset, len(got), err)
			}
		}
	}
	if _, err := askAt(t, s.URL+"/old", 0, 5); err == nil {
		t.Error("a listing passes for a blob")
	}
	if _, err := askAt(t, s.URL+"/none", 0, 5); err == nil || err.Error() != "it has not got the blob" {
		t.Errorf("of a blob that is not there: %v", err)
	}
}

// A connection serves one part after the other.
func TestConnectionIsKept(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}))
	defer s.Close()
	dials := 0
	m, err := New(s.URL, func(ctx context.Context, network, address string) (net.Conn, error) {
		dials++
		return new(net.Dialer).DialContext(ctx, network, address)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for i := range int64(20) {
		r, err := m.Read(context.Background(), distribute.Digest{}, int64(len(data)), i*1000, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if dials != 1 {
		t.Errorf("%d connections for 20 parts", dials)
	}
}

// partial answers with a range, and what else is said.
func partial(w http.ResponseWriter, contentRange string, body []byte) {
	w.Header().Set("Content-Range", contentRange)
	w.WriteHeader(http.StatusPartialContent)
	_, _ = w.Write(body) // whoever asked may be gone
}

// What is not the answer to the question is refused, and says why in words that do not change.
func TestLyingServer(t *testing.T) {
	const offset, length = 100, 1000
	right := fmt.Sprintf("bytes 100-1099/%d", len(data))
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		want  string
	}{
		"no ranges": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) }, "it does not serve ranges"},
		"another range": {func(w http.ResponseWriter, _ *http.Request) {
			partial(w, fmt.Sprintf("bytes 0-999/%d", len(data)), data[:length])
		}, "it answers with another range, or of a blob of another size"},
		"another size": {func(w http.ResponseWriter, _ *http.Request) { partial(w, "bytes 100-1099/5000", data[:length]) },
			"it answers with another range, or of a blob of another size"},
		"no range": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusPartialContent) },
			"it answers with another range, or of a blob of another size"},
		"a negative range": {func(w http.ResponseWriter, _ *http.Request) {
			partial(w, "bytes -5-18446744073709551616/*", data[:length])
		},
			"it answers with another range, or of a blob of another size"},
		"shorter by its length": {func(w http.ResponseWriter, _ *http.Request) { partial(w, right, data[:length-1]) }, "it answers with another number of bytes"},
		"longer by its length":  {func(w http.ResponseWriter, _ *http.Request) { partial(w, right, data[:length+1]) }, "it answers with another number of bytes"},
		"cut short": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			partial(w, right, data[:500])
		}, "unexpected EOF"},
		"chunked and short": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", right)
			w.WriteHeader(http.StatusPartialContent)
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write(data[:500])
		}, "unexpected EOF"},
		"chunked and long": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", right)
			w.WriteHeader(http.StatusPartialContent)
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write(data[:length+1])
		}, "it sends more than it was asked for"},
		"gzip": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Range", right)
			w.WriteHeader(http.StatusPartialContent)
			z := gzip.NewWriter(w)
			_, _ = z.Write(data[:length])
			_ = z.Close()
		}, "it encodes what it sends, though it was asked not to"},
		"404":    {http.NotFound, "it has not got the blob"},
		"403":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "it answers with status 403"},
		"416":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestedRangeNotSatisfiable) }, "its blob is shorter"},
		"503":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, "it answers with status 503"},
		"204":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, "it answers with status 204"},
		"a loop": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, "it redirects more than 3 times"},
		"to a file": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		},
			`unsupported protocol scheme "file"`},
		"a flood of headers": {func(w http.ResponseWriter, _ *http.Request) {
			for i := range 1000 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 100))
			}
			partial(w, right, data[offset:offset+length])
		}, "net/http: HTTP/1.x transport connection broken: net/http: server response headers exceeded 16384 bytes; aborted"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ask(t, c.serve, offset, length)
			if err == nil || err.Error() != c.want {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
			if len(got) > length {
				t.Errorf("%d bytes came through", len(got))
			}
		})
	}
}

// What is no HTTP, or says nothing, or never stops before it begins, ends with an error.
func TestNoServer(t *testing.T) {
	for name, say := range map[string]string{
		"silence": "", "noise": "\x16\x03\x01 what?\n", "a flood of hints": strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 20_000),
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				if c, err := l.Accept(); err == nil {
					_, _ = io.WriteString(c, say) // whoever dialled may be gone
					time.Sleep(100 * time.Millisecond)
					_ = c.Close()
				}
			}()
			got, err := askAt(t, "http://"+l.Addr().String(), 0, 1000)
			if err == nil {
				t.Errorf("got %d bytes", len(got))
			}
			_ = l.Close()
			<-done
		})
	}
	if _, err := askAt(t, "http://127.0.0.1:1", 0, 1000); err == nil || err.Error() != "dial: connect: connection refused" {
		t.Errorf("where nobody listens: %v", err)
	}
}

// From https to http there is no way.
func TestDowngrade(t *testing.T) {
	to, _ := http.NewRequest(http.MethodGet, "http://m/", nil)
	from, _ := http.NewRequest(http.MethodGet, "https://m/", nil)
	if checkRedirect(to, []*http.Request{from}) == nil || checkRedirect(from, []*http.Request{to}) != nil {
		t.Error("it goes from https to http, or not the other way")
	}
}

// Waiting ends with the context.
func TestCancel(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-999/%d", len(data)))
		w.WriteHeader(http.StatusPartialContent)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer s.Close()
	m, err := New(s.URL, new(net.Dialer).DialContext)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := m.Read(ctx, distribute.Digest{}, int64(len(data)), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := io.ReadAll(r); err == nil {
		t.Error("it goes on")
	}
	_ = r.Close()
}

// An answer that has all bytes and does not end is one.
func TestAnswerWithoutEnd(t *testing.T) {
	all := []byte("all that was asked for")
	end := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(all) // who asked may be gone
		w.(http.Flusher).Flush()
		<-end
	}))
	defer s.Close()
	defer close(end)
	m, err := New(s.URL, new(net.Dialer).DialContext)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	r, err := m.Read(t.Context(), distribute.Digest{}, int64(len(all)), 0, int64(len(all)))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, all) {
			t.Errorf("read %q, %v", got, err)
		}
		_ = r.Close() // the bytes are here
	}()
	select {
	case <-ended:
	case <-time.After(10 * endTime):
		t.Error("it is waited for")
	}
}

// A chunk list is what a server has beside the blob, whole, and no longer than it can be.
func TestList(t *testing.T) {
	d := distribute.Digest(sha256.Sum256(data))
	list := bytes.Repeat([]byte("node"), 500)
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "dag"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "dag", d.String()), list, 0o600); err != nil {
		t.Fatal(err)
	}
	endless := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(list); err != nil {
				return
			}
		}
	}
	packed := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_ = gzip.NewWriter(w).Close() // whoever asked may be gone
	}
	for name, c := range map[string]struct {
		serve http.Handler
		most  int64
		want  string // "": the list
	}{
		"as it is":  {http.FileServer(http.Dir(dir)), int64(len(list)), ""},
		"too long":  {http.FileServer(http.Dir(dir)), int64(len(list)) - 1, "it has no chunk list of the blob"},
		"none":      {http.NotFoundHandler(), 5000, "it has no chunk list of the blob"},
		"no end":    {http.HandlerFunc(endless), 5000, errLong.Error()},
		"in a pack": {http.HandlerFunc(packed), 5000, "it encodes what it sends, though it was asked not to"},
	} {
		s := httptest.NewServer(c.serve)
		m, err := New(s.URL, new(net.Dialer).DialContext)
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		r, err := m.List(t.Context(), d, c.most)
		if err == nil {
			got, err = io.ReadAll(r)
			_ = r.Close() // it was read, or is of no use
		}
		if c.want == "" && (err != nil || !bytes.Equal(got, list)) || c.want != "" && (err == nil || err.Error() != c.want) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		m.Close()
		s.CloseClientConnections()
		s.Close()
	}
}
