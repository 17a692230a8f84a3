package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Needs returns what the blobs are needed for that must not go: what is wanted, what runs, and the last two versions that proved
// themselves, of every deployment that is meant for this node; by digest, hex. It fails if a journal cannot be read, for then it
// is not known what is needed.
func (d *Deployer) Needs() (map[string]string, error) {
	needs := map[string]string{}
	note := func(a Artifact, why string) {
		if _, known := needs[a.Digest]; !known && a.Digest != "" {
			needs[a.Digest] = why
		}
	}
	d.mu.Lock()
	workers := make(map[string]*worker, len(d.workers))
	for name, w := range d.workers {
		workers[name] = w
	}
	d.mu.Unlock()
	absent := map[string]bool{}
	for name, w := range workers {
		w.mu.Lock()
		want, running := w.desired, w.running
		w.mu.Unlock()
		absent[recordFile(name)] = !want.Selected
		if want.Selected && want.Target != nil {
			note(want.Target.Artifact, "wanted by "+name)
		}
		for _, a := range running {
			note(a, "runs in "+name)
		}
	}
	return needs, d.journalNeeds(absent, note)
}

// journalNeeds notes what proved itself. It looks at the files, since a worker may not have read its own yet.
func (d *Deployer) journalNeeds(absent map[string]bool, note func(Artifact, string)) error {
	list, err := d.cfg.FS.ReadDir(journalDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list journals: %w", err)
	}
	for _, e := range list {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		name = strings.ReplaceAll(name, "~", "/")
		if !ok || absent[recordFile(name)] {
			continue
		}
		r, err := loadRecord(d.cfg.FS, name)
		if err != nil {
			return err
		}
		for _, v := range []*Version{r.Verified, r.Before} {
			if v != nil {
				note(v.Artifact, "way back of "+name)
			}
		}
	}
	return nil
}
