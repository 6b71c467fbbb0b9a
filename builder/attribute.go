package builder

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/builder/tree"
)

// layersPart is the part of a step in which layers are put over the packages.
const layersPart = "ostree-layers"

// layer fills in the layer that has the path, the last that put it there, and where it has it from.
func (s *blamer) layer(b *Blame) error {
	placed, err := s.placements()
	if err != nil {
		return err
	}
	for _, l := range slices.Backward(placed.Layers) {
		if slices.ContainsFunc(l.Paths, func(p string) bool {
			return p == b.Running || b.Type == "directory" && strings.HasPrefix(p, b.Running+"/")
		}) {
			b.Layer = &BlamedLayer{Name: l.Name, Override: l.Override}
			break
		}
	}
	if b.Layer == nil || b.Type == "directory" && !slices.ContainsFunc(b.Changes, func(c BlamedChange) bool { return c.Part == layersPart }) {
		b.Layer = nil // it only put something into a directory that was there
		return nil
	}
	if b.Layer.Name == imageLayerName {
		b.Layer.File = s.relative(s.env.WS.Image())
		return nil
	}
	dir := filepath.Join(s.env.WS.Overlays(), strings.TrimPrefix(b.Layer.Name, layerPrefix))
	if b.Layer.Name == overridesLayerName {
		dir = s.env.WS.OverrideRootfs()
	}
	for _, name := range []string{b.Running, b.Path} {
		file := filepath.Join(dir, name)
		if _, err := os.Lstat(file); err != nil {
			continue
		}
		b.Layer.File = s.relative(file)
		line, err := tree.StatOverrideLine(dir, name)
		if err != nil {
			b.Notes = append(b.Notes, err.Error())
		}
		if line > 0 {
			b.Layer.Mode = fmt.Sprintf("%s:%d", s.relative(filepath.Join(dir, "statoverride")), line)
		}
		if sum, err := hashFile(file); err == nil && b.SHA256 != "" && b.Layer.Name != "" && sum != b.SHA256 {
			b.Notes = append(b.Notes, b.Layer.File+" is not what the build has: it was changed since, or the build changed it")
		}
		break
	}
	return nil
}

// relative names a file from the workspace.
func (s *blamer) relative(name string) string {
	if rel, err := filepath.Rel(s.env.WS.Dir, name); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return name
}

// attribute says in words who made the path, who changed it last and who removed it.
func (b *Blame) attribute() {
	b.MadeBy = b.fromPackages()
	for _, c := range b.Changes {
		switch c.Change {
		case "added":
			b.MadeBy, b.ChangedBy, b.RemovedBy = b.who(c), "", ""
		case "changed":
			b.ChangedBy = b.who(c)
		case "removed":
			b.RemovedBy = b.who(c)
			if c.Path != "" {
				b.RemovedBy += ", with all of " + c.Path
			}
		}
	}
	if b.Present {
		b.RemovedBy = ""
	}
	if !b.Present && b.Package == nil && !slices.ContainsFunc(b.Changes, func(c BlamedChange) bool { return c.Path == "" }) {
		b.MadeBy = ""
		b.Notes = append(b.Notes, "no record names it, only a directory above it: perhaps it was never there")
	}
	if b.Changes == nil {
		b.Notes = append(b.Notes, "the build has no record of what its steps changed: another tool made it, or its tree was a copy")
		if b.Layer != nil {
			b.MadeBy = b.Layer.words()
		}
	}
	if !b.Present && b.RemovedBy == "" {
		b.Notes = append(b.Notes, "it was not installed: documentation, a language that is left out, or a file that only a running system has")
	}
}

// fromPackages is who made a path that no step added.
func (b *Blame) fromPackages() string {
	switch {
	case b.Package != nil:
		return "package " + cmp.Or(b.Package.NEVRA, b.Package.Name)
	case b.Changes == nil:
	case b.Path == "/":
		return "nosa"
	default:
		return "a scriptlet, or rpm itself, when the packages were installed: no package has it"
	}
	return ""
}

// who names a part of a step as a person knows it.
func (b *Blame) who(c BlamedChange) string {
	if c.Part == layersPart && b.Layer != nil && c.Change != "removed" {
		return b.Layer.words()
	}
	name := "nosa's step " + c.Step
	switch {
	case c.Origin != "":
		return c.Part + " (" + c.Origin + ")"
	case c.Part != c.Step:
		name += ", for " + c.Part
	}
	return name
}

func (l *BlamedLayer) words() string {
	if l.File == "" {
		return "layer " + l.Name
	}
	return "layer " + l.Name + ": " + l.File
}
