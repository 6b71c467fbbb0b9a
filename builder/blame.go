package builder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
)

// BlameRequest asks where a path of a build comes from.
type BlameRequest struct {
	Build string // id, tag or "latest"
	Path  string // as the commit has it or as a running system does: /usr/etc/x is /etc/x
}

// Blame says where a path comes from.
type Blame struct {
	Build   string `json:"build"`
	Commit  string `json:"commit"`
	Path    string `json:"path"`         // in the commit
	Running string `json:"running_path"` // in a system that runs it
	Present bool   `json:"present"`      // else it was removed on the way to the commit
	*FileState
	Type   string `json:"type,omitempty"`   // file, directory, link
	SHA256 string `json:"sha256,omitempty"` // of a file's content
	Object string `json:"object,omitempty"` // the checksum that ostree knows it by

	Package *BlamedPackage `json:"package,omitempty"` // that has the path, whatever became of it
	Layer   *BlamedLayer   `json:"layer,omitempty"`   // that put it there
	Changes []BlamedChange `json:"changes"`           // what the build did to it, in order; nil when it has no record of that

	// In a line each: who made it, who changed it last where that is somebody else, who removed it.
	MadeBy    string   `json:"made_by,omitempty"`
	ChangedBy string   `json:"changed_by,omitempty"`
	RemovedBy string   `json:"removed_by,omitempty"`
	Notes     []string `json:"notes,omitempty"`
}

// BlamedPackage is the package that has a path.
type BlamedPackage struct {
	Name  string `json:"name"`
	NEVRA string `json:"nevra,omitempty"`
}

// BlamedLayer is the layer that has a path.
type BlamedLayer struct {
	Name     string `json:"name"`
	Override bool   `json:"override,omitempty"`
	File     string `json:"file,omitempty"` // named from the workspace; empty when it is not there any more
	Mode     string `json:"mode,omitempty"` // FILE:LINE of the statoverride that set the mode
}

// BlamedChange is a part of a step that did something to a path or to a directory above it.
type BlamedChange struct {
	Step   string `json:"step"`
	Part   string `json:"part"`
	Origin string `json:"origin,omitempty"` // file:line:column
	Change string `json:"change"`           // added, changed, removed
	Path   string `json:"path,omitempty"`   // the directory, where it was one above
}

// NoPathError is a path that neither the commit has nor anything of what made it.
type NoPathError struct {
	Build, Path string
	Near        string // a path that it may be a slip of; "" is none
}

// Error says that it is not there.
func (e *NoPathError) Error() string {
	return fmt.Sprintf("build %s has no %s, and nothing that it was made of had it", e.Build, e.Path)
}

// FindBlame says where a path of a build comes from: which package, layer, script or step of nosa made
// it and changed it last. A commit that the cache does not have is brought back from the build's
// archive. An unknown path is a *NoPathError.
func FindBlame(ctx context.Context, env *Env, req BlameRequest) (*Blame, error) {
	if err := tool.Require("rpm"); err != nil {
		return nil, err
	}
	l, err := UseBuilds(ctx, env)
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }()
	id, err := env.WS.Resolve(req.Build, env.Arch.Name)
	if err != nil {
		return nil, err
	}
	s := blamer{env: env, dir: env.WS.BuildDir(id, env.Arch.Name)}
	if s.meta, err = workspace.ReadMeta(s.dir); err != nil {
		return nil, err
	}
	if s.tree, s.repo, err = env.commitTree(ctx, s.meta); err != nil {
		return nil, fmt.Errorf("commit of build %s: %w", id, err)
	}
	return s.blame(ctx, req.Path)
}

// blamer is a build with what is read of it.
type blamer struct {
	env   *Env
	dir   string
	meta  workspace.Meta
	tree  ostree.Tree
	repo  ostree.Repo
	paths map[string]ostree.Entry
}

func (s *blamer) blame(ctx context.Context, name string) (*Blame, error) {
	s.paths = byPath(s.tree)
	b := &Blame{Build: s.meta.BuildID, Commit: s.meta.Commit, Path: s.inCommit(name)}
	b.Running = b.Path
	if rest, ok := below(b.Path, "/usr/etc"); ok {
		b.Running = "/etc" + rest
	}
	entry, ok := s.paths[b.Path]
	if ok {
		if err := s.describe(b, entry); err != nil {
			return nil, err
		}
	}
	changes, err := ReadChanges(s.dir)
	switch {
	case err == nil:
		b.Changes = changes.about(b.Path)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if b.Package, err = s.owner(ctx, b.Path); err != nil {
		return nil, err
	}
	if err := s.layer(b); err != nil {
		return nil, err
	}
	if !b.Present && b.Package == nil && len(b.Changes) == 0 {
		return nil, &NoPathError{Build: b.Build, Path: b.Path, Near: s.near(b.Path)}
	}
	b.attribute()
	return b, nil
}

// inCommit gives the path that a commit has for one that a person types: /etc is /usr/etc, and links
// of directories, as /bin is, are followed.
func (s *blamer) inCommit(name string) string {
	name = path.Clean("/" + name)
	for range 40 { // as many links as the kernel follows
		if rest, ok := below(name, "/etc"); ok {
			name = "/usr/etc" + rest
		}
		at := s.linkAbove(name)
		if at == "" {
			break
		}
		target := s.paths[at].Target
		if !path.IsAbs(target) {
			target = path.Join(path.Dir(at), target)
		}
		name = path.Join(target, strings.TrimPrefix(name, at))
	}
	return name
}

// linkAbove gives the first directory above name that is a link, or "".
func (s *blamer) linkAbove(name string) string {
	for i, c := range name {
		if c == '/' && i > 0 && s.paths[name[:i]].IsSymlink() {
			return name[:i]
		}
	}
	return ""
}

// describe fills in what the commit knows of the path.
func (s *blamer) describe(b *Blame, e ostree.Entry) error {
	b.Present, b.FileState, b.Object = true, fileState(e), e.Checksum
	switch {
	case e.IsDir():
		b.Type = "directory"
	case e.IsSymlink():
		b.Type = "link"
	default:
		b.Type = "file"
		data, err := s.repo.ReadFile(s.tree, e.Path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		b.SHA256 = hex.EncodeToString(sum[:])
	}
	return nil
}

// about gives the changes of a path and of the directories above it that came or went with it.
func (c Changes) about(name string) []BlamedChange {
	list := []BlamedChange{}
	for _, p := range c.Parts {
		for _, set := range []struct {
			what  string
			paths []string
		}{{"removed", p.Removed}, {"added", p.Added}, {"changed", p.Changed}} {
			for _, have := range set.paths {
				if have == name {
					list = append(list, BlamedChange{p.Step, p.Part, p.Origin, set.what, ""})
				} else if _, isBelow := below(name, have); isBelow && set.what == "removed" {
					list = append(list, BlamedChange{p.Step, p.Part, p.Origin, set.what, have})
				}
			}
		}
	}
	return list
}

// near gives a path of the commit that may be meant.
func (s *blamer) near(name string) string {
	dir, base := path.Split(name)
	var siblings, namesakes []string
	for _, e := range s.tree.Entries {
		if e.Path == "/" {
			continue
		}
		if path.Base(e.Path) == base {
			namesakes = append(namesakes, e.Path)
		}
		if path.Dir(e.Path) == path.Clean(dir) {
			siblings = append(siblings, path.Base(e.Path))
		}
	}
	if near := doc.Nearest(base, siblings); near != "" {
		return path.Join(dir, near)
	}
	if len(namesakes) > 0 {
		return namesakes[0]
	}
	return ""
}

// placements reads what the layers of the build put where.
func (s *blamer) placements() (tree.Placement, error) {
	var p tree.Placement
	data, err := os.ReadFile(filepath.Join(s.dir, workspace.OverlaysFile))
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &p)
	}
	if err != nil {
		return p, fmt.Errorf("reading %s: %w", filepath.Join(s.dir, workspace.OverlaysFile), err)
	}
	return p, nil
}
