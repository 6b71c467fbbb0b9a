package builder

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// Facts is what a build says of the system that it makes: what a check of a
// booted one compares with.
type Facts struct {
	Meta     workspace.Meta
	Packages rpmmd.Lockfile
	Files    []FileFact // of the layers, with the paths of a running system
	SELinux  string     // what /etc/selinux/config asks for; "disabled" without one
	Users    []string   // names in the tree's passwd files
	Image    workspace.ImageConfig
	Ignition bool // the initramfs has it
}

// FileFact is a file as a running system must have it.
type FileFact struct {
	Path     string
	Mode     uint32 // st_mode, with the type bits
	UID, GID int
	Target   string // of a symbolic link
	SHA256   string // of a regular file's content
}

// ReadFacts reads a build and its commit, which is brought into the cache if
// it is not there.
func ReadFacts(ctx context.Context, env *Env, id string) (*Facts, error) {
	dir := env.WS.BuildDir(id, env.Arch.Name)
	meta, err := workspace.ReadMeta(dir)
	if err != nil {
		return nil, err
	}
	t, repo, err := env.commitTree(ctx, meta)
	if err != nil {
		return nil, err
	}
	f := &Facts{Meta: meta}
	if f.Packages, err = readLockfile(filepath.Join(dir, workspace.GeneratedLockfile(env.Arch.Name))); err != nil {
		return nil, err
	}
	if data, err := repo.ReadFile(t, imageConfigPath); err == nil {
		f.Image, _ = workspace.ParseImageJSON(data)
	}
	if f.Ignition, err = hasIgnition(dir, repo, t); err != nil {
		return nil, err
	}
	f.SELinux = selinuxMode(repo, t)
	f.Users = accountNames(repo, t)
	return f, f.readLayers(repo, t, dir)
}

// readLayers finds what the commit has at the paths that the layers placed.
func (f *Facts) readLayers(repo ostree.Repo, t ostree.Tree, dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, workspace.OverlaysFile))
	if err != nil {
		return fmt.Errorf("reading what the layers placed: %w", err)
	}
	var placed tree.Placement
	if err := json.Unmarshal(data, &placed); err != nil {
		return fmt.Errorf("reading %s: %w", workspace.OverlaysFile, err)
	}
	entries := map[string]ostree.Entry{}
	for _, e := range t.Entries {
		entries[e.Path] = e
	}
	seen := map[string]bool{}
	for _, layer := range placed.Layers {
		for _, path := range layer.Paths {
			stored := path
			if rest, ok := strings.CutPrefix(path, "/etc/"); ok {
				stored = "/usr/etc/" + rest
			}
			e, ok := entries[stored]
			if !ok || seen[path] { // a script may have removed it again
				continue
			}
			seen[path] = true
			fact := FileFact{Path: path, Mode: e.Mode, UID: int(e.UID), GID: int(e.GID), Target: e.Target}
			if e.IsRegular() {
				content, err := repo.ReadFile(t, stored)
				if err != nil {
					return err
				}
				fact.SHA256 = sha256Hex(content)
			}
			f.Files = append(f.Files, fact)
		}
	}
	return nil
}

func selinuxMode(repo ostree.Repo, t ostree.Tree) string {
	text, err := repo.ReadFile(t, "/usr/etc/selinux/config")
	if err != nil {
		return "disabled"
	}
	for line := range bytes.Lines(text) {
		if mode, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("SELINUX=")); ok {
			return string(mode)
		}
	}
	return "disabled"
}

func accountNames(repo ostree.Repo, t ostree.Tree) []string {
	var names []string
	for _, path := range []string{"/usr/etc/passwd", "/usr/lib/passwd"} {
		text, err := repo.ReadFile(t, path)
		if err != nil {
			continue
		}
		users, err := tree.ParsePasswd(text)
		if err != nil {
			continue
		}
		for _, u := range users {
			names = append(names, u.Name)
		}
	}
	return names
}

// ExportRepo makes an archive-mode repository in dir with the build's commit
// under its ref: what a web server gives to systems that upgrade.
func ExportRepo(ctx context.Context, env *Env, meta workspace.Meta, dir string) (ref string, err error) {
	if _, _, err := env.commitTree(ctx, meta); err != nil {
		return "", err
	}
	to := ostree.Repo{Path: dir}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("exporting the repository: %w", err)
	}
	if err := to.Init(ctx, ostree.Archive); err != nil {
		return "", err
	}
	if err := to.PullLocal(ctx, env.Repo(nil), "", meta.Commit); err != nil {
		return "", err
	}
	ref = meta.Ref
	if ref == "" {
		ref = meta.BuildID
	}
	return ref, to.SetRef(ref, meta.Commit)
}
