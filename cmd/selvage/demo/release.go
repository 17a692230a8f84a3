package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"selvage/node/api"
)

// scene is one release on its way to some nodes, and what it cost.
type scene struct {
	name, version string
	from          *member // the node that seeds it; nil if it was seeded before
	targets       []*member
	receivers     []string // sites that have to get it over their uplink
	patches       string   // against how many earlier versions patches are made; "" is as usual

	digest string
	begun  time.Time
	before map[string]uplinkBytes // what had come down each site's uplink when it began
	lost   map[string]uplinkBytes // what nodes had counted that were killed since
	took   time.Duration
	cost   map[string]uplinkBytes
	ideal  map[string]int64 // the bytes of the blob that the site did not have
}

// uplinkBytes is what came from other sites.
type uplinkBytes struct{ wire, blob int64 }

func (u uplinkBytes) plus(o uplinkBytes) uplinkBytes {
	return uplinkBytes{u.wire + o.wire, u.blob + o.blob}
}
func (u uplinkBytes) less(o uplinkBytes) uplinkBytes {
	return uplinkBytes{u.wire - o.wire, u.blob - o.blob}
}

// padding is how much real content is put into each release: the demo's links are thin, and v3
// has to be long enough on the way to be caught there.
var padding = map[string]int64{"v1": 2 << 20, "v2": 2 << 20, "v3": 5 << 20}

// offset is where in the program's own file the content begins, so that no two releases share it.
var offset = map[string]int64{"v1": 0, "v2": 2 << 20, "v3": 4 << 20}

// build makes the function of one version: examples/hello, with content in a custom section.
func (s *story) build(version string) (string, error) {
	module, err := os.ReadFile(filepath.Join(filepath.Dir(s.Exe), "hello-"+version+".wasm"))
	if err != nil {
		return "", fmt.Errorf("%w: the functions that the demo seeds are made by 'make build', beside the program", err)
	}
	exe, err := os.Open(s.Exe)
	if err != nil {
		return "", err
	}
	defer exe.Close()
	content, err := io.ReadAll(io.NewSectionReader(exe, offset[version], padding[version]))
	if err != nil {
		return "", err
	}
	path := filepath.Join(s.dir, "hello-"+version+".wasm")
	return path, os.WriteFile(path, append(module, customSection("content", content)...), 0o600)
}

// customSection wraps data in a WebAssembly custom section, which engines pass over (core
// specification, 5.5.3).
func customSection(name string, data []byte) []byte {
	payload := append(append(leb(len(name)), name...), data...)
	return append(append([]byte{0}, leb(len(payload))...), payload...)
}

// leb encodes an unsigned LEB128 number.
func leb(n int) []byte {
	var out []byte
	for ; n >= 0x80; n >>= 7 {
		out = append(out, byte(n)|0x80)
	}
	return append(out, byte(n))
}

const deployment = `apiVersion: selvage/v1
kind: Deployment
metadata: {name: hello}
spec:
  release: hello@%s
  health: {http: {path: /healthz}, minHealthyTime: 500ms, deadline: 60s}
`

// release seeds and applies a version and waits until the scene's targets serve it.
func (s *story) release(ctx context.Context, sc scene) error {
	if err := s.open(ctx, &sc); err != nil {
		return err
	}
	if err := s.publish(ctx, &sc); err != nil {
		return err
	}
	return s.close(ctx, sc)
}

// open notes where the counters stand.
func (s *story) open(ctx context.Context, sc *scene) error {
	sc.begun, sc.before, sc.lost = time.Now(), map[string]uplinkBytes{}, map[string]uplinkBytes{}
	for _, site := range sc.receivers {
		n, err := s.siteDown(ctx, site)
		if err != nil {
			return err
		}
		sc.before[site] = n
	}
	for _, old := range s.scenes {
		if old.version == sc.version {
			sc.digest = old.digest
		}
	}
	return nil
}

func (s *story) siteDown(ctx context.Context, site string) (uplinkBytes, error) {
	var sum uplinkBytes
	for _, m := range s.site(site) {
		one, err := m.down(ctx)
		if err != nil {
			return sum, err
		}
		sum = sum.plus(one)
	}
	return sum, nil
}

// down returns what a node has had from other sites since it was started.
func (m *member) down(ctx context.Context) (uplinkBytes, error) {
	st, err := get[api.Status](ctx, m, "status", nil)
	if err != nil {
		return uplinkBytes{}, err
	}
	blobs, err := get[[]api.Blob](ctx, m, "blobs", nil)
	u := uplinkBytes{wire: st.Uplink.DownBytes}
	for _, b := range blobs {
		u.blob += b.FromUplinkBytes
	}
	return u, err
}

// publish seeds and applies the version as an operator would.
func (s *story) publish(ctx context.Context, sc *scene) error {
	file, err := s.build(sc.version)
	if err != nil {
		return err
	}
	args := []string{"seed", file, "--name", "hello", "--version", sc.version, "--type", "function", "--key", s.operatorKey(), "-o", "json"}
	if sc.patches != "" {
		args = append(args, "--patches", sc.patches)
	}
	out, err := s.fleet.run(ctx, sc.from, args...)
	if err != nil {
		return err
	}
	seeded, err := decode[struct {
		Digest string
		Size   int64
	}](out)
	if err != nil {
		return err
	}
	sc.digest = seeded.Digest
	manifest := filepath.Join(s.dir, "deployment-"+sc.version+".yaml")
	if err := os.WriteFile(manifest, fmt.Appendf(nil, deployment, sc.version), 0o600); err != nil {
		return err
	}
	if _, err := s.fleet.run(ctx, sc.from, "apply", "-f", manifest, "--key", s.operatorKey()); err != nil {
		return err
	}
	s.say("hello@%s (%s) is seeded and applied at %s", sc.version, mib(seeded.Size), sc.from.name)
	return nil
}

// close waits until the targets run the version, asks every one of them, and settles the bill.
func (s *story) close(ctx context.Context, sc scene) error {
	if err := s.converge(ctx, sc); err != nil {
		return err
	}
	sc.took = time.Since(sc.begun)
	if err := s.serving(ctx, sc.targets, sc.version); err != nil {
		return err
	}
	s.say("%d nodes answer over HTTP that they are %s, %.1f s after the scene began", len(sc.targets), sc.version, sc.took.Seconds())
	sc.cost, sc.ideal = map[string]uplinkBytes{}, map[string]int64{}
	for _, site := range sc.receivers {
		now, err := s.siteDown(ctx, site)
		if err != nil {
			return err
		}
		sc.cost[site] = now.plus(sc.lost[site]).less(sc.before[site])
		if sc.ideal[site], err = s.missing(ctx, site, sc.digest); err != nil {
			return err
		}
	}
	s.scenes = append(s.scenes, sc)
	return nil
}

// missing is how much the site had to get from elsewhere for a blob.
func (s *story) missing(ctx context.Context, site, digest string) (int64, error) {
	b, err := findBlob(ctx, s.site(site)[0], digest)
	return b.NeededBytes(), err
}

// converge waits until every target says that it runs the version and is ready.
func (s *story) converge(ctx context.Context, sc scene) error {
	return wait(ctx, 60*time.Second, fmt.Sprintf("all targets run hello@%s", sc.version), func() (bool, error) {
		ready := 0
		var have, size int64
		for _, m := range sc.targets {
			st, err := get[api.Status](ctx, m, "status", nil)
			if err != nil {
				return false, err
			}
			if runs(st.Deployments, "hello@"+sc.version) {
				ready++
			}
			b, err := findBlob(ctx, m, sc.digest)
			if err != nil {
				return false, err
			}
			have, size = have+b.HaveBytes, max(size, b.Size*int64(len(sc.targets)))
		}
		s.Bar.Show(fmt.Sprintf("%s: %3d%% %s of %s, %d of %d nodes ready", sc.version, have*100/max(size, 1), mib(have), mib(size), ready, len(sc.targets)))
		return ready == len(sc.targets), nil
	})
}

func runs(all []api.Running, release string) bool {
	for _, d := range all {
		if d.Name == "hello" && d.Release == release && d.Ready {
			return true
		}
	}
	return false
}

// serving calls the function of every node over HTTP and checks what it says it is.
func (s *story) serving(ctx context.Context, members []*member, version string) error {
	for _, m := range members {
		st, err := get[api.Status](ctx, m, "status", nil)
		if err != nil {
			return err
		}
		if len(st.Deployments) != 1 {
			return fmt.Errorf("%s has %d deployments, not one", m.name, len(st.Deployments))
		}
		text, err := fetchText(ctx, "http://"+st.Deployments[0].Address+"/")
		if err != nil {
			return fmt.Errorf("call the function of %s: %w", m.name, err)
		}
		want := fmt.Sprintf("hello from %s at %s: hello@%s (built as %s)", m.name, m.site, version, version)
		if strings.TrimSpace(text) != want {
			return fmt.Errorf("%s answers %q, not %q", m.name, text, want)
		}
	}
	return nil
}

func fetchText(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s: %s", resp.Status, body)
	}
	return string(body), err
}
