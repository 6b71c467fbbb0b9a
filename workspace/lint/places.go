package lint

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// lost reports what lies outside of usr and etc: the places that belong to the
// machine and not to its system. One place of a layer is one report.
func (k *checker) lost(l *layer) {
	seen := map[string]bool{}
	for _, f := range l.files {
		top := topOf(f.rel)
		why, hint := k.fateOf(top)
		if why == "" {
			k.atRoot(l, f)
			continue
		}
		if seen[top] || f.mode.IsDir() && slices.ContainsFunc(l.files, func(o *layerFile) bool { return topOf(o.rel) == top && !o.mode.IsDir() }) {
			continue
		}
		seen[top] = true
		count := 0
		for _, o := range l.files {
			if topOf(o.rel) == top && !o.mode.IsDir() {
				count++
			}
		}
		what := "/" + f.rel + " is"
		if count > 1 {
			what = fmt.Sprintf("/%s and %d more below /%s are", f.rel, count-1, top)
		}
		k.report(f.at(0, 0).Warnf(CodeLost, "%s not part of the system", what).WithWhy(why).WithHint(hint))
	}
}

// topOf is the first part of a path, or usr/local.
func topOf(rel string) string {
	if below(rel, "usr/local") {
		return "usr/local"
	}
	top, _, _ := strings.Cut(rel, "/")
	return top
}

// fateOf says what becomes of files below a directory of the root, "" if they are kept.
func (k *checker) fateOf(top string) (why, hint string) {
	const bootHint = "ship it below /usr and let a line of usr/lib/tmpfiles.d copy it (C) or make it (d, f, L) at boot"
	switch top {
	case "var":
		return "/var starts empty on every machine and is kept over updates", bootHint
	case "root", "home", "mnt", "media", "srv":
		return "/" + top + " is a link into /var, which starts empty on every machine", bootHint
	case "opt", "usr/local":
		if k.Manifest.OptUsrLocal == "root" {
			return "", ""
		}
		return "/" + top + " is a link into /var, which starts empty on every machine", "ship it below /usr, or set opt-usrlocal: root"
	case "run", "tmp", "dev", "proc", "sys":
		return "/" + top + " is in the machine's memory", bootHint
	case "boot", "sysroot", "ostree":
		return "/" + top + " is made by the image and not by the commit", ""
	}
	return "", ""
}

// atRoot reports what lies directly in / and was hardly meant to.
func (k *checker) atRoot(l *layer, f *layerFile) {
	if strings.Contains(f.inDir, "/") {
		return
	}
	switch near := oneSlipOf(f.inDir, []string{"usr", "etc", "var"}); {
	case near != "":
		k.report(suggest(f.at(0, 0).Warnf(CodeLost, "this becomes /%s", f.inDir), near))
	case f.mode.IsRegular() && (doc.Nearest(f.inDir, []string{statOverride}) != ""):
		k.report(f.at(0, 0).Warnf(CodeLost, "this becomes /%s", f.inDir).
			WithHint("the file that sets modes is called " + statOverride))
	case f.mode.IsRegular() && f.inDir[0] != '.':
		k.report(f.at(0, 0).Warnf(CodeLost, "this becomes /%s on every machine", f.inDir).
			WithHint("move it out of the overlay " + l.name + ", or below usr/share/doc"))
	case f.mode.IsDir() && slices.Contains([]string{"bin", "sbin", "lib", "lib64"}, f.inDir):
		k.report(f.at(0, 0).Infof(CodeLost, "/%s is a link to /usr/%s", f.inDir, f.inDir).WithHint("write usr/" + f.inDir))
	}
}

// leftover reports what an editor, a merge or a git checkout left, and tells whether it did.
func (k *checker) leftover(f *layerFile) bool {
	name := path.Base(f.rel)
	ends := func(list ...string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return strings.HasSuffix(name, s) })
	}
	switch {
	case name == ".gitignore", name == ".gitkeep", name == ".gitattributes", name == ".keep":
		k.report(f.at(0, 0).Infof(CodeLeftover, "/%s is shipped", f.rel).
			WithHint("where it only keeps an empty directory, let a line of usr/lib/tmpfiles.d make that"))
		return true
	case ends("~", ".swp", ".swo", ".orig", ".rej", ".rpmnew", ".rpmsave", ".rpmorig"), name == ".DS_Store", name == "Thumbs.db",
		strings.HasPrefix(name, "#") && ends("#"), strings.HasPrefix(name, ".#"):
		k.report(f.at(0, 0).Warnf(CodeLeftover, "/%s looks like what a program left behind, and is shipped", f.rel).WithHint("delete it"))
		return true
	}
	return false
}

// link checks where a link leads.
func (k *checker) link(f *layerFile) {
	target := f.link
	at := f.at(0, 0)
	switch {
	case target == "":
	case path.IsAbs(target) && (below(path.Clean(target), k.Dir) || strings.Contains(target, "/"+overlayDir+"/")):
		k.report(at.Warnf(CodeLink, "the link leads to %s, which is a place of this machine and not of the target", target).
			WithHint("links are shipped as they are: write the path that the target has"))
	case !path.IsAbs(target) && climbs(path.Dir(f.rel), target):
		k.report(at.Warnf(CodeLink, "the link %s climbs out of the root", target).
			WithHint(fmt.Sprintf("/%s is %d directories deep", f.rel, strings.Count(f.rel, "/"))))
	case filepath.Clean(path.Join("/", path.Dir(f.rel), target)) == "/"+f.rel && !path.IsAbs(target), target == "/"+f.rel:
		k.report(at.Warnf(CodeLink, "the link leads to itself"))
	}
}

// climbs tells whether target, taken from dir, has more .. than there are directories.
func climbs(dir, target string) bool {
	depth := 0
	if dir != "." {
		depth = strings.Count(dir, "/") + 1
	}
	for part := range strings.SplitSeq(target, "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}

// program checks the executable bit and takes scripts to be checked.
func (k *checker) program(f *layerFile) {
	text := strings.TrimPrefix(f.text, byteOrderMark)
	isScript := strings.HasPrefix(text, "#!")
	where := programPlace(f.rel)
	// #! begins other texts too, for example TOML with a schema.
	isRun := isScript && (f.executable() || where != "" || path.IsAbs(parseShebang(text[:min(len(text), 256)]).program))
	if f.text != "" && (isRun || sourced(f.rel)) && !below(f.rel, "usr/share/doc") {
		k.extra = append(k.extra, newScript(script{text: f.text, what: "script", at: f.at, exact: true}))
	}
	switch {
	case f.executable():
		k.noProgram(f, where)
	case where == placeScripts && (!isScript || library.MatchString(path.Base(f.rel))), where == "", strings.HasPrefix(path.Base(f.rel), "README"), f.size == 0:
	case k.madeExecutable(f.rel):
	default:
		k.report(f.at(0, 0).Warnf(CodeExecutable, "/%s is not executable", f.rel).
			WithWhy(where).WithHint("chmod +x, and git update-index --chmod=+x where the file system has no modes"))
	}
}

// library are names of scripts that others read.
var library = regexp.MustCompile(`(?i)(lib|common|functions?)(\.(ba)?sh)?$|^lib`)

// noProgram reports an executable bit on a text that the kernel cannot run.
func (k *checker) noProgram(f *layerFile, where string) {
	if f.text == "" || strings.HasPrefix(strings.TrimPrefix(f.text, byteOrderMark), "#!") {
		return
	}
	if where == "" {
		if f.mode&0o100 != 0 && slices.Contains(dataSuffixes(), path.Ext(f.rel)) {
			k.report(f.at(0, 0).Infof(CodeNoProgram, "/%s has an executable bit and is no program", f.rel).WithHint("chmod -x"))
		}
		return
	}
	d := f.at(1, 0).Warnf(CodeNoProgram, "this executable does not begin with an interpreter line").
		WithWhy("only a shell guesses that it is a script, systemd and others refuse it").WithHint("begin it with #!/usr/bin/bash or what it is written for")
	if i := strings.Index(f.text, "#!"); i >= 0 && strings.TrimSpace(f.text[:i]) == "" {
		d.Why = "the #! must be the first two bytes of the file"
		d.Hint = "remove what stands before it"
	}
	k.report(d)
}

func dataSuffixes() []string {
	return append(unitSuffixes(), ".conf", ".preset", ".rules", ".repo", ".json", ".ign", ".yaml", ".yml", ".toml", ".network", ".netdev", ".link", ".md")
}

const (
	placeScripts = "what calls it by its path cannot run it"
	placeAll     = "what is there and not executable is skipped"
)

// programPlace says why what lies at a path must be executable, "" if it need
// not. Only places where that is certain are known; what a dracut module has is
// copied or sourced as the module pleases.
func programPlace(rel string) string {
	dir, base := path.Dir(rel), path.Base(rel)
	switch {
	case below(rel, "usr/libexec"), dir == "usr/bin", dir == "usr/sbin":
		return placeScripts
	case strings.Contains(rel, "/dracut/modules.d/"):
		if strings.HasSuffix(base, "-generator") {
			return placeScripts
		}
		return ""
	case dir == "usr/lib/kernel/install.d", dir == "etc/kernel/install.d":
		if path.Ext(base) == ".install" {
			return placeAll
		}
		return ""
	case slices.Contains(runDirs(), dir):
		return placeAll
	}
	return ""
}

// runDirs are directories whose files are all run: systemd.generator(7),
// systemd-halt(8), systemd-suspend(8), NetworkManager-dispatcher(8),
// grub-mkconfig, run-parts(8).
func runDirs() []string {
	var dirs []string
	for _, top := range []string{"usr/lib/systemd/", "etc/systemd/"} {
		for _, name := range []string{
			"system-generators", "user-generators", "system-environment-generators", "user-environment-generators",
			"system-shutdown", "system-sleep",
		} {
			dirs = append(dirs, top+name)
		}
	}
	for _, top := range []string{"usr/lib/NetworkManager/dispatcher.d", "etc/NetworkManager/dispatcher.d"} {
		dirs = append(dirs, top, top+"/pre-up.d", top+"/pre-down.d", top+"/no-wait.d")
	}
	return append(dirs, "etc/grub.d", "etc/cron.hourly", "etc/cron.daily", "etc/cron.weekly", "etc/cron.monthly")
}

// sourced tells of files that a shell reads although they need no interpreter line.
func sourced(rel string) bool {
	dir, base := path.Dir(rel), path.Base(rel)
	return base == "module-setup.sh" && strings.Contains(rel, "/dracut/modules.d/") || dir == "etc/profile.d" && path.Ext(base) == ".sh"
}

// madeExecutable tells whether a postprocess script runs chmod on the path or
// a directory above it.
func (k *checker) madeExecutable(rel string) bool {
	for _, s := range k.Manifest.Postprocess {
		for line := range strings.Lines(s.Text) {
			words := strings.Fields(line)
			if !slices.Contains(words, "chmod") {
				continue
			}
			for _, w := range words {
				if w = strings.Trim(w, `"'*;`); path.IsAbs(w) && below("/"+rel, path.Clean(w)) {
					return true
				}
			}
		}
	}
	return false
}
