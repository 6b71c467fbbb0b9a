package lint

import (
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/manifest"
)

// item is a text of the merged treefile with its place.
type item = manifest.Item

const modeLink = fs.ModeSymlink

// layer is a directory of overlay.d with what is in it.
type layer struct {
	dir      string // absolute
	name     string // the directory's own name
	override bool   // its files replace others
	files    []*layerFile
	byPath   map[string]*layerFile
}

// layerFile is one path of a layer.
type layerFile struct {
	*entry
	rel   string // below /, as it comes to lie: usr/etc is etc, bin is usr/bin
	inDir string // as it lies in the layer
	modes *modeLine
}

// executable tells whether the file has an x bit in the tree: that of its owner
// on the host, unless statoverride says otherwise.
func (f *layerFile) executable() bool {
	if f.modes == nil {
		return f.mode&0o100 != 0
	}
	return f.modes.mode&0o100 != 0 || !f.modes.set && f.mode&0o100 != 0
}

// statOverride is the file of a layer that sets modes and is not shipped.
const statOverride = "statoverride"

// readLayers sorts what was read into layers.
func (k *checker) readLayers() {
	for _, dir := range k.Overlays {
		dir = filepath.Clean(dir)
		l := &layer{dir: dir, name: filepath.Base(dir), byPath: map[string]*layerFile{}}
		ours := below(dir, filepath.Join(k.Dir, overlayDir))
		l.override = !ours || slices.ContainsFunc(k.Manifest.OverrideLayers, func(i item) bool { return i.Text == overlayPrefix+l.name })
		for _, e := range k.files {
			rel, ok := strings.CutPrefix(e.path, dir+"/")
			if !ok || rel == statOverride {
				continue
			}
			f := &layerFile{entry: e, rel: settle(rel), inDir: rel}
			l.files = append(l.files, f)
			l.byPath[rel] = f
			if !e.mode.IsDir() {
				k.shipped[f.rel] = true
			}
		}
		k.layers = append(k.layers, l)
	}
}

const (
	overlayDir    = "overlay.d"
	overlayPrefix = "overlay/" // begins the refs that stand for directories of overlay.d
)

// settle is where a path of a layer comes to lie.
func settle(rel string) string {
	if rest, ok := strings.CutPrefix(rel+"/", "usr/etc/"); ok {
		return path.Join("etc", rest)
	}
	switch top, _, _ := strings.Cut(rel, "/"); top {
	case "bin", "sbin", "lib", "lib64":
		return path.Join("usr", rel)
	}
	return rel
}

// ships tells whether an overlay brings the file at an absolute path of the target.
func (k *checker) ships(name string) bool {
	return k.shipped[settle(strings.TrimPrefix(path.Clean(name), "/"))]
}

// overlays checks the overlays and what is in them.
func (k *checker) overlays() {
	k.readLayers()
	k.layerNames()
	for _, l := range k.layers {
		k.statOverride(l)
		k.lost(l)
		for _, f := range l.files {
			k.layerFile(f)
		}
	}
	k.conflicts()
}

func (k *checker) layerFile(f *layerFile) {
	switch {
	case f.mode.IsDir():
		return
	case f.mode&modeLink != 0:
		k.link(f)
		return
	case !f.mode.IsRegular():
		k.report(f.at(0, 0).Errorf(CodeSpecial, "this is neither file, directory nor link").
			WithWhy("an overlay cannot hold it, and the build stops here").
			WithHint("have it made at boot by a line in usr/lib/tmpfiles.d"))
		return
	}
	if k.leftover(f) {
		return
	}
	k.ignored(f)
	k.program(f)
	if isUnit(f.rel) {
		k.unit(f)
	}
	switch dir := path.Base(path.Dir(f.rel)); {
	case !strings.HasSuffix(f.rel, ".conf"):
	case dir == "sysusers.d":
		k.sysusers(f)
	case dir == "tmpfiles.d":
		k.tmpfiles(f)
	}
}

// layerNames checks the names and the order of the overlays.
func (k *checker) layerNames() {
	named := k.Manifest.Has("ostree-layers") || k.Manifest.Has("ostree-override-layers")
	var before *layer
	for _, l := range k.layers {
		if !below(l.dir, filepath.Join(k.Dir, overlayDir)) {
			continue
		}
		at := doc.Origin{File: k.name(l.dir)}
		if i := slices.IndexFunc(k.Manifest.Layers, func(i item) bool { return i.Text == overlayPrefix+l.name }); i >= 0 {
			at = k.Manifest.Layers[i].Origin
		}
		switch {
		case number(l.name) < 0:
			k.report(at.Infof(CodeLayerName, "the overlay %s has no two digits before its name", l.name).
				WithWhy("overlays are usually called NNname, so that their order can be seen"))
		case before == nil || number(before.name) <= number(l.name):
		case named:
			k.report(at.Infof(CodeLayerName, "the overlay %s is applied after %s, whose number is higher", l.name, before.name).
				WithWhy("the order is that of ostree-layers, an included file's before the including one's"))
		default:
			k.report(at.Warnf(CodeLayerName, "the overlay %s is applied after %s", l.name, before.name).
				WithWhy("without ostree-layers they are sorted as text").WithHint("give all of them two digits"))
		}
		before = l
	}
	k.layersTwice()
}

func (k *checker) layersTwice() {
	first := map[string]item{}
	for _, i := range k.Manifest.Layers {
		if have, ok := first[i.Text]; ok && have.String() != i.String() {
			k.report(i.Warnf(CodeLayerName, "%s stands twice, the first time at %s", i.Text, have.Short()).WithHint("remove one of the two"))
			continue
		}
		first[i.Text] = i
	}
}

// number is the number that a name begins with, -1 if it is not NNname.
func number(name string) int {
	digits := len(name) - len(strings.TrimLeft(name, "0123456789"))
	if digits == 0 || digits > 4 || digits == len(name) {
		return -1
	}
	n := 0
	for _, c := range name[:digits] {
		n = 10*n + int(c-'0')
	}
	return n
}

// conflicts finds paths that several overlays have. The build stops when they
// are not the same.
func (k *checker) conflicts() {
	owner := map[string]*layer{}
	files := map[string]*layerFile{}
	for _, l := range k.layers {
		for _, f := range l.files {
			have, ok := files[f.rel]
			if !ok {
				owner[f.rel], files[f.rel] = l, f
				continue
			}
			if what := differs(have, f); what != "" && (!l.override || have.mode.IsDir()) {
				k.report(f.at(0, 0).Errorf(CodeConflict, "/%s is also in the overlay %s, with different %s", f.rel, owner[f.rel].name, what).
					WithWhy("overlays do not replace each other's files: the build stops").
					WithHint("keep it in one of the two, or list the overlay in ostree-override-layers"))
			}
		}
	}
}

// differs says in what two files differ, "" if in nothing.
func differs(a, b *layerFile) string {
	switch {
	case a.mode.IsDir() && b.mode.IsDir():
		return ""
	case a.mode.Type() != b.mode.Type():
		return "types"
	case a.mode&modeLink != 0 && a.link != b.link:
		return "targets"
	case a.mode&modeLink != 0:
		return ""
	case a.size != b.size || a.text != b.text:
		return "content"
	case a.executable() != b.executable() || modeOf(a) != modeOf(b):
		return "modes"
	}
	return ""
}

func modeOf(f *layerFile) modeLine {
	if f.modes == nil {
		return modeLine{}
	}
	return modeLine{mode: f.modes.mode, set: f.modes.set}
}
