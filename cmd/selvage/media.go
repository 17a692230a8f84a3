package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"selvage/node/api"
)

func newExport(env *environment) *cobra.Command {
	var on string
	c := &cobra.Command{
		Use:   "export NAME@VERSION... FILE.car",
		Short: "Write releases into a file to be carried by hand",
		Long: "Write releases into a file that is carried to where no link reaches: their bytes, patches and signatures, and the\n" +
			"charters by which these are judged. It is a CAR, which any IPFS tool reads; the same releases give the same bytes.\n" +
			"The file - is standard output.",
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			last := len(args) - 1
			return export(c.Context(), env, api.ExportWish{Releases: args[:last], Platform: on}, args[last])
		},
	}
	c.Flags().StringVar(&on, "platform", "", "only what runs on this os/arch (default: all)")
	return c
}

func export(ctx context.Context, env *environment, wish api.ExportWish, path string) error {
	client := env.client()
	plan, err := client.PlanExport(ctx, wish)
	if err != nil {
		return env.explain(err)
	}
	out, err := createWhole(ctx, env, path)
	if err != nil {
		return err
	}
	defer out.abandon()
	bar := newProgress(env.err)
	w := &counted{told: func(n int64) { bar.Show(portion(n, plan.Bytes)) }, w: out}
	err = client.Export(ctx, wish, w)
	bar.End()
	if err != nil {
		return out.failed(env.explain(err), plan.Bytes)
	}
	if w.n != plan.Bytes {
		return hinted(fmt.Errorf("%s came, not %d: something of it changed meanwhile", count(w.n, "byte"), plan.Bytes), "export it again")
	}
	if err := out.finish(); err != nil {
		return out.failed(err, plan.Bytes)
	}
	return tellExported(env, plan, path)
}

func tellExported(env *environment, m api.Media, path string) error {
	if n := len(m.LeftOut); n > 0 {
		env.hint("%d %s not on this node, and not in the file: whoever has the old version fetches what it lacks by chunks", n, agree(n, "patch is", "patches are"))
	}
	if path == stdio {
		return nil // that is where the answer went
	}
	if env.json() {
		return env.printJSON(m)
	}
	for _, r := range m.Releases {
		if _, err := fmt.Fprintf(env.out, "exported %s\n", r.Release); err != nil {
			return err
		}
	}
	more := ""
	if m.Revocations > 0 {
		more = count(m.Revocations, "revocation") + ", "
	}
	_, err := fmt.Fprintf(env.out, "%s: %s, %s, %sroot %s\n", path, size(m.Bytes), count(len(m.Blobs), "blob"), more, m.Root)
	return err
}

func newImport(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE.car",
		Short: "Take in releases from a file that 'selvage export' wrote",
		Long: "Take in releases from a file. Every byte and signature in it is checked, by this fleet's charter, before anything is kept; then\n" +
			"the releases spread from this node as if they had been seeded here. The file - is standard input.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return importFile(c.Context(), env, args[0]) },
	}
}

func importFile(ctx context.Context, env *environment, path string) error {
	in, err := openInput(ctx, path)
	if err != nil {
		return err
	}
	defer in.Close()
	bar := newProgress(env.err)
	body := &counted{r: in, told: func(n int64) { bar.Show(portion(n, in.size)) }}
	got, err := env.client().Import(ctx, body)
	body.end()
	bar.End()
	if err != nil {
		return env.explain(err)
	}
	if env.json() {
		return env.printJSON(got)
	}
	for _, r := range got.Releases {
		word := "known already"
		if r.New {
			word = "new"
		}
		if _, err := fmt.Fprintf(env.out, "imported %s: %s\n", r.Release, word); err != nil {
			return err
		}
	}
	if n := got.NewRevocations; n > 0 {
		if _, err := fmt.Fprintf(env.out, "%s not known here; 'selvage get revocations' lists %s\n", count(n, "revocation")+agree(n, " was", " were"), agree(n, "it", "them")); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(env.out, "%s read, %s of blobs new here\n", size(got.Bytes), size(got.NewBytes))
	return err
}

// portion says how much of a whole is done; of one whose size is not known, how much.
func portion(n, total int64) string {
	if total == 0 {
		return size(n)
	}
	return fmt.Sprintf("%d%% %s of %s", percent(n, total), size(n), size(total))
}
