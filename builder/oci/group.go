package oci

import (
	"cmp"
	"crypto/sha256"
	"maps"
	"path"
	"slices"
	"strings"
)

// How files are packed into layers. With the same files in it a layer stays the same bytes, whatever
// becomes of the others.
const (
	ownSize   = 4 << 20 // a package of so many bytes has a layer of its own,
	ownMost   = 12      // if it is one of the so many largest;
	bins      = 14      // the others share so many layers, by the checksum of their name
	looseSize = 1 << 20 // a file of so many bytes that nobody owns is apart from the smaller ones
)

// unpackaged is rpm-ostree's name of what no package owns.
const unpackaged = "rpmostree-unpackaged-content"

// release gets each build's version, so it is not with its package, which stays the same.
const release = "/usr/lib/os-release"

// class is a kind of layers; this is their order in an image.
type class int

const (
	metadata class = iota // the commit and its directories
	kernelImage
	initramfs
	ownPackage
	sharedBin
	looseLarge
	loose
)

// bin is one of the layers of an image.
type bin struct {
	class class
	name  string // of the package, where it has a layer of its own
	n     int    // which of the shared ones
}

func compareBins(a, b bin) int {
	return cmp.Or(cmp.Compare(a.class, b.class), strings.Compare(a.name, b.name), cmp.Compare(a.n, b.n))
}

// owner is what a file belongs to: ownPackage with its name is any package, small ones too.
type owner struct {
	class class
	name  string
}

// component is the owner's name in the description of a layer.
func (o owner) component() string {
	switch o.class {
	case kernelImage:
		return "vmlinuz"
	case initramfs:
		return "initramfs"
	case ownPackage:
		return o.name
	}
	return unpackaged
}

// placed is a file in a layer.
type placed struct {
	*Entry
	object bool // its object is in the layer, too
}

// layer is what of a commit is in one layer of the image.
type layer struct {
	bin
	components []string // the names of the owners, sorted
	files      []placed // in the order of the commit
}

// layers divides the files of the commit. An object is in one layer, and so are all hard links to
// it, since none can lead into another layer. It belongs to the first of the owners of its paths: to
// the kernel, to the package of its first path that has one, to nobody.
func (req Request) layers() []layer {
	owners := req.owners()
	home := map[string]owner{}
	for _, e := range req.Entries {
		if e.isDir() {
			continue
		}
		o := owners.of(e)
		if first, ok := home[e.Checksum]; !ok || o.class < first.class {
			home[e.Checksum] = o
		}
	}
	own := largest(req.Entries, home)
	found := map[bin]*layer{}
	for i, e := range req.Entries {
		if e.isDir() {
			continue
		}
		o := home[e.Checksum]
		in := placed{Entry: &req.Entries[i], object: true}
		if e.isEmpty() {
			// It is no link, so it is where its owner is, not where the first of all empty files is.
			at := owners.of(e)
			in.object, o = at == o, at
		}
		b := binOf(o, own)
		if found[b] == nil {
			found[b] = &layer{bin: b}
		}
		found[b].files = append(found[b].files, in)
		if i, ok := slices.BinarySearch(found[b].components, o.component()); !ok {
			found[b].components = slices.Insert(found[b].components, i, o.component())
		}
	}
	list := []layer{{bin: bin{class: metadata}}}
	for _, b := range slices.SortedFunc(maps.Keys(found), compareBins) {
		list = append(list, *found[b])
	}
	return list
}

// largest gives the packages that have a layer of their own.
func largest(entries []Entry, home map[string]owner) map[string]bool {
	sizes, seen := map[string]int64{}, map[string]bool{}
	for _, e := range entries {
		if o := home[e.Checksum]; !e.isDir() && o.class == ownPackage && !seen[e.Checksum] {
			seen[e.Checksum] = true
			sizes[o.name] += e.Size
		}
	}
	maps.DeleteFunc(sizes, func(_ string, size int64) bool { return size < ownSize })
	names := slices.SortedFunc(maps.Keys(sizes), func(a, b string) int {
		return cmp.Or(cmp.Compare(sizes[b], sizes[a]), strings.Compare(a, b))
	})
	own := map[string]bool{}
	for _, name := range names[:min(len(names), ownMost)] {
		own[name] = true
	}
	return own
}

func binOf(o owner, own map[string]bool) bin {
	if o.class != ownPackage {
		return bin{class: o.class}
	}
	if own[o.name] {
		return bin{class: ownPackage, name: o.name}
	}
	sum := sha256.Sum256([]byte(o.name))
	return bin{class: sharedBin, n: int(sum[0]) % bins}
}

// owners tells the owner of a path of the commit.
type owners map[string]string

func (w owners) of(e Entry) owner {
	if dir, name := path.Split(e.Path); strings.HasPrefix(dir, "/usr/lib/modules/") && strings.Count(dir, "/") == 5 {
		switch name {
		case "vmlinuz":
			return owner{class: kernelImage}
		case "initramfs.img":
			return owner{class: initramfs}
		}
	}
	if name, ok := w[e.Path]; ok && e.Path != release {
		return owner{ownPackage, name}
	}
	if e.Size >= looseSize {
		return owner{class: looseLarge}
	}
	return owner{class: loose}
}

// owners brings the paths of Groups to where the commit has them: behind the symbolic links to
// directories that it has (lib is usr/lib), and usr/etc for etc. Where two names come to one path it
// is the first in the alphabet's.
func (req Request) owners() owners {
	targets := links{}
	for _, e := range req.Entries {
		if e.Target != "" {
			targets[e.Path] = e.Target
		}
		if e.Path == "/usr/etc" {
			targets["/etc"] = e.Path
		}
	}
	list, dirs := owners{}, map[string]string{}
	for name, group := range req.Groups {
		dir, base := path.Split(path.Join("/", name))
		resolved, ok := dirs[dir]
		if !ok {
			resolved = targets.resolve(dir)
			dirs[dir] = resolved
		}
		at := path.Join(resolved, base)
		if old, ok := list[at]; !ok || group < old {
			list[at] = group
		}
	}
	return list
}

// maxLinks bounds the symbolic links in a path, as Linux does (path_resolution(7)).
const maxLinks = 40

// links are the targets of symbolic links, by path.
type links map[string]string

// resolve gives where a path really is.
func (l links) resolve(name string) string {
	at, rest := "/", strings.Split(name, "/")
	for left := maxLinks; len(rest) > 0; {
		next := path.Join(at, rest[0])
		rest = rest[1:]
		target, ok := l[next]
		if !ok || left == 0 {
			at = next
			continue
		}
		left--
		if path.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return at
}
