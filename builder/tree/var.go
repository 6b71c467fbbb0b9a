package tree

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/nestos/nosa/assets"
)

// tmpfilesDir is where packages have what is to be made at boot.
const tmpfilesDir = "usr/lib/tmpfiles.d"

// tmpfile is a line of tmpfiles.d(5).
type tmpfile struct {
	kind  string // d, f or L
	path  string
	mode  fs.FileMode
	user  string
	group string
	arg   string // target of a link
}

func (f tmpfile) String() string {
	if f.kind == "L" {
		return fmt.Sprintf("L %s - - - - %s", quoteField(f.path), strings.ReplaceAll(f.arg, "%", "%%"))
	}
	return fmt.Sprintf("%s %s %04o %s %s - -", f.kind, quoteField(f.path), toUnix(f.mode), f.user, f.group)
}

// Var turns what packages have below /var and /run into tmpfiles.d lines, so that every system has
// it, and empties both. Regular files there cannot come along: they are counted by package in a
// warning. The files of tmpfiles.d have rpm-ostree's names, so that it does not process the tree
// again. Run it after Layout and SELinux.
func (t Tree) Var(ctx context.Context) error {
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	owners, err := t.packages(ctx, r)
	if err != nil {
		return err
	}
	c := collector{root: r, owners: owners}
	if c.users, c.groups, err = r.names(); err != nil {
		return err
	}
	if err := r.keepState(); err != nil {
		return err
	}
	if err := c.collect(); err != nil {
		return err
	}
	if c.lost.total > 0 {
		t.Report.Warn(fmt.Sprintf("%d files below /var are not part of a commit and dropped: %s; the first is /%s",
			c.lost.total, c.lost.String(), c.lost.first))
	}
	if err := r.writeTmpfiles(c.lines); err != nil {
		return err
	}
	if err := r.freshDir("var", 0o755); err != nil {
		return err
	}
	return r.freshDir("run", 0o755)
}

// writeTmpfiles writes the lines that no package has already, and the fixed ones.
func (r root) writeTmpfiles(lines []tmpfile) error {
	fixed := []string{"rpm-ostree-0-integration.conf", "rpm-ostree-0-integration-opt-usrlocal.conf"}
	if target, err := r.Readlink("opt"); err == nil && target == overlaidOpt {
		fixed[1] = "rpm-ostree-0-integration-opt-usrlocal-compat.conf"
	}
	for _, name := range fixed {
		text, err := assets.Tree(name)
		if err != nil {
			return err
		}
		if err := r.write(path.Join(tmpfilesDir, name), text); err != nil {
			return err
		}
	}
	const own = tmpfilesDir + "/rpm-ostree-autovar.conf"
	known, err := r.knownTmpfiles(own)
	if err != nil {
		return err
	}
	slices.SortFunc(lines, func(a, b tmpfile) int { return cmp.Compare(a.path, b.path) })
	var out bytes.Buffer
	out.WriteString("# Directories and links that packages have below /var and /run.\n")
	for _, line := range lines {
		if !known[line.path] {
			fmt.Fprintln(&out, line)
		}
	}
	return r.write(own, out.Bytes())
}

// knownTmpfiles are the paths that the tmpfiles.d files of the tree, but for one, have.
func (r root) knownTmpfiles(but string) (map[string]bool, error) {
	known := map[string]bool{}
	for _, name := range r.glob(tmpfilesDir, "*.conf") {
		if name == but {
			continue
		}
		at, err := r.resolve(name)
		if err != nil {
			return nil, err
		}
		text, err := r.readIf(at)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) > 1 && !strings.HasPrefix(fields[0], "#") {
				known[path.Clean(strings.Trim(fields[1], `"`))] = true
			}
		}
	}
	return known, nil
}

// names gives the names of ids.
func (r root) names() (users, groups map[int]string, err error) {
	u, g, err := r.accounts()
	if err != nil {
		return nil, nil, err
	}
	users, groups = map[int]string{0: "root"}, map[int]string{0: "root"}
	for _, one := range u {
		if _, ok := users[one.UID]; !ok {
			users[one.UID] = one.Name
		}
	}
	for _, one := range g {
		if _, ok := groups[one.GID]; !ok {
			groups[one.GID] = one.Name
		}
	}
	return users, groups, nil
}

// keepState moves the directories of /var/lib that are the commit's to usr/lib; a link leads there.
func (r root) keepState() error {
	for _, name := range []string{"alternatives", "vagrant"} {
		from, to := path.Join("var/lib", name), path.Join("usr/lib", name)
		if !r.isDir(from) {
			continue
		}
		if r.exists(to) {
			return fmt.Errorf("the tree has both /%s and /%s", from, to)
		}
		if err := r.move(from, to); err != nil {
			return err
		}
		if err := r.link("../../"+to, from); err != nil {
			return err
		}
	}
	return nil
}

// collector gathers the lines.
type collector struct {
	root
	owners packages
	users  map[int]string
	groups map[int]string
	lines  []tmpfile
	lost   tally
}

func (c *collector) collect() error {
	if err := c.walk("var", c.visitVar); err != nil {
		return err
	}
	if err := c.walk("run", c.visitRun); err != nil {
		return err
	}
	if target, err := c.Readlink("opt"); err == nil && target == "var/opt" {
		for _, name := range c.glob("usr/lib/opt", "*") {
			c.lines = append(c.lines, tmpfile{kind: "L", path: "/var/opt/" + path.Base(name), arg: "../../" + name})
		}
	}
	return nil
}

// notState are paths below /var that come back by other means, or are nobody's state.
func notState(name string) bool {
	switch name {
	case "var", "var/run", "var/lock", "var/tmp", "var/.updated":
		return true
	}
	for _, dir := range []string{
		"var/lib/rpm", "var/lib/rpm-state", "var/lib/selinux", "var/lib/dnf", "var/lib/yum", "var/cache/dnf", "var/cache/libdnf5",
		"var/cache/yum", "var/cache/ldconfig", "var/lib/systemd/catalog", "var/lib/systemd/random-seed",
		"var/log/dnf.log", "var/log/dnf.librepo.log", "var/log/dnf.rpm.log", "var/log/hawkey.log", "var/tmp",
	} {
		if name == dir || strings.HasPrefix(name, dir+"/") {
			return true
		}
	}
	return false
}

func (c *collector) visitVar(name string, info fs.FileInfo) error {
	if notState(name) {
		return nil
	}
	switch {
	case info.IsDir(), info.Mode()&fs.ModeSymlink != 0:
		return c.add(name, info)
	case !info.Mode().IsRegular():
		return nil
	case strings.HasPrefix(name, "var/lib/nfs/"):
		return c.add(name, info)
	}
	by := "no package"
	if names := c.owners[name]; len(names) > 0 {
		by = names[0]
	}
	c.lost.add(by, name)
	return nil
}

// visitRun takes only what packages have: scripts leave much in /run.
func (c *collector) visitRun(name string, info fs.FileInfo) error {
	if name == "run" || len(c.owners[name]) == 0 || (!info.IsDir() && info.Mode()&fs.ModeSymlink == 0) {
		return nil
	}
	return c.add(name, info)
}

func (c *collector) add(name string, info fs.FileInfo) error {
	line := tmpfile{kind: "d", path: "/" + name}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := c.Readlink(name)
		if err != nil {
			return fmt.Errorf("reading the tree: %w", err)
		}
		line.kind, line.arg = "L", target
		c.lines = append(c.lines, line)
		return nil
	}
	if info.Mode().IsRegular() {
		line.kind = "f"
	}
	o := ownerOf(info)
	line.mode = o.mode
	var ok bool
	if line.user, ok = c.users[o.uid]; !ok {
		return fmt.Errorf("/%s belongs to uid %s, which the tree has no user for", name, strconv.Itoa(o.uid))
	}
	if line.group, ok = c.groups[o.gid]; !ok {
		return fmt.Errorf("/%s belongs to gid %s, which the tree has no group for", name, strconv.Itoa(o.gid))
	}
	c.lines = append(c.lines, line)
	return nil
}
