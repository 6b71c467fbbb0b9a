package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/lint"
	"github.com/nestos/nosa/workspace/manifest"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// ConfigFiles says where the files of a config lie. All paths are absolute; but
// for the treefile they may be missing.
type ConfigFiles struct {
	Dir       string   // the config directory
	Root      string   // what the names of files in diagnostics are relative to
	Manifest  string   // the treefile
	Image     string   // image.yaml
	Platforms string   // platforms.yaml
	Overlays  string   // the directory of the overlays
	Overrides string   // files that win over everything; "" is none
	RepoDirs  []string // directories with .repo files
	Lockfiles []string // each wins over those before it
}

// WorkspaceFiles are those of a workspace.
func WorkspaceFiles(ws *workspace.Workspace, arch string) (ConfigFiles, error) {
	f := ConfigFiles{
		Dir: ws.Config(), Root: ws.Dir, Manifest: ws.Manifest(), Image: ws.Image(), Platforms: ws.Platforms(),
		Overlays: ws.Overlays(), Overrides: ws.OverrideRootfs(), RepoDirs: []string{ws.Config()},
	}
	if _, err := os.Stat(ws.YumRepos()); err == nil {
		f.RepoDirs = append(f.RepoDirs, ws.YumRepos())
	}
	var err error
	f.Lockfiles, err = ws.Lockfiles(arch)
	return f, err
}

// DirectoryFiles are those of a config outside a workspace: path is its
// directory, or a treefile in it, whose name may have a variant
// (manifest-NAME.yaml). Names in diagnostics are relative to the working
// directory where they lie below it.
func DirectoryFiles(path, arch string) (ConfigFiles, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return ConfigFiles{}, fmt.Errorf("finding the config %s: %w", path, err)
	}
	info, err := os.Stat(abs)
	if err != nil {
		return ConfigFiles{}, fmt.Errorf("finding the config: %w", err)
	}
	name := "manifest.yaml"
	if !info.IsDir() {
		abs, name = filepath.Dir(abs), filepath.Base(abs)
	}
	f := ConfigFiles{
		Dir: abs, Root: abs, Manifest: filepath.Join(abs, name), Platforms: filepath.Join(abs, "platforms.yaml"),
		Overlays: filepath.Join(abs, "overlay.d"), RepoDirs: []string{abs},
	}
	variant := "image.yaml"
	if rest, ok := strings.CutPrefix(name, "manifest"); ok {
		variant = "image" + rest
	}
	f.Image = filepath.Join(abs, variant)
	if wd, err := os.Getwd(); err == nil {
		f.Root = wd
	}
	f.Lockfiles, err = workspace.FindLockfiles(abs, arch)
	return f, err
}

// ReviewOptions say what a config is reviewed for.
type ReviewOptions struct {
	Arch   string // RPM's name
	Engine manifest.Engine
	Texts  doc.Texts // stand in for what is in files; nil: nothing does
}

// Review reads a config and says everything that is wrong with it, sorted by
// place. The Config is fit for use only when there are no errors among the
// diagnostics. The error is for what keeps it from looking at all.
func Review(ctx context.Context, f ConfigFiles, o ReviewOptions) (*Config, doc.Diagnostics, error) {
	c := &Config{texts: o.Texts}
	var found doc.Diagnostics
	c.Manifest, found = manifest.Load(f.Manifest, manifest.Options{Arch: o.Arch, Root: f.Root, Texts: o.Texts})
	found = append(found, c.Manifest.Unsupported(o.Engine)...)
	if _, err := os.Stat(f.Image); !c.Manifest.Container || err == nil { // a container has no images
		image, more := workspace.LoadImageTexts(f.Image, f.Root, o.Texts)
		c.Image = image
		found = append(found, more...)
	}
	platforms, more := workspace.PlatformsFile{Path: f.Platforms, Arch: o.Arch, Root: f.Root, Texts: o.Texts}.Load()
	c.Platforms = platforms.JSON
	found = append(found, more...)
	more, err := c.findOverlays(f)
	if err != nil {
		return nil, nil, err
	}
	found = append(found, more...)
	found = append(found, c.readLocks(f)...)
	found = append(found, lint.Check(ctx, lint.Config{
		Dir: f.Dir, Root: f.Root, Manifest: c.Manifest, RepoDirs: f.RepoDirs, Overlays: c.overlayDirs(),
		Image: f.Image, Platforms: f.Platforms, Texts: o.Texts,
	})...)
	found = append(found, c.reviewLive(f)...)
	if !found.HasErrors() {
		if err := c.readOverlays(); err != nil {
			return nil, nil, err
		}
	}
	return c, found.Sorted(), ctx.Err()
}

func (c *Config) readLocks(f ConfigFiles) doc.Diagnostics {
	var locks []rpmmd.Lockfile
	var found doc.Diagnostics
	for _, name := range f.Lockfiles {
		shown := name
		if rel, err := filepath.Rel(f.Root, name); err == nil && !strings.HasPrefix(rel, "..") {
			shown = rel
		}
		lock, more := manifest.ReadLockfile(name, shown)
		locks, found = append(locks, lock), append(found, more...)
	}
	c.Lock = rpmmd.MergeLockfiles(locks...)
	return found
}

// findOverlays finds the directories that the manifest's layers stand for: those
// of ostree-layers, or all of overlay.d where the manifest names none (releases
// of NestOS rely on it), then the user's overrides.
func (c *Config) findOverlays(f ConfigFiles) (doc.Diagnostics, error) {
	there, err := overlayDirs(f.Overlays)
	if err != nil {
		return nil, err
	}
	var found doc.Diagnostics
	named := append(slices.Clone(c.Manifest.Layers), c.Manifest.OverrideLayers...)
	if !c.Manifest.Has("ostree-layers") {
		for _, name := range there {
			c.Overlays = append(c.Overlays, Overlay{Name: layerPrefix + name, Dir: filepath.Join(f.Overlays, name)})
		}
		if len(there) > 0 {
			at := manifest.Origin{File: c.Manifest.File, Line: 1, Column: 1}
			found = append(found, at.Warnf(CodeLayerLegacy, "there is no ostree-layers, so all of overlay.d is used: %s", strings.Join(there, ", ")).
				WithWhy("older releases relied on that").
				WithHint("name them: ostree-layers: ["+layerPrefix+strings.Join(there, ", "+layerPrefix)+"]"))
		}
	}
	for i, item := range named {
		name, ok := strings.CutPrefix(item.Text, layerPrefix)
		if !ok || !slices.Contains(there, name) {
			d := item.Errorf(CodeLayer, "layer %s: there is no directory overlay.d/%s", item.Text, name)
			if len(there) > 0 {
				d = d.WithHint("the layers here are " + strings.Join(there, ", "))
			}
			if near := doc.Nearest(name, there); near != "" {
				d = d.WithFix(layerPrefix + near)
			}
			found = append(found, d)
			continue
		}
		c.Overlays = append(c.Overlays, Overlay{
			Name: item.Text, Dir: filepath.Join(f.Overlays, name), Override: i >= len(c.Manifest.Layers),
		})
	}
	if f.Overrides == "" {
		return found, nil
	}
	if dirs, err := os.ReadDir(f.Overrides); err == nil && len(dirs) > 0 {
		c.Overlays = append(c.Overlays, Overlay{Name: overridesLayerName, Dir: f.Overrides, Override: true})
	}
	return found, nil
}

func (c *Config) overlayDirs() []string {
	dirs := make([]string, len(c.Overlays))
	for i, o := range c.Overlays {
		dirs[i] = o.Dir
	}
	return dirs
}

// readOverlays lists what is in the overlays.
func (c *Config) readOverlays() error {
	for i := range c.Overlays {
		o := &c.Overlays[i]
		layer, err := tree.ReadLayer(o.Name, o.Dir)
		if err != nil {
			return err
		}
		layer.Override = o.Override
		o.layer = layer
	}
	return nil
}

// DiagnosticEvent is how a journal tells of a diagnostic: its code is the reason.
func DiagnosticEvent(d doc.Diagnostic) event.Event {
	level := map[doc.Severity]event.Level{doc.Error: event.Error, doc.Warning: event.Warn, doc.Info: event.Info}[d.Severity]
	return event.Event{
		Kind: event.Log, Level: level, Path: d.Origin.String(), Text: d.Message, Why: d.Why, Hint: d.Hint, Reason: d.Code, Chain: d.Chain,
	}
}

// The diagnostics of a review of its own; the list of all codes is that of
// package manifest, whose numbering they share.
const (
	CodeLayer       = "TF038" // a layer whose directory is not there: a config can be checked without its overlays
	CodeName        = "TF039" // no usable rojig.name
	CodePackages    = "TF040" // no packages
	CodeLayerLegacy = "TF042" // overlay.d is used whole, as releases of NestOS need it
	CodeKey         = "TF043" // gpg-key: a key that cannot sign here
	CodeContainer   = "TF044" // an image is asked for of a container
	CodeLive        = "CF080" // a file of live/ that no ISO can be made with
)

func overlayDirs(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for overlays: %w", err)
	}
	var names []string
	for _, e := range entries { // ReadDir sorts by name
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
