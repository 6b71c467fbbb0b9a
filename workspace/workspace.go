// Package workspace is the directory on disk that everything of nosa shares:
// its layout, what is configured, and the records of what was built.
//
// It builds nothing and prints nothing. What a stage does is package builder's;
// the manifest, documents, jobs and locks have rooms of their own below.
package workspace

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// ErrNoWorkspace is a directory that nosa init has not been run in.
var ErrNoWorkspace = errors.New("no workspace here")

// DefaultVariant is the name by which a user asks for no variant.
const DefaultVariant = "default"

// variantKey is the one key of src/config.json.
const variantKey = "coreos-assembler.config-variant"

// Workspace is an existing workspace. Its methods give paths and read or write
// what lies there; none of them keeps anything in memory.
type Workspace struct {
	Dir     string // absolute
	Variant string // of the config, from src/config.json; empty is none
}

// Open gives the workspace in dir. It looks at dir only, not at its parents,
// and gives ErrNoWorkspace when builds/ or src/ is missing.
func Open(dir string) (*Workspace, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening workspace %s: %w", dir, err)
	}
	for _, name := range []string{"builds", "src"} {
		info, err := os.Stat(filepath.Join(abs, name))
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
			return nil, fmt.Errorf("%s: %w (no %s directory)", abs, ErrNoWorkspace, name)
		}
		if err != nil {
			return nil, fmt.Errorf("opening workspace: %w", err)
		}
	}
	w := &Workspace{Dir: abs}
	if w.Variant, err = readVariant(w.path("src", "config.json")); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *Workspace) path(elem ...string) string {
	return filepath.Join(append([]string{w.Dir}, elem...)...)
}

// Builds is the directory of all builds.
func (w *Workspace) Builds() string { return w.path("builds") }

// BuildDir is the directory of a build's files for one architecture.
func (w *Workspace) BuildDir(id, arch string) string { return w.path("builds", id, arch) }

// Config is the directory of the config: a checkout or a symbolic link, which
// must be followed before it is walked.
func (w *Workspace) Config() string { return w.path("src", "config") }

// ConfigGit is the checkout when the config is a sub-directory of it.
func (w *Workspace) ConfigGit() string { return w.path("src", "config-git") }

// YumRepos is the optional directory of further .repo files.
func (w *Workspace) YumRepos() string { return w.path("src", "yumrepos") }

// Manifest is the treefile of the variant.
func (w *Workspace) Manifest() string { return w.variantFile("manifest") }

// Image is the image.yaml of the variant.
func (w *Workspace) Image() string { return w.variantFile("image") }

// Extensions is the extensions.yaml of the variant; it need not exist.
func (w *Workspace) Extensions() string { return w.variantFile("extensions") }

// Platforms is platforms.yaml; configs of older releases have none.
func (w *Workspace) Platforms() string { return filepath.Join(w.Config(), "platforms.yaml") }

// Overlays is the directory whose sub-directories are the overlays.
func (w *Workspace) Overlays() string { return filepath.Join(w.Config(), "overlay.d") }

// Live is the directory of the live image's boot menus.
func (w *Workspace) Live() string { return filepath.Join(w.Config(), "live") }

// OverrideRPMs is where the user puts RPMs that win over those of the repositories.
func (w *Workspace) OverrideRPMs() string { return w.path("overrides", "rpm") }

// OverrideRootfs is where the user puts files that win over everything.
func (w *Workspace) OverrideRootfs() string { return w.path("overrides", "rootfs") }

// Cache is what can be made again at the cost of time.
func (w *Workspace) Cache() string { return w.path("cache") }

// Tmp is for what is being made, and for jobs and VMs.
func (w *Workspace) Tmp() string { return w.path("tmp") }

// Pool is the sample pool of RPMs.
func (w *Workspace) Pool() string { return w.path("pool") }

// KeptDir is the directory of the disks that machines were told to keep, by name.
func (w *Workspace) KeptDir() string { return w.path("vms") }

// JobsDir is the directory of the jobs' directories.
func (w *Workspace) JobsDir() string { return w.path("tmp", "jobs") }

// relayName is the directory below tmp/ of what is shared with containers that run a command.
const relayName = "relay"

// RelayDir is the directory of the directories that a command in a container shares with who started it.
func (w *Workspace) RelayDir() string { return w.path("tmp", relayName) }

// VMsDir is the directory of the VMs' directories.
func (w *Workspace) VMsDir() string { return w.path("tmp", "vms") }

// FetchedStamp is the file that the original tool touches after a fetch.
func (w *Workspace) FetchedStamp() string { return w.path("cache", "fetched-stamp") }

// Transient reports whether nothing here needs to survive a power cut (init --transient).
func (w *Workspace) Transient() bool {
	_, err := os.Lstat(w.transientMarker())
	return err == nil
}

func (w *Workspace) transientMarker() string { return w.path("tmp", "nosa-transient") }

func (w *Workspace) variantFile(stem string) string {
	return filepath.Join(w.Config(), variantName(stem, w.Variant))
}

func variantName(stem, variant string) string {
	if variant == "" {
		return stem + ".yaml"
	}
	return stem + "-" + variant + ".yaml"
}

// Lockfiles are the package locks of the config for arch that exist, each
// winning over those before it: base, overrides, overrides of arch. A name that
// is there both as YAML and as JSON is an error.
func (w *Workspace) Lockfiles(arch string) ([]string, error) { return FindLockfiles(w.Config(), arch) }

// FindLockfiles is Lockfiles of a config directory.
func FindLockfiles(config, arch string) ([]string, error) {
	var found []string
	for _, l := range []struct{ stem, first, second string }{
		{"manifest-lock." + arch, "json", "yaml"},
		{"manifest-lock.overrides", "yaml", "json"},
		{"manifest-lock.overrides." + arch, "yaml", "json"},
	} {
		var here []string
		for _, ext := range []string{l.first, l.second} {
			name := filepath.Join(config, l.stem+"."+ext)
			if _, err := os.Stat(name); err == nil {
				here = append(here, name)
			} else if !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("looking for lockfiles: %w", err)
			}
		}
		if len(here) == 2 {
			return nil, fmt.Errorf("lockfile %s is there as .yaml and as .json; keep one of them", l.stem)
		}
		found = append(found, here...)
	}
	return found, nil
}

// BaseLockfile is where fetch --update-lockfile writes the packages of arch: the
// base lock that is there, else manifest-lock.ARCH.json.
func (w *Workspace) BaseLockfile(arch string) string {
	yaml := filepath.Join(w.Config(), "manifest-lock."+arch+".yaml")
	if _, err := os.Stat(yaml); err == nil {
		return yaml
	}
	return filepath.Join(w.Config(), "manifest-lock."+arch+".json")
}

// GeneratedLockfile is the name of the file in a build that records its packages.
func GeneratedLockfile(arch string) string { return "manifest-lock.generated." + arch + ".json" }

var safeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~-]*$`)

// CheckID says why id cannot be a build's id, which is a directory name and
// part of file names.
func CheckID(id string) error {
	if !safeName.MatchString(id) || id == "latest" {
		return fmt.Errorf("build id %q: want letters, digits and ._+~-, the first a letter or digit", id)
	}
	return nil
}

func checkVariant(name string) error {
	if !safeName.MatchString(name) {
		return fmt.Errorf("variant %q: want letters, digits and ._+~-, the first a letter or digit", name)
	}
	return nil
}

func readVariant(path string) (string, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the variant: %w", err)
	}
	var conf map[string]any
	if err := json.Unmarshal(data, &conf); err != nil {
		return "", fmt.Errorf("reading the variant from %s: %w", path, err)
	}
	variant, _ := conf[variantKey].(string)
	if variant == "" || variant == DefaultVariant {
		return "", nil
	}
	return variant, checkVariant(variant)
}
