package workspace

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// Platform is what platforms.yaml says of one platform of one architecture.
type Platform struct {
	GrubCommands []string // lines of grub.cfg between its console markers
	Kargs        []string // kernel arguments after ignition.platform.id
}

// Platforms is platforms.yaml for one architecture.
type Platforms struct {
	ByName map[string]Platform
	JSON   []byte // platforms.json of the image; nil when the architecture has no entry
}

const (
	grubCommandsKey = "grub_commands"
	kargsKey        = "kernel_arguments"
)

// LoadPlatforms reads the platforms.yaml at path for arch; diagnostics name it
// relative to root, or by its base name when root is "". A missing file is a
// warning: configs of older releases have none, and their images get the
// defaults of firmware and kernel.
func LoadPlatforms(path, arch, root string) (Platforms, doc.Diagnostics) {
	return PlatformsFile{Path: path, Arch: arch, Root: root}.Load()
}

// PlatformsFile is a platforms.yaml and how it is read; see LoadPlatforms.
type PlatformsFile struct {
	Path, Arch, Root string
	Texts            doc.Texts // stand in for what is in files; nil: nothing does
}

// Load is LoadPlatforms of the file.
func (f PlatformsFile) Load() (Platforms, doc.Diagnostics) {
	path := f.Path
	var p Platforms
	name := filepath.Join(shownDir(path, f.Root), filepath.Base(path))
	src := doc.Source{Name: name}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return p, doc.Diagnostics{src.At(0, 0).Warnf(CodeImageLegacy, "%s is not there, as in older releases: consoles are those of firmware and kernel", name)}
	}
	node, ds := f.Texts.Read(path, src)
	d := doc.Decoder{Diagnostics: ds}
	arches, _ := d.Entries(node, filepath.Base(path))
	for _, a := range arches {
		byName := decodePlatforms(&d, a)
		if a.Key.Text != f.Arch || a.Value.IsNull() {
			continue
		}
		p.ByName = byName
		data, err := json.Marshal(a.Value.Value())
		if err != nil {
			d.Report(a.Value.Errorf(CodeImageValue, "%s: %v", f.Arch, err))
		}
		p.JSON = append(data, '\n')
	}
	return p, d.Diagnostics.Sorted()
}

func decodePlatforms(d *doc.Decoder, arch doc.Entry) map[string]Platform {
	byName := map[string]Platform{}
	platforms, _ := d.Entries(arch.Value, arch.Key.Text)
	for _, e := range platforms {
		var p Platform
		keys, _ := d.Entries(e.Value, e.Key.Text)
		for _, k := range keys {
			switch k.Key.Text {
			case grubCommandsKey:
				p.GrubCommands = decodeGrub(d, k.Value)
			case kargsKey:
				p.Kargs = decodeKargs(d, k.Value, kargsKey)
			default:
				warning := k.Key.Warnf(CodeImageKey, "unknown key %s", k.Key.Text)
				if near := doc.Nearest(k.Key.Text, []string{grubCommandsKey, kargsKey}); near != "" {
					warning = warning.WithHint("did you mean " + near + "?").WithFix(near)
				}
				d.Report(warning)
			}
		}
		byName[e.Key.Text] = p
	}
	return byName
}

func decodeGrub(d *doc.Decoder, n *doc.Node) []string {
	items, _ := d.Texts(n, grubCommandsKey)
	var commands []string
	for _, item := range items {
		if strings.ContainsAny(item.Text, "\n\r") {
			d.Report(item.Errorf(CodeImageValue, "%s: want one command an item, got several lines", grubCommandsKey))
			continue
		}
		commands = append(commands, item.Text)
	}
	return commands
}

// ReadPlatformsJSON reads a platforms.json that is kept with a build.
func ReadPlatformsJSON(data []byte) (Platforms, error) {
	root, ds := doc.Parse(doc.Source{Name: "platforms.json"}, data)
	d := doc.Decoder{Diagnostics: ds}
	p := Platforms{JSON: slices.Clone(data)}
	if root != nil {
		p.ByName = decodePlatforms(&d, doc.Entry{Key: &doc.Node{Text: "platforms.json"}, Value: root})
	}
	if err := d.Diagnostics.Err(); err != nil {
		return Platforms{}, fmt.Errorf("reading platforms.json: %w", err)
	}
	return p, nil
}
