package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"selvage/ledger"
	"selvage/ledger/trust"
	"selvage/node/api"
)

type seedOptions struct {
	name, version, kind, platform string
	patches                       int
	key                           keyFlag
}

func newSeed(env *environment) *cobra.Command {
	var o seedOptions
	c := &cobra.Command{
		Use:   "seed PATH --name N --version V --type process|function|bundle",
		Short: "Sign a release and offer it to the fleet from this node",
		Args:  cobra.ExactArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return seed(c.Context(), env, o, args[0]) },
	}
	c.Flags().StringVar(&o.name, "name", "", "name of the release")
	c.Flags().StringVar(&o.version, "version", "", "version of the release")
	c.Flags().StringVar(&o.kind, "type", "", "what runs it: process, function or bundle")
	c.Flags().StringVar(&o.platform, "platform", "", "os/arch that it runs on (default any; this machine's for a process)")
	c.Flags().IntVar(&o.patches, "patches", 3, fmt.Sprintf("from how many earlier versions to make patches, 0 to %d", api.MaxPatches))
	o.key.add(c)
	for _, f := range []string{"name", "version", "type"} {
		_ = c.MarkFlagRequired(f) // fails only for a flag that is not there
	}
	return c
}

// release is what the flags say of the release of a file, or what is wrong with that.
func (o seedOptions) release(path string) (ledger.Release, error) {
	if o.patches < 0 || o.patches > api.MaxPatches {
		return ledger.Release{}, usage("--patches %d: want 0 to %d", o.patches, api.MaxPatches)
	}
	if o.platform == "" {
		o.platform = ledger.AnyPlatform
		if o.kind == "process" {
			o.platform = platform()
		}
	}
	rel := ledger.Release{Name: o.name, Version: o.version, Type: o.kind, Artifacts: []ledger.Artifact{{Platform: o.platform, File: filepath.Base(path)}}}
	if err := rel.CheckPlan(); err != nil {
		return ledger.Release{}, usage("%v", err)
	}
	return rel, nil
}

func seed(ctx context.Context, env *environment, o seedOptions, path string) error {
	f, err := openRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	rel, err := o.release(path)
	if err != nil {
		return err
	}
	keys, err := o.key.load(env)
	if err != nil {
		return err
	}
	blob, err := upload(ctx, env, f)
	if err != nil {
		return err
	}
	a := &rel.Artifacts[0]
	patches, err := o.makePatches(ctx, env, a.Platform, blob.Digest)
	if err != nil {
		return err
	}
	if rel.Created, err = effectiveTime(ctx, env); err != nil {
		return err
	}
	a.Digest, a.Size, a.Root, a.Patches = blob.Digest, blob.Size, blob.Root, api.Listing(patches)
	envelope, err := ledger.SignRelease(rel, keys...)
	if err != nil {
		return usage("%v", err)
	}
	p, err := publish(ctx, env, api.KindRelease, envelope)
	if err != nil {
		return err
	}
	return tellSeeded(env, rel.Ref(), p.Statement, blob, patches)
}

// makePatches has the node make patches from what it has of earlier versions.
func (o seedOptions) makePatches(ctx context.Context, env *environment, platform, digest string) ([]api.Patch, error) {
	if o.patches == 0 {
		return []api.Patch{}, nil
	}
	bar := newProgress(env.err)
	defer bar.End()
	bar.Show("making patches from earlier versions")
	all, err := env.client().MakePatches(ctx, api.PatchWish{Name: o.name, Platform: platform, Digest: digest, Versions: o.patches})
	return all, env.explain(err)
}

func tellSeeded(env *environment, ref, statement string, blob api.Added, patches []api.Patch) error {
	if env.json() {
		return env.printJSON(map[string]any{"release": ref, "statement": statement, "digest": blob.Digest, "size": blob.Size, "root": blob.Root, "patches": patches})
	}
	_, err := fmt.Fprintf(env.out, "seeded %s: %s, sha256:%s\n", ref, size(blob.Size), blob.Digest)
	for _, p := range patches {
		if err == nil {
			_, err = fmt.Fprintf(env.out, "patch from %s: %s\n", p.FromRelease, size(p.Size))
		}
	}
	return err
}

// openRegular opens what can be released: one file.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path) // before it is opened: a pipe to which nobody writes would keep that for ever
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, hinted(fmt.Errorf("%s is not a file", path), "a directory is released as a tar or zip archive, type bundle")
	}
	return os.Open(path)
}

// upload puts a file into the node's store, showing how far it is.
func upload(ctx context.Context, env *environment, f *os.File) (api.Added, error) {
	info, err := f.Stat()
	if err != nil {
		return api.Added{}, err
	}
	bar := newProgress(env.err)
	body := &counted{r: f, told: func(n int64) { bar.Show(portion(n, info.Size())) }}
	added, err := env.client().AddBlob(ctx, body)
	body.end()
	bar.End()
	if err != nil {
		return added, env.explain(err)
	}
	after, err := f.Stat()
	if err == nil && (after.Size() != info.Size() || added.Size != info.Size() || !after.ModTime().Equal(info.ModTime())) {
		err = hinted(fmt.Errorf("%s changed while it was read", f.Name()), "seed it again when it is whole; nothing was signed")
	}
	return added, err
}

// counted tells how many bytes were read, or written.
type counted struct {
	r    io.Reader
	w    io.Writer
	n    int64
	told func(int64)

	mu   sync.Mutex
	over bool
}

func (c *counted) Read(p []byte) (int, error) { return c.count(c.r.Read(p)) }

func (c *counted) Write(p []byte) (int, error) { return c.count(c.w.Write(p)) }

func (c *counted) count(n int, err error) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n += int64(n); !c.over {
		c.told(c.n)
	}
	return n, err
}

// end has nothing told any more: of a request that was answered before its end, as when it is refused, the rest may still be read.
func (c *counted) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
}

// effectiveTime is the node's view of the time, which a clock that was set back cannot fool.
func effectiveTime(ctx context.Context, env *environment) (time.Time, error) {
	s, err := ask[api.Status](ctx, env, "status", nil)
	return s.Time.UTC(), err
}

func publish(ctx context.Context, env *environment, kind string, envelope trust.Envelope) (api.Published, error) {
	data, err := json.Marshal(envelope)
	if err != nil {
		return api.Published{}, err
	}
	p, err := env.client().Publish(ctx, kind, data)
	return p, env.explain(err)
}
