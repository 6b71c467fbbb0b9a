package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// OptUsrLocal is where /opt and /usr/local are.
type OptUsrLocal string

// The places.
const (
	InVar        OptUsrLocal = "var"           // links to /var, so they are the machine's own; the default
	InRoot       OptUsrLocal = "root"          // directories of the commit, read-only
	StateOverlay OptUsrLocal = "state-overlay" // of the commit, with a writable overlay
)

// overlaidOpt is where /opt leads with StateOverlay, and only then.
const overlaidOpt = "usr/lib/opt"

// LayoutOptions are the manifest's keys that decide about the top of the tree.
type LayoutOptions struct {
	TmpIsDir    bool        // /tmp is a directory, mode 1777, instead of a link to sysroot/tmp
	OptUsrLocal OptUsrLocal // empty is InVar
	NoMachineID bool        // machineid-compat: false, so that the first boot is one to systemd
}

// Layout gives the tree the top level of an OSTree commit: etc becomes usr/etc, state goes to /var by
// links, and everything else at the top is discarded, with a warning if there was a file in it.
func (t Tree) Layout(ctx context.Context, o LayoutOptions) error {
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.etcToUsr(); err != nil {
		return err
	}
	if err := r.cleanEtc(); err != nil {
		return err
	}
	transient, err := r.transientRoot()
	if err != nil {
		return err
	}
	if transient && !o.TmpIsDir {
		return errors.New("prepare-root.conf has root.transient=true: that needs tmp-is-dir: true")
	}
	for _, dir := range []string{"dev", "proc", "sys"} { // run is Var's
		if err := r.freshDir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := t.optUsrLocal(ctx, r, o.OptUsrLocal); err != nil {
		return err
	}
	if transient {
		err = r.transientTop()
	} else {
		err = t.fixedTop(ctx, r)
	}
	if err != nil {
		return err
	}
	if err := r.tmp(o); err != nil {
		return err
	}
	return r.machineID(o)
}

// etcToUsr renames etc.
func (r root) etcToUsr() error {
	if r.isLink("usr/etc") {
		if err := r.removeAll("usr/etc"); err != nil {
			return err
		}
	}
	if !r.isDir("etc") {
		if r.isDir("usr/etc") {
			return nil
		}
		return errors.New("the tree has neither etc nor usr/etc")
	}
	if err := r.mergeEtc(""); err != nil {
		return err
	}
	if err := r.removeAll("usr/etc"); err != nil {
		return err
	}
	return r.move("etc", "usr/etc")
}

// mergeEtc adds what packages have in dir of /usr/etc to /etc: in a deployment the two are one.
// CentOS' filesystem has it as an empty directory, npm a link in it that leads to /etc.
func (r root) mergeEtc(dir string) error {
	for _, from := range r.glob(path.Join("usr/etc", dir), "*") {
		name := path.Join(dir, path.Base(from))
		to := path.Join("etc", name)
		switch target, err := r.Readlink(from); {
		case err == nil && (target == "/"+to || path.Join(path.Dir(from), target) == to):
			continue // goes with the directory
		case !r.exists(to):
			if err := r.move(from, to); err != nil {
				return err
			}
		case r.isDir(from) && r.isDir(to):
			if err := r.mergeEtc(name); err != nil {
				return err
			}
		default:
			return fmt.Errorf("the packages have both /%s and /%s, which become one file", from, to)
		}
	}
	return nil
}

// cleanEtc removes locks and backups that programs leave.
func (r root) cleanEtc() error {
	names := []string{".updated", ".pwd.lock", "mtab~"}
	for _, file := range []string{"passwd", "group", "shadow", "gshadow", "subuid", "subgid"} {
		names = append(names, file+"-", file+".rpmnew", file+".lock")
	}
	for i, name := range names {
		names[i] = path.Join("usr/etc", name)
	}
	for _, policy := range r.glob("usr/etc/selinux", "*") {
		if !r.isDir(policy) {
			continue
		}
		names = append(names, path.Join(policy, "semanage.trans.LOCK"), path.Join(policy, "semanage.read.LOCK"))
	}
	return r.removeAll(names...)
}

// transientRoot tells whether ostree-prepare-root makes the root writable and forgets it at reboot.
func (r root) transientRoot() (bool, error) {
	for _, name := range []string{"usr/etc/ostree/prepare-root.conf", "usr/lib/ostree/prepare-root.conf"} {
		text, err := r.readIf(name)
		if err != nil {
			return false, err
		}
		if text != nil {
			return iniTrue(string(text), "root", "transient"), nil
		}
	}
	return false, nil
}

// iniTrue looks a boolean up in a GKeyFile.
func iniTrue(text, section, key string) bool {
	in, result := "", false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			in = line[1 : len(line)-1]
			continue
		}
		k, v, ok := strings.Cut(line, "=")
		if ok && in == section && strings.TrimSpace(k) == key {
			value := strings.TrimSpace(v)
			result = value == "true" || value == "1"
		}
	}
	return result
}

// freshDir makes name an empty directory.
func (r root) freshDir(name string, mode fs.FileMode) error {
	if err := r.removeAll(name); err != nil {
		return err
	}
	return r.mkdir(name, mode)
}

// optUsrLocal lays out /opt and /usr/local. Content of packages in /opt goes to usr/lib/opt, and Var
// makes it reachable.
func (t Tree) optUsrLocal(ctx context.Context, r root, where OptUsrLocal) error {
	switch where {
	case InRoot:
		if !r.exists("opt") {
			if err := r.mkdir("opt", 0o755); err != nil {
				return err
			}
		}
		return r.usrLocal()
	case StateOverlay, InVar, "":
	default:
		return fmt.Errorf("opt-usrlocal: %q: want var, root or state-overlay", where)
	}
	if err := r.optToUsr(); err != nil {
		return err
	}
	if where == StateOverlay {
		if err := r.mkdirAll("usr/lib/opt"); err != nil {
			return err
		}
		if err := r.usrLocal(); err != nil {
			return err
		}
		return r.link(overlaidOpt, "opt")
	}
	if err := t.discard(ctx, r, []string{"usr/local"}); err != nil {
		return err
	}
	if err := r.link("../var/usrlocal", "usr/local"); err != nil {
		return err
	}
	return r.link("var/opt", "opt")
}

// usrLocal makes the directories that tmpfiles.d asks for, since it cannot make them in a read-only
// /usr.
func (r root) usrLocal() error {
	for _, dir := range []string{"bin", "etc", "games", "include", "lib", "sbin", "share", "src"} {
		at := path.Join("usr/local", dir)
		if r.exists(at) {
			continue
		}
		if err := r.mkdirAll(at); err != nil {
			return err
		}
	}
	return nil
}

// optToUsr moves what is in opt to usr/lib/opt.
func (r root) optToUsr() error {
	if !r.isDir("opt") {
		return nil
	}
	for _, name := range r.glob("opt", "*") {
		to := path.Join("usr/lib", name)
		if r.exists(to) {
			return fmt.Errorf("the tree has both /%s and /%s", name, to)
		}
		if err := r.move(name, to); err != nil {
			return err
		}
	}
	return r.removeAll("opt")
}

// kept are the names at the top that are part of a commit as they are.
func kept() []string {
	return []string{
		"usr", "boot", "var", "lib", "lib32", "lib64", "libx32", "bin", "sbin",
		"dev", "proc", "run", "sys", "sysroot", "tmp", "opt",
	}
}

// fixedTop removes what is not part of a commit and makes the links.
func (t Tree) fixedTop(ctx context.Context, r root) error {
	var gone []string
	for _, name := range r.glob(".", "*") {
		if !slices.Contains(kept(), name) {
			gone = append(gone, name)
		}
	}
	if err := t.discard(ctx, r, gone); err != nil {
		return err
	}
	if err := r.freshDir("sysroot", 0o755); err != nil {
		return err
	}
	for _, link := range [][2]string{
		{"var/roothome", "root"},
		{"var/home", "home"},
		{"sysroot/ostree", "ostree"},
		{"var/srv", "srv"},
		{"var/mnt", "mnt"},
		{"run/media", "media"},
	} {
		if err := r.link(link[0], link[1]); err != nil {
			return err
		}
	}
	if err := r.mkdirAll("var"); err != nil {
		return err
	}
	return r.Chmod(".", 0o755)
}

// transientTop keeps everything and has real directories, since / is writable.
func (r root) transientTop() error {
	for _, dir := range []string{"sysroot", "opt", "media", "mnt", "usr/local", "var"} {
		if r.isLink(dir) {
			if err := r.removeAll(dir); err != nil {
				return err
			}
		}
		if err := r.mkdirAll(dir); err != nil {
			return err
		}
	}
	if err := r.link("sysroot/ostree", "ostree"); err != nil {
		return err
	}
	return r.Chmod(".", 0o755)
}

// discard removes names; if there is a file in them people are told, since rpm-ostree's silence
// about it is a known trap.
func (t Tree) discard(ctx context.Context, r root, names []string) error {
	var lost tally
	for _, name := range names {
		err := r.walk(name, func(p string, info fs.FileInfo) error {
			if !info.IsDir() && !harmless(p, info) {
				lost.add("/"+name, p)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := r.removeAll(name); err != nil {
			return err
		}
	}
	if lost.total > 0 {
		t.Report.Warn(fmt.Sprintf("%d files are outside of what a commit keeps and dropped: %s; the first is /%s", lost.total, lost.String(), lost.first))
	}
	return context.Cause(ctx)
}

// harmless is what nobody misses: links at the top, which are made anew, and the skeleton files of
// root's home.
func harmless(name string, info fs.FileInfo) bool {
	if !strings.Contains(name, "/") {
		return info.Mode()&fs.ModeSymlink != 0
	}
	skeleton := []string{".bash_history", ".bash_logout", ".bash_profile", ".bashrc", ".cshrc", ".profile", ".rnd", ".tcshrc"}
	return path.Dir(name) == "root" && slices.Contains(skeleton, path.Base(name))
}

func (r root) tmp(o LayoutOptions) error {
	if err := r.removeAll("tmp"); err != nil {
		return err
	}
	if !o.TmpIsDir {
		return r.link("sysroot/tmp", "tmp")
	}
	return r.mkdir("tmp", 0o777|fs.ModeSticky)
}

// machineID leaves an empty file, which systemd fills without seeing a first boot, or none.
func (r root) machineID(o LayoutOptions) error {
	if err := r.removeAll("usr/etc/machine-id"); err != nil {
		return err
	}
	if o.NoMachineID {
		return nil
	}
	return r.put("usr/etc/machine-id", strings.NewReader(""), owner{mode: 0o444})
}
