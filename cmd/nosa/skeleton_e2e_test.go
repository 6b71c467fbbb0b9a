//go:build e2e

package main

import (
	"bytes"
	"debug/elf"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/rpmpack"
)

// header is a package of an rpmdb: the values of each tag, as `rpm --xml` names them.
type header map[string][]string

// installed reads the packages of an rpmdb.
func installed(t *testing.T, dbpath string) []header {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "rpm", "--dbpath", dbpath, "-qa", "--xml")
	out, err := cmd.Output() // warnings on stderr: the database has no index files
	if err != nil {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	dec := xml.NewDecoder(bytes.NewReader(bytes.Map(xmlRune, out)))
	var all []header
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v: %v", cmd.Args, err)
		}
		start, ok := tok.(xml.StartElement)
		switch {
		case ok && start.Name.Local == "rpmHeader":
			all = append(all, header{})
		case ok && start.Name.Local == "rpmTag":
			var tag struct {
				Name   string `xml:"name,attr"`
				Values []struct {
					Text string `xml:",chardata"`
				} `xml:",any"`
			}
			if err := dec.DecodeElement(&tag, &start); err != nil {
				t.Fatal(err)
			}
			for _, v := range tag.Values {
				all[len(all)-1][tag.Name] = append(all[len(all)-1][tag.Name], v.Text)
			}
		}
	}
	return slices.DeleteFunc(all, func(h header) bool { return h.one("Name") == "gpg-pubkey" })
}

// xmlRune drops what rpm --xml writes and XML does not allow.
func xmlRune(r rune) rune {
	if r < ' ' && r != '\n' && r != '\t' || r == 0xfffd || r == 0xfffe || r == 0xffff {
		return -1
	}
	return r
}

func (h header) one(tag string) string { return strings.Join(h[tag], "") }

func (h header) numbers(tag string) []uint32 {
	out := make([]uint32, 0, len(h[tag]))
	for _, s := range h[tag] {
		n, _ := strconv.ParseUint(s, 10, 32)
		out = append(out, uint32(n))
	}
	return out
}

// paths are the files of the package.
func (h header) paths() []string {
	dirs, out := h.numbers("Dirindexes"), make([]string, 0, len(h["Basenames"]))
	for i, base := range h["Basenames"] {
		out = append(out, h["Dirnames"][dirs[i]]+base)
	}
	return out
}

// interpreters counts the scriptlets that an installation runs, by interpreter.
func (h header) interpreters(count map[string]int) {
	for _, tag := range []string{"Pretransprog", "Preinprog", "Postinprog", "Posttransprog"} {
		if len(h[tag]) > 0 {
			count[h[tag][0]+" scriptlets"]++
		}
	}
	for _, tag := range []string{"Filetriggerscriptprog", "Transfiletriggerscriptprog"} {
		for i, prog := range h[tag] {
			if on := slices.Index(h.numbers(strings.TrimSuffix(tag, "scriptprog")+"index"), uint32(i)); on >= 0 &&
				h.numbers(strings.TrimSuffix(tag, "scriptprog") + "flags")[on]&senseTriggerIn != 0 {
				count[prog+" file triggers"]++
			}
		}
	}
}

// senseTriggerIn is RPMSENSE_TRIGGERIN.
const senseTriggerIn = 1 << 16

// triggersIn tells whether the package has %triggerin scriptlets.
func (h header) triggersIn() bool {
	return slices.ContainsFunc(h.numbers("Triggerflags"), func(flags uint32) bool { return flags&senseTriggerIn != 0 })
}

// The numbers of the tags (rpmtag.h) that are taken as they are. rpmpack knows
// only scriptlets of /bin/sh and no triggers; as custom tags all can be written.
func textTags() map[string]int {
	return map[string]int{
		"Prein": 1023, "Postin": 1024, "Preun": 1025, "Postun": 1026, "Pretrans": 1151, "Posttrans": 1152,
	}
}

func textsTags() map[string]int {
	return map[string]int{
		"Preinprog": 1085, "Postinprog": 1086, "Preunprog": 1087, "Postunprog": 1088, "Pretransprog": 1153, "Posttransprog": 1154,
		"Triggerscripts": 1065, "Triggername": 1066, "Triggerversion": 1067, "Triggerscriptprog": 1092,
		"Filetriggerscripts": 5066, "Filetriggerscriptprog": 5067, "Filetriggername": 5069, "Filetriggerversion": 5071,
		"Transfiletriggerscripts": 5076, "Transfiletriggerscriptprog": 5077, "Transfiletriggername": 5079, "Transfiletriggerversion": 5081,
		"Providename": 1047, "Provideversion": 1113, "Requirename": 1049, "Requireversion": 1050,
		"Conflictname": 1054, "Conflictversion": 1055, "Obsoletename": 1090, "Obsoleteversion": 1115,
	}
}

func numbersTags() map[string]int {
	return map[string]int{
		"Triggerflags": 1068, "Triggerindex": 1069,
		"Filetriggerflags": 5072, "Filetriggerindex": 5070, "Filetriggerpriorities": 5084,
		"Transfiletriggerflags": 5082, "Transfiletriggerindex": 5080, "Transfiletriggerpriorities": 5085,
		"Provideflags": 1112, "Requireflags": 1048, "Conflictflags": 1053, "Obsoleteflags": 1114,
	}
}

const tagFileCaps = 5010

// skeletons makes packages out of headers: everything that rpm looks at is
// real, the content of files is not.
type skeletons struct {
	bodies  map[string]string // what some files hold; programs are stand-ins, all others empty
	taken   map[string]bool   // paths that the package of programs has
	offered map[string]bool   // names and paths that some package provides
	dropped []string          // path prefixes of plain files that nothing here needs
}

// standIn records how it was called.
const (
	standInCalls = "/usr/lib/stand-in/calls"
	standIn      = "#!/bin/sh\necho \"${0##*/} $*\" >>" + standInCalls + "\necho \"stand-in: ${0##*/} $*\" >&2\n"
)

// programsPackage is required by whatever has a scriptlet of the shell.
const programsPackage = "programs"

// offer notes what the packages provide, so that requirements on anything else can be left out.
func (s *skeletons) offer(all []header) {
	for _, h := range all {
		for _, name := range append(slices.Clone(h["Providename"]), h.paths()...) {
			s.offered[name] = true
		}
	}
}

// write makes the package in dir.
func (s *skeletons) write(h header, dir string) error {
	epoch := rpmpack.NoEpoch
	if n := h.numbers("Epoch"); len(n) == 1 {
		epoch = n[0]
	}
	r, err := rpmpack.NewRPM(rpmpack.RPMMetaData{
		Name: h.one("Name"), Version: h.one("Version"), Release: h.one("Release"), Epoch: epoch, Arch: h.one("Arch"),
		Summary: h.one("Summary"), Description: h.one("Summary"), Licence: h.one("License"), Vendor: h.one("Vendor"),
		BuildHost: "skeleton", BuildTime: time.Unix(int64(h.numbers("Buildtime")[0]), 0), Compressor: "zstd:1",
	})
	if err != nil {
		return err
	}
	h = s.requirements(h)
	for name, tag := range textTags() {
		if len(h[name]) > 0 {
			r.AddCustomTag(tag, rpmpack.EntryString(h.one(name)))
		}
	}
	for name, tag := range textsTags() {
		if len(h[name]) > 0 {
			r.AddCustomTag(tag, rpmpack.EntryStringSlice(h[name]))
		}
	}
	for name, tag := range numbersTags() {
		if len(h[name]) > 0 {
			r.AddCustomTag(tag, rpmpack.EntryUint32(h.numbers(name)))
		}
	}
	s.files(h, r)
	return writePackage(r, dir)
}

func writePackage(r *rpmpack.RPM, dir string) error {
	f, err := os.Create(filepath.Join(dir, r.Name+"-"+r.FullVersion()+"."+r.Arch+".rpm"))
	if err != nil {
		return err
	}
	if err := r.Write(f); err != nil {
		return fmt.Errorf("writing %s: %w", r.Name, err)
	}
	return f.Close()
}

// requirements leaves out what no package of the set provides. Packages with a
// scriptlet of the shell come after the programs, but for the two that hold the
// directories and accounts.
func (s *skeletons) requirements(h header) header {
	h = maps.Clone(h)
	names, versions, flags := h["Requirename"], h["Requireversion"], h["Requireflags"]
	h["Requirename"], h["Requireversion"], h["Requireflags"] = nil, nil, nil
	add := func(name, version, flag string) {
		h["Requirename"], h["Requireversion"], h["Requireflags"] = append(h["Requirename"], name), append(h["Requireversion"], version), append(h["Requireflags"], flag)
	}
	for i, name := range names {
		if s.offered[name] || strings.HasPrefix(name, "rpmlib(") {
			add(name, versions[i], flags[i])
		}
	}
	if name := h.one("Name"); name != "setup" && name != "filesystem" {
		const pre = 1<<9 | 1<<10 // RPMSENSE_SCRIPT_PRE, RPMSENSE_SCRIPT_POST
		add(programsPackage, "", strconv.Itoa(pre))
	}
	return h
}

func (s *skeletons) files(h header, r *rpmpack.RPM) {
	modes, flags, mtimes := h.numbers("Filemodes"), h.numbers("Fileflags"), h.numbers("Filemtimes")
	caps := map[string]string{}
	for i, name := range h.paths() {
		kind, body := modes[i]&0o170000, s.bodies[name]
		switch {
		case kind != 0o040000 && s.taken[merged(name)]:
			continue
		case kind == 0o120000:
			body = h["Filelinktos"][i]
		case kind == 0o100000 && body == "" && modes[i]&0o111 != 0 && !strings.Contains(path.Base(name), ".so"):
			body = standIn
		case kind == 0o100000 && body == "" && slices.ContainsFunc(s.dropped, func(p string) bool { return strings.HasPrefix(name, p) }):
			continue
		case kind == 0o100000 && body == "" && strings.HasPrefix(name, "/usr/lib/systemd/system/"):
			body = "[Service]\nExecStart=/usr/bin/true\n[Install]\nWantedBy=multi-user.target\n"
		}
		f := rpmpack.RPMFile{Name: name, Body: []byte(body), Mode: uint(modes[i]), Owner: h["Fileusername"][i], Group: h["Filegroupname"][i], MTime: mtimes[i]}
		if f.Type = rpmpack.FileType(flags[i] & 0x97); flags[i]&uint32(rpmpack.GhostFile) != 0 {
			f.Type = rpmpack.GhostFile
		}
		if kind == 0o040000 {
			f.Body = nil
		}
		r.AddFile(f)
		caps[name] = ""
		if len(h["Filecaps"]) > 0 {
			caps[name] = h["Filecaps"][i]
		}
	}
	if len(h["Filecaps"]) == 0 {
		return
	}
	var list []string // in the order that rpmpack writes the files in
	for _, name := range slices.Sorted(maps.Keys(caps)) {
		list = append(list, caps[name])
	}
	r.AddCustomTag(tagFileCaps, rpmpack.EntryStringSlice(list))
}

// merged gives the place of a file in a merged /usr.
func merged(name string) string {
	for _, dir := range []string{"/bin/", "/sbin/", "/lib/", "/lib64/"} {
		if strings.HasPrefix(name, dir) {
			return "/usr" + name
		}
	}
	return name
}

// programs collects real programs and the libraries that they load out of the
// sample pool, as the files of one package.
type programs struct {
	t     *testing.T
	tree  string // unpacked packages
	files map[string]rpmpack.RPMFile
}

const libraries = "/usr/lib/x86_64-linux-gnu/"

// unpackPool unpacks libraries and what has the programs of scriptlets.
func unpackPool(t *testing.T, repo string) *programs {
	t.Helper()
	p := &programs{t: t, tree: filepath.Join(scratch(t), "tree"), files: map[string]rpmpack.RPMFile{}}
	shell(t, repo, `mkdir `+p.tree+`
		for f in lib*.rpm bash-*.rpm coreutils-*.rpm sed-*.rpm grep-*.rpm findutils-*.rpm gawk-*.rpm kmod-*.rpm passwd-*.rpm systemd-[0-9]*.rpm; do
			case $f in libicu*) continue ;; esac
			rpm2cpio "$f" | (cd `+p.tree+` && cpio -idm --quiet --no-absolute-filenames)
		done`)
	for _, pattern := range []string{"usr/bin/*", "usr/sbin/*", "usr/lib/systemd/systemd-sysctl"} {
		list, err := filepath.Glob(filepath.Join(p.tree, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range list {
			p.add(strings.TrimPrefix(name, p.tree))
		}
	}
	p.put("/usr/bin/sh", rpmpack.RPMFile{Mode: 0o120777, Body: []byte("bash")})
	return p
}

// put adds a file of the test's own.
func (p *programs) put(name string, f rpmpack.RPMFile) {
	f.Name, f.Owner, f.Group, f.MTime = name, "root", "root", 1600000000
	p.files[name] = f
}

// add adds a file of the unpacked packages and what it needs.
func (p *programs) add(name string) {
	p.t.Helper()
	if _, ok := p.files[name]; ok {
		return
	}
	info, err := os.Lstat(p.tree + name)
	if err != nil {
		p.t.Fatal(err)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(p.tree + name)
		if err != nil {
			p.t.Fatal(err)
		}
		p.put(name, rpmpack.RPMFile{Mode: 0o120777, Body: []byte(target)})
		if !path.IsAbs(target) {
			target = path.Join(path.Dir(name), target)
		}
		if target = merged(target); p.has(target) {
			p.add(target)
		}
		return
	}
	if !info.Mode().IsRegular() {
		return
	}
	data, err := os.ReadFile(p.tree + name)
	if err != nil {
		p.t.Fatal(err)
	}
	p.put(name, rpmpack.RPMFile{Mode: 0o100000 | uint(info.Mode().Perm()), Body: data})
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return // a script
	}
	needed, err := f.ImportedLibraries()
	if err != nil {
		p.t.Fatal(err)
	}
	if sec := f.Section(".interp"); sec != nil {
		p.add("/usr/lib64/ld-linux-x86-64.so.2")
	}
	for _, lib := range needed {
		for _, dir := range []string{libraries, libraries + "systemd/"} {
			if p.has(dir + lib) {
				p.add(dir + lib)
			}
		}
	}
}

func (p *programs) has(name string) bool {
	_, err := os.Lstat(p.tree + name)
	return err == nil
}

// write makes the package.
func (p *programs) write(dir string) error {
	r, err := rpmpack.NewRPM(rpmpack.RPMMetaData{
		Name: programsPackage, Version: "1", Release: "1", Epoch: rpmpack.NoEpoch, Arch: "x86_64", Summary: "Programs that scriptlets run",
		Description: "Programs of Debian and stand-ins.", Licence: "see Debian", BuildHost: "skeleton",
		BuildTime: time.Unix(1600000000, 0), Compressor: "zstd:1", Requires: rpmpack.Relations{{Name: "filesystem"}},
		Provides: rpmpack.Relations{{Name: "/sbin/ldconfig"}, {Name: "/bin/sh"}},
	})
	if err != nil {
		return err
	}
	for _, f := range p.files {
		r.AddFile(f)
	}
	return writePackage(r, dir)
}
