package builder

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/manifest"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// InputsFile is the list of what went into a build, in the build's directory: what tells later why
// another one was made.
const InputsFile = "inputs.json"

// Input is one thing that a tree depends on.
type Input struct {
	Name   string `json:"name"` // for people: "manifest", "package bash-5.2-1.x86_64", "overlay/05core: etc/motd"
	Digest string `json:"digest"`
}

// Inputs are all that a tree depends on, in a fixed order.
type Inputs []Input

// Digest is the digest of all of them. It stands in the place of rpm-ostree's input hash, whose
// value depends on its own data structures.
func (list Inputs) Digest() string {
	h := sha256.New()
	for _, in := range list {
		fmt.Fprintf(h, "%s\x00%s\n", in.Name, in.Digest)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Since says in one line what differs from old; "" when nothing does.
func (list Inputs) Since(old Inputs) string { return strings.Join(few(list.changes(old)), ", ") }

// changes says of each input that is not as in old what became of it.
func (list Inputs) changes(old Inputs) []string {
	before := make(map[string]string, len(old))
	for _, in := range old {
		before[in.Name] = in.Digest
	}
	var words []string
	for _, in := range list {
		digest, ok := before[in.Name]
		delete(before, in.Name)
		switch {
		case !ok:
			words = append(words, in.Name+" is new")
		case digest != in.Digest:
			words = append(words, in.Name+" changed")
		}
	}
	for _, in := range old {
		if _, gone := before[in.Name]; gone && in.Name != versionInput { // that version is there
			words = append(words, in.Name+" is gone")
		}
	}
	return words
}

// readInputs gives the inputs of a build; none of one that another tool made.
func readInputs(dir string) (Inputs, error) {
	data, err := os.ReadFile(filepath.Join(dir, InputsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the inputs of a build: %w", err)
	}
	var list Inputs
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, nil //nolint:nilerr // it only explains
	}
	return list, nil
}

// collectInputs lists what the tree of b depends on; the packages must be known. A version that was asked for the last
// time counts as long as there is nothing else to make another one for.
func (b *build) collectInputs(env *Env) (Inputs, error) {
	m := b.config.Manifest
	flat, err := m.JSON()
	if err != nil {
		return nil, err
	}
	list := Inputs{{"engine", env.engineStamp()}, {"manifest", sha256Hex(flat)}}
	for _, o := range []Input{{versionInput, b.req.Version}, {"--parent", b.req.Parent}} {
		if o.Digest != "" {
			list = append(list, o)
		}
	}
	if b.req.FinalizeScripts && len(m.Finalize) > 0 {
		list = append(list, Input{"--finalize-scripts", "yes"})
	}
	if env.Epoch != nil {
		list = append(list, Input{"SOURCE_DATE_EPOCH", strconv.FormatInt(env.Epoch.Unix(), 10)})
	}
	for _, name := range externalFiles(m) {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("hashing inputs: %w", err)
		}
		list = append(list, Input{"file " + b.shortName(env, name), sha256Hex(data)})
	}
	for _, l := range b.layers {
		more, err := layerInputs(l)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	for _, p := range b.fetched.Packages {
		list = append(list, packageInput(p))
	}
	if b.req.Version == "" {
		asked := slices.Insert(slices.Clone(list), versionAt, Input{versionInput, b.previous.Version})
		if asked.Digest() == b.previous.InputHash {
			return asked, nil
		}
	}
	return list, nil
}

// An asked version among the inputs: its name and its place.
const (
	versionInput = "--version"
	versionAt    = 2
)

func packageInput(p rpmmd.FetchedPackage) Input {
	data, err := json.Marshal(p)
	if err != nil {
		panic("builder: a package is no data: " + err.Error())
	}
	return Input{"package " + p.NEVRA.String(), sha256Hex(data)}
}

// shortName is a file's name as people know it: below the workspace, if it is there.
func (b *build) shortName(env *Env, name string) string {
	if rel, err := filepath.Rel(env.WS.Dir, name); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return name
}

// layerInputs lists a layer itself, for its place among the others, and its files.
func layerInputs(l tree.Layer) (Inputs, error) {
	kind := "layer"
	if l.Override {
		kind = "override"
	}
	list := Inputs{{l.Name, kind}}
	for _, f := range l.Files {
		var content bytes.Buffer
		fmt.Fprintf(&content, "%v %d:%d %s\n", f.Mode, f.UID, f.GID, f.Link)
		if f.Source != "" {
			sum, err := hashFile(f.Source)
			if err != nil {
				return nil, fmt.Errorf("layer %s: %w", l.Name, err)
			}
			content.WriteString(sum)
		}
		name := strings.TrimPrefix(f.Path, "/")
		if l.Name == imageLayerName {
			list = append(list, Input{"image.yaml (" + name + ")", sha256Hex(content.Bytes())})
			continue
		}
		list = append(list, Input{l.Name + ": " + name, sha256Hex(content.Bytes())})
	}
	return list, nil
}

func hashFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// externalFiles are the files that a manifest names and whose content goes into the tree.
func externalFiles(m *manifest.Manifest) []string {
	var names []string
	for _, f := range append([]manifest.File{m.PostprocessScript, m.CheckPasswd.File, m.CheckGroups.File}, m.Finalize...) {
		if f.Path != "" {
			names = append(names, f.Path)
		}
	}
	for _, a := range m.AddFiles {
		names = append(names, a.Source.Path)
	}
	return names
}

// imageInputsChanged says why images of the same commit would differ from those of the previous
// build; "" when they would not.
func (b *build) imageInputsChanged(env *Env) (string, error) {
	dir := env.WS.BuildDir(b.previous.BuildID, env.Arch.Name)
	old, err := os.ReadFile(filepath.Join(dir, PlatformsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading the platforms of build %s: %w", b.previous.BuildID, err)
	}
	sum := b.imageConfigSum()
	switch {
	case !bytes.Equal(old, b.config.Platforms):
		return "platforms.yaml changed", nil
	case b.previous.ImageInputChecksum != "" && b.previous.ImageInputChecksum != workspace.ImageInputChecksum(b.previous.Commit, sum):
		return "image.yaml changed", nil
	}
	if changed, err := liveChanged(env.WS.Config(), dir); changed || err != nil {
		return "live/ changed", err
	}
	return "", nil
}
