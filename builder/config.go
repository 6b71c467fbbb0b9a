package builder

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
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

	texts doc.Texts // stood in for files
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
	files, err := WorkspaceFiles(env.WS, env.Arch.Name)
	if err != nil {
		return nil, err
	}
	c, found, err := Review(ctx, files, ReviewOptions{Arch: env.Arch.Name, Engine: cmp.Or(env.engine, manifest.EngineDNF)})
	if err != nil {
		return nil, err
	}
	for _, d := range found {
		if d.Severity == doc.Warning && env.Sink != nil {
			env.Sink.Emit(DiagnosticEvent(d))
		}
	}
	found = slices.DeleteFunc(found, func(d doc.Diagnostic) bool { return d.Severity != doc.Error })
	if err := found.Err(); err != nil {
		return nil, err
	}
	if c.Epoch, err = env.WS.ConfigEpoch(ctx); errors.Is(err, workspace.ErrNotGit) {
		c.Epoch, err = time.Unix(0, 0), nil
	}
	return c, err
}

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

var systemName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*$`)

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
