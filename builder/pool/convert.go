package pool

import (
	"archive/tar"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/google/rpmpack"
)

// payloadCompressor trades a little size for a lot of time.
const payloadCompressor = "zstd:3"

// tagSourceRPM and tagFileLangs are not settable through rpmpack's own fields;
// the numbers are RPM's (rpmtag.h).
const (
	tagSourceRPM = 1044
	tagFileLangs = 1097
)

// Package is a converted package.
type Package struct {
	NEVRA string    // name-[epoch:]version-release.arch
	File  string    // file name of the .rpm
	Size  int64     // bytes of the .rpm
	Built time.Time // the newest file of the .deb

	cached string // where the converted package lies
}

// Convert writes the RPM that the .deb at debPath becomes to rpmPath, with its
// modification time set to its build time. The same .deb and tables always give
// the same bytes.
func Convert(debPath, rpmPath string, t *Tables) (Package, error) {
	d, err := readDeb(debPath)
	if err != nil {
		return Package{}, fmt.Errorf("reading %s: %w", debPath, err)
	}
	p, err := convert(d, rpmPath, t)
	if err != nil {
		return Package{}, fmt.Errorf("converting %s: %w", debPath, err)
	}
	return p, nil
}

func convert(d *debPackage, rpmPath string, t *Tables) (Package, error) {
	name := d.control["Package"]
	if err := checkName(name); err != nil {
		return Package{}, err
	}
	v, err := parseVersion(d.control["Version"])
	if err != nil {
		return Package{}, err
	}
	meta, err := relationsOf(d.control, v, t.drop)
	if err != nil {
		return Package{}, err
	}
	for _, a := range t.added[name] {
		d.files = append(d.files, debFile{path: a.path, mode: 0o644, kind: tar.TypeReg, user: "root", group: "root", body: a.body})
	}
	files, err := mergeUsr(d.files)
	if err != nil {
		return Package{}, err
	}
	addPathProvides(&meta, files)
	describe(&meta, d, v)
	meta.BuildTime = newest(files)
	return writeRPM(rpmSpec{meta: meta, files: files, conffiles: d.conffiles, source: sourceRPM(d.control), posttrans: t.scriptletFor(name), owns: t.owns}, rpmPath)
}

func describe(meta *rpmpack.RPMMetaData, d *debPackage, v debVersion) {
	meta.Name = d.control["Package"]
	meta.Version, meta.Release, meta.Epoch = v.rpmVersion(), v.rpmRelease(), rpmpack.NoEpoch
	if v.epoch > 0 {
		meta.Epoch = v.epoch
	}
	meta.Arch = rpmArch(d.control["Architecture"])
	meta.Summary, meta.Description = splitDescription(d.control["Description"])
	meta.URL = d.control["Homepage"]
	meta.Packager = d.control["Maintainer"]
	meta.Vendor = "Debian"
	meta.Group = d.control["Section"]
	meta.Licence = licenceOf(d)
	meta.BuildHost = "nosa"
	meta.Compressor = payloadCompressor
}

// splitDescription cuts Debian's field: synopsis, then the text, in which " ."
// is an empty line.
func splitDescription(s string) (summary, text string) {
	summary, text, _ = strings.Cut(s, "\n")
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if line == "." {
			lines[i] = ""
		}
	}
	if text = strings.Join(lines, "\n"); text == "" {
		text = summary
	}
	return summary, text
}

// licenceOf collects the short names of a machine-readable copyright file
// (DEP-5), else says where the text is.
func licenceOf(d *debPackage) string {
	name := "/usr/share/doc/" + d.control["Package"] + "/copyright"
	fallback := "see " + name
	i := slices.IndexFunc(d.files, func(f debFile) bool { return f.path == name && f.kind == tar.TypeReg })
	if i < 0 || !strings.Contains(firstLine(d.files[i].body), "copyright-format") {
		return fallback
	}
	var names []string
	for line := range strings.Lines(string(d.files[i].body)) {
		v, ok := strings.CutPrefix(line, "License:")
		if v = strings.TrimSpace(v); ok && v != "" && !slices.Contains(names, v) {
			names = append(names, v)
		}
	}
	if len(names) == 0 {
		return fallback
	}
	slices.Sort(names)
	return strings.Join(names, " AND ")
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

// sourceRPM names the source package: "Source: name (version)", where either
// part defaults to the package's own.
func sourceRPM(c stanza) string {
	name, rest, _ := strings.Cut(c["Source"], "(")
	if name = strings.TrimSpace(name); name == "" {
		name = c["Package"]
	}
	text := strings.TrimSuffix(strings.TrimSpace(rest), ")")
	if text == "" {
		text = c["Version"]
	}
	v, err := parseVersion(text)
	if err != nil {
		v, _ = parseVersion(c["Version"])
	}
	return name + "-" + v.rpmVersion() + "-" + v.rpmRelease() + ".src.rpm"
}

// addPathProvides lets a requirement on the traditional path of a program find
// its package although the file lies below /usr.
func addPathProvides(meta *rpmpack.RPMMetaData, files []debFile) {
	for _, f := range files {
		if rest, ok := strings.CutPrefix(f.path, "/usr"); ok && slices.Contains([]string{"/bin/sh", "/bin/bash", "/sbin/ldconfig"}, rest) {
			meta.Provides = append(meta.Provides, &rpmpack.Relation{Name: rest})
		}
	}
}

func newest(files []debFile) time.Time {
	var t int64
	for _, f := range files {
		t = max(t, f.mtime)
	}
	return time.Unix(t, 0).UTC()
}

// rpmSpec is a package ready to be written.
type rpmSpec struct {
	meta      rpmpack.RPMMetaData
	files     []debFile // sorted by path
	conffiles map[string]bool
	source    string
	posttrans string
	owns      func(path string) bool // what the filesystem package has already
}

func writeRPM(s rpmSpec, rpmPath string) (Package, error) {
	provides := len(s.meta.Provides)
	r, err := rpmpack.NewRPM(s.meta)
	if err != nil {
		return Package{}, err
	}
	// rpmpack adds a provide of the package itself without its epoch, which
	// then matches other packages' conflicts: ours is in the list already.
	r.Provides = r.Provides[:provides]
	r.AddCustomTag(tagSourceRPM, rpmpack.EntryString(s.source))
	var langs []string
	for _, f := range s.files {
		if f.kind == tar.TypeDir && s.owns(f.path) {
			continue
		}
		r.AddFile(rpmFileOf(f, s.conffiles, s.meta.BuildTime))
		langs = append(langs, langOf(f.path))
	}
	if len(langs) > 0 {
		r.AddCustomTag(tagFileLangs, rpmpack.EntryStringSlice(langs))
	}
	if s.posttrans != "" {
		r.AddPosttrans(s.posttrans)
	}
	out, err := renameio.NewPendingFile(rpmPath, renameio.WithPermissions(0o644))
	if err != nil {
		return Package{}, err
	}
	defer func() { _ = out.Cleanup() }()
	if err := r.Write(out); err != nil {
		return Package{}, err
	}
	info, err := out.Stat()
	if err != nil {
		return Package{}, err
	}
	if err := os.Chtimes(out.Name(), s.meta.BuildTime, s.meta.BuildTime); err != nil {
		return Package{}, err
	}
	if err := out.CloseAtomicallyReplace(); err != nil {
		return Package{}, err
	}
	return Package{NEVRA: nevraOf(s.meta), File: fileOf(s.meta), Size: info.Size(), Built: s.meta.BuildTime}, nil
}

func nevraOf(m rpmpack.RPMMetaData) string {
	epoch := ""
	if m.Epoch != rpmpack.NoEpoch {
		epoch = fmt.Sprintf("%d:", m.Epoch)
	}
	return m.Name + "-" + epoch + m.Version + "-" + m.Release + "." + m.Arch
}

func fileOf(m rpmpack.RPMMetaData) string {
	return m.Name + "-" + m.Version + "-" + m.Release + "." + m.Arch + ".rpm"
}

// The file type bits of a mode, stat(2); rpmpack adds the one of regular files.
const (
	modeDir  = 0o040000
	modeLink = 0o120000
)

func rpmFileOf(f debFile, conffiles map[string]bool, built time.Time) rpmpack.RPMFile {
	out := rpmpack.RPMFile{Name: f.path, Body: f.body, Mode: f.mode, Owner: f.user, Group: f.group, MTime: uint32(f.mtime)}
	if f.mtime == 0 {
		out.MTime = uint32(built.Unix())
	}
	switch f.kind {
	case tar.TypeDir:
		out.Mode |= modeDir
	case tar.TypeSymlink:
		out.Mode, out.Body = modeLink|0o777, []byte(f.target)
	}
	switch {
	case conffiles[f.path]:
		out.Type = rpmpack.ConfigFile | rpmpack.NoReplaceFile
	case f.ghost:
		out.Type = rpmpack.GhostFile
	case f.kind == tar.TypeDir:
	case path.Base(f.path) == "copyright" && strings.HasPrefix(f.path, "/usr/share/doc/"):
		out.Type = rpmpack.LicenceFile
	case strings.HasPrefix(f.path, "/usr/share/doc/"), strings.HasPrefix(f.path, "/usr/share/man/"), strings.HasPrefix(f.path, "/usr/share/info/"):
		out.Type = rpmpack.DocFile
	}
	return out
}

// langOf gives the language of a message catalogue or translated manual page,
// so that an installation can be limited to some languages.
func langOf(p string) string {
	if rest, ok := strings.CutPrefix(p, "/usr/share/locale/"); ok {
		lang, _, _ := strings.Cut(rest, "/")
		return lang
	}
	return ""
}
