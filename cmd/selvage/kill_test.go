package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestKills kills a real node over and over, by SIGKILL, while it fetches from another over a thin uplink, and while it imports a
// file of releases. Whenever it is down, every blob that it lists has its bytes; in the end it runs the newest version and is in good
// standing. SELVAGE_KILLS says how often ('make kills'), SELVAGE_SEED when.
func TestKills(t *testing.T) {
	kills, err := strconv.Atoi(os.Getenv("SELVAGE_KILLS"))
	if err != nil {
		t.Skip("takes minutes: set SELVAGE_KILLS to how often, as 'make kills' does")
	}
	seed, err := strconv.ParseUint(os.Getenv("SELVAGE_SEED"), 10, 64)
	if err != nil {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("SELVAGE_SEED=%d", seed)
	k := newKilling(t, rand.New(rand.NewPCG(seed, 1)))
	for n := range kills {
		if n%5 == 0 {
			k.release(n)
		}
		if n%5 == 4 {
			k.killImporting()
		} else {
			k.killFetching()
		}
		k.check()
		if n%20 == 19 {
			t.Logf("%d kills, %d with a fetch half done, %d with an import under way", n+1, k.halves, k.imports)
		}
	}
	k.end()
	if k.halves < kills/5 || k.imports < kills/20 {
		t.Errorf("of %d kills %d came in a fetch and %d in an import: too few to mean something", kills, k.halves, k.imports)
	}
}

// killing is a node that stays up, a, and one that is killed, b.
type killing struct {
	t       *testing.T
	rand    *rand.Rand
	program string
	dir     string
	content []byte
	version string
	b       *exec.Cmd

	importing time.Duration // how long an import takes

	halves, imports int // how many kills came when
}

func newKilling(t *testing.T, r *rand.Rand) *killing {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	k := &killing{t: t, rand: r, dir: t.TempDir(), content: make([]byte, 2<<20), importing: 120 * time.Millisecond}
	k.program = filepath.Join(k.dir, "selvage") // by its name it knows what it is, see TestMain
	if err := os.Symlink(self, k.program); err != nil {
		t.Fatal(err)
	}
	k.noise(k.content)
	k.must("a", "init", "--fleet", "acme", "--site", "hq", "--name", "a")
	k.up("a")
	k.await("a", "fleet acme", "status")
	k.must("a", "uplink", "limit", "--up", "6mbit")
	k.must("b", "join", strings.TrimSpace(k.must("a", "invite", "--site", "shop")), "--name", "b")
	k.b = k.up("b")
	k.await("a", "shop", "get", "sites")
	return k
}

// noise fills b with bytes that do not repeat themselves.
func (k *killing) noise(b []byte) {
	for i := range b {
		b[i] = byte(k.rand.Uint32())
	}
}

// up starts a node, which ends with the test.
func (k *killing) up(node string) *exec.Cmd {
	k.t.Helper()
	c := k.command(node, "up", "--listen=127.0.0.1:0", "--lan-discovery=false")
	log, err := os.OpenFile(filepath.Join(k.dir, node+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		k.t.Fatal(err)
	}
	defer log.Close()
	c.Stderr = log
	if err := c.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() {
		_ = c.Process.Kill() // it may have been killed
		_ = c.Wait()
	})
	return c
}

func (k *killing) command(node string, args ...string) *exec.Cmd {
	c := exec.Command(k.program, append([]string{"--dir", filepath.Join(k.dir, node)}, args...)...)
	c.Dir = k.dir
	return c
}

// must runs a command, which must not fail, and returns what it said.
func (k *killing) must(node string, args ...string) string {
	k.t.Helper()
	var stderr bytes.Buffer
	c := k.command(node, args...)
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		k.t.Fatalf("%s %v: %v\n%s", node, args, err, stderr.String())
	}
	return string(out)
}

// await waits until a command succeeds and says a word.
func (k *killing) await(node, word string, args ...string) {
	k.t.Helper()
	var out []byte
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var err error
		if out, err = k.command(node, args...).CombinedOutput(); err == nil && strings.Contains(string(out), word) {
			return
		}
	}
	log, _ := os.ReadFile(filepath.Join(k.dir, node+".log")) // what there is of it
	k.t.Fatalf("%s %v: waited %s in vain for %q; the last:\n%s\n%s", node, args, patience, word, out, log[max(0, len(log)-4000):])
}

// release seeds the next version at a, of which a part is new, exports it, and declares it.
func (k *killing) release(n int) {
	k.noise(k.content[k.rand.IntN(len(k.content)/2):])
	k.version = fmt.Sprintf("app@v%d", n)
	k.write("app.bin", k.content)
	k.write("app.yaml", []byte("apiVersion: selvage/v1\nkind: Deployment\nmetadata: {name: app}\nspec:\n  release: "+k.version+"\n"))
	k.must("a", "seed", "app.bin", "--name", "app", "--version", strings.TrimPrefix(k.version, "app@"), "--type", "bundle")
	k.must("a", "export", k.version, "app.car")
	k.must("a", "apply", "-f", "app.yaml")
}

func (k *killing) write(name string, data []byte) {
	k.t.Helper()
	if err := os.WriteFile(filepath.Join(k.dir, name), data, 0o600); err != nil {
		k.t.Fatal(err)
	}
}

// killFetching lets b fetch for a while, and kills it. Where the fetch was done already, that comes at any other moment.
func (k *killing) killFetching() {
	for end := time.Now().Add(3 * time.Second); !k.half() && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(time.Duration(k.rand.IntN(400)) * time.Millisecond)
	k.kill()
	if k.half() {
		k.halves++
	}
}

// half reports whether b has a part of the version's blob, or at least knows that it wants it.
func (k *killing) half() bool {
	sum := sha256.Sum256(k.content)
	_, err := os.Stat(filepath.Join(k.dir, "b/store/partial", hex.EncodeToString(sum[:])+".want"))
	return err == nil
}

// killImporting kills b at some moment of an import, or just after it, from which it is known how long the next takes.
func (k *killing) killImporting() {
	k.await("b", "fleet acme", "status")
	c := k.command("b", "import", "app.car")
	if err := c.Start(); err != nil {
		k.t.Fatal(err)
	}
	begun, ended := time.Now(), make(chan error, 1)
	go func() { ended <- c.Wait() }()
	var err error
	select {
	case err = <-ended:
		k.importing = time.Since(begun)
		k.kill()
	case <-time.After(time.Duration(k.rand.Int64N(int64(k.importing)))):
		k.kill()
		err = <-ended
	}
	if err != nil {
		k.imports++
	}
}

func (k *killing) kill() {
	if err := k.b.Process.Kill(); err != nil {
		k.t.Fatal(err)
	}
	_ = k.b.Wait() // it says that it was killed
}

// check looks at what b's disk holds while b is down, and starts it again.
func (k *killing) check() {
	k.t.Helper()
	data, err := os.ReadFile(filepath.Join(k.dir, "b/store/index.json"))
	if err != nil {
		k.t.Fatal(err)
	}
	var index struct {
		Manifests []struct {
			Digest string
			Size   int64
		}
	}
	if err := json.Unmarshal(data, &index); err != nil {
		k.t.Fatal(err)
	}
	for _, m := range index.Manifests {
		want := strings.TrimPrefix(m.Digest, "sha256:")
		blob, err := os.ReadFile(filepath.Join(k.dir, "b/store/blobs/sha256", want))
		sum := sha256.Sum256(blob)
		if err != nil || hex.EncodeToString(sum[:]) != want || int64(len(blob)) != m.Size {
			k.t.Fatalf("blob %s is listed and has %d other bytes, %v", want, len(blob), err)
		}
	}
	k.b = k.up("b")
}

// end lets b come to where it has to be.
func (k *killing) end() {
	k.await("b", k.version+" ready", "get", "nodes", "b")
	if got, err := os.ReadFile(filepath.Join(k.dir, "b/run/app/current/app.bin")); err != nil || !bytes.Equal(got, k.content) {
		k.t.Errorf("b runs %d other bytes, %v", len(got), err)
	}
	if out := k.must("b", "doctor", "--scrub"); !strings.Contains(out, " 0 went bad") {
		k.t.Errorf("scrubbed: %s", out)
	}
	if out := k.must("a", "get", "nodes"); strings.Contains(out, "quarantined") {
		k.t.Errorf("nodes: %s", out)
	}
}
