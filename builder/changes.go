package builder

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nestos/nosa/workspace/event"
)

// ChangesFile is the record of what each part of the build did to the packages' tree, in the build's
// directory.
const ChangesFile = "changes.json"

// Changes is what ChangesFile holds: in their order, the parts of the steps that changed something.
type Changes struct {
	Parts []PartChanges `json:"parts"`
}

// PartChanges is what one part of a step did. Paths are the commit's, with a leading slash: /usr/etc
// is where the files of /etc are. Of a directory that went or came with all that is in it, only a
// removed one stands for its content.
type PartChanges struct {
	Step    string   `json:"step"`
	Part    string   `json:"part"`             // the manifest's key, or postprocess[2], or a word of nosa's own
	Origin  string   `json:"origin,omitempty"` // file:line:column of what asked for it
	Added   []string `json:"added,omitempty"`
	Changed []string `json:"changed,omitempty"`
	Removed []string `json:"removed,omitempty"`
}

// note records what the part of a step that is named like a key of the manifest has changed.
func (b *build) note(step, part string) {
	origin := ""
	if at, ok := b.config.Manifest.Origins[part]; ok {
		origin = at.String()
	}
	b.noteAt(step, part, origin)
}

// noteAt records what a part of a step has changed. What cannot be recorded is no reason to fail.
func (b *build) noteAt(step, part, origin string) {
	if b.changes == nil || b.changes.err != nil {
		return
	}
	b.changes.err = b.changes.note(PartChanges{Step: step, Part: part, Origin: origin})
}

// treeRecord is a record of the tree of this build: the one that was made or, where the commit is that
// of the previous build, that build's. It gives nil when there is none.
func (b *build) treeRecord(env *Env, name string, made any) ([]byte, error) {
	if b.sameTree {
		data, err := os.ReadFile(filepath.Join(env.WS.BuildDir(b.previous.BuildID, env.Arch.Name), name))
		if err == nil {
			return data, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("taking the records of build %s: %w", b.previous.BuildID, err)
		}
	}
	if made == nil {
		return nil, nil
	}
	data, err := json.MarshalIndent(made, "", "    ")
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", name, err)
	}
	return data, nil
}

// madeChanges is what was recorded of the tree of this build, or nil.
func (b *build) madeChanges(r *event.Reporter) any {
	if b.changes == nil {
		return nil
	}
	if b.changes.err != nil {
		r.Info("nosa blame will know less of this build: " + b.changes.err.Error())
		return nil
	}
	return Changes{b.changes.parts}
}

// ReadChanges gives the changes of a build. One that another tool made, or nosa with a copied tree,
// has none: fs.ErrNotExist.
func ReadChanges(dir string) (Changes, error) {
	var c Changes
	data, err := os.ReadFile(filepath.Join(dir, ChangesFile))
	if err != nil {
		return c, fmt.Errorf("reading what changed the tree: %w", err)
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("reading %s: %w", filepath.Join(dir, ChangesFile), err)
	}
	return c, nil
}
