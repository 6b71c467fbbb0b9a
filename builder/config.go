package builder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/manifest"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// layerPrefix begins the refs that stand for directories of overlay.d.
const layerPrefix = "overlay/"

// overridesLayerName is the ref of the user's overrides/rootfs.
const overridesLayerName = layerPrefix + "nosa-overrides-rootfs"

// Config is everything that is read from src/ before a stage begins.
type Config struct {
	Manifest  *manifest.Manifest
	Image     workspace.ImageConfig
	Platforms []byte // platforms.json of the architecture; nil without
	Lock      rpmmd.Lockfile
	Epoch     time.Time // of the config's last commit; 1970 when it is no checkout
	Overlays  []Overlay
}

// Overlay is a directory that goes over the packages as a layer.
type Overlay struct {
	Name     string // overlay/05core
	Dir      string
	Override bool // its files replace others
	layer    tree.Layer
}

// LoadConfig reads and checks the config of the workspace. Warnings go to the
// sink; errors are all collected and returned as doc.Diagnostics.
func LoadConfig(ctx context.Context, env *Env) (*Config, error) {
	ws := env.WS
	c := &Config{}
	var found doc.Diagnostics
	c.Manifest, found = manifest.Load(ws.Manifest(), manifest.Options{Arch: env.Arch.Name, Root: ws.Dir})
	found = append(found, c.Manifest.Unsupported()...)
	image, more := workspace.LoadImage(ws.Image())
	c.Image = image
	found = append(found, more...)
	platforms, more := workspace.LoadPlatforms(ws.Platforms(), env.Arch.Name)
	c.Platforms = platforms.JSON
	found = append(found, more...)
	layers, err := c.layers(ws)
	if err != nil {
		return nil, err
	}
	found = append(found, layers...)
	for _, d := range found {
		if d.Severity == doc.Warning && env.Sink != nil {
			env.Sink.Emit(event.Event{Kind: event.Log, Level: event.Warn, Path: d.Origin.String(), Text: d.Message, Hint: d.Hint, Reason: d.Code})
		}
	}
	found = slices.DeleteFunc(found, func(d doc.Diagnostic) bool { return d.Severity != doc.Error })
	if err := found.Sorted().Err(); err != nil {
		return nil, err
	}
	return c, c.loadRest(ctx, ws, env.Arch.Name)
}

func (c *Config) loadRest(ctx context.Context, ws *workspace.Workspace, arch string) (err error) {
	if c.Epoch, err = ws.ConfigEpoch(ctx); errors.Is(err, workspace.ErrNotGit) {
		c.Epoch, err = time.Unix(0, 0), nil
	}
	if err != nil {
		return err
	}
	names, err := ws.Lockfiles(arch)
	if err != nil {
		return err
	}
	var locks []rpmmd.Lockfile
	for _, name := range names {
		l, err := readLockfile(name)
		if err != nil {
			return err
		}
		locks = append(locks, l)
	}
	c.Lock = rpmmd.MergeLockfiles(locks...)
	return nil
}

// layers finds the directories that the manifest's layers stand for: those of
// ostree-layers, or all of overlay.d where the manifest names none (releases of
// NestOS rely on it), then the user's overrides.
func (c *Config) layers(ws *workspace.Workspace) (doc.Diagnostics, error) {
	there, err := overlayDirs(ws.Overlays())
	if err != nil {
		return nil, err
	}
	var found doc.Diagnostics
	named := append(slices.Clone(c.Manifest.Layers), c.Manifest.OverrideLayers...)
	if !c.Manifest.Has("ostree-layers") {
		for _, name := range there {
			c.Overlays = append(c.Overlays, Overlay{Name: layerPrefix + name, Dir: filepath.Join(ws.Overlays(), name)})
		}
	}
	for i, item := range named {
		name, ok := strings.CutPrefix(item.Text, layerPrefix)
		if !ok || !slices.Contains(there, name) {
			d := item.Errorf(CodeLayer, "layer %s: there is no directory overlay.d/%s", item.Text, name)
			if len(there) > 0 {
				d = d.WithHint("the layers here are " + strings.Join(there, ", "))
			}
			found = append(found, d)
			continue
		}
		c.Overlays = append(c.Overlays, Overlay{
			Name: item.Text, Dir: filepath.Join(ws.Overlays(), name), Override: i >= len(c.Manifest.Layers),
		})
	}
	if dirs, err := os.ReadDir(ws.OverrideRootfs()); err == nil && len(dirs) > 0 {
		c.Overlays = append(c.Overlays, Overlay{Name: overridesLayerName, Dir: ws.OverrideRootfs(), Override: true})
	}
	for i := range c.Overlays {
		o := &c.Overlays[i]
		layer, err := tree.ReadLayer(o.Name, o.Dir)
		if err != nil {
			return found, err
		}
		layer.Override = o.Override
		o.layer = layer
	}
	return found, nil
}

// CodeLayer is the diagnostic of a layer whose directory is not there. It has a
// code of its own because a config can be checked without its overlays.
const CodeLayer = "TF038"

// checkName wants a name that can be part of file names and a stateroot.
func (c *Config) checkName() doc.Diagnostics {
	m := c.Manifest
	if systemName.MatchString(m.Rojig.Name) {
		return nil
	}
	at, ok := m.Origins["rojig"]
	if !ok {
		at = manifest.Origin{File: m.File, Line: 1, Column: 1}
	}
	d := at.Errorf(CodeName, "rojig.name %q: want letters, digits and ._+-, the first a letter or digit", m.Rojig.Name)
	if m.Rojig.Name == "" {
		d = at.Errorf(CodeName, "the system has no name: rojig.name is missing")
	}
	return doc.Diagnostics{d.WithHint("artifacts, the stateroot and the boot menu are named after it: rojig: {name: nestos, summary: …, license: …}")}
}

// CodeName is the diagnostic of a manifest without a usable rojig.name.
const CodeName = "TF039"

var systemName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*$`)

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

func readLockfile(name string) (rpmmd.Lockfile, error) {
	l, problems := manifest.ReadLockfile(name, filepath.Base(name))
	return l, problems.Err()
}

// digest is the hexadecimal sha256 of the parts, each with its length.
func digest(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d\n", len(p))
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
