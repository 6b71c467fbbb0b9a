package tree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/proc"
)

// unitDir is where packages have their units.
const unitDir = "usr/lib/systemd/system"

// ErrNoSysusers is a tree without systemd-sysusers.
var ErrNoSysusers = errors.New("the tree has no systemd-sysusers")

// Sysusers makes the accounts that sysusers.d files of the packages and the overlays ask for. Its
// error is ErrNoSysusers where nothing in the tree can.
func (t Tree) Sysusers(ctx context.Context) error {
	const program = "systemd-sysusers"
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	if !r.exists("usr/bin/"+program) && !r.exists("bin/"+program) {
		return ErrNoSysusers
	}
	return t.tool(ctx, "making accounts", program)
}

// Preset enables and disables units as the presets in the tree say; no names means all units.
func (t Tree) Preset(ctx context.Context, units []string) error {
	args := []string{"systemctl", "preset-all"}
	if len(units) > 0 {
		args = append([]string{"systemctl", "preset", "--"}, units...)
	}
	return t.tool(ctx, "applying presets", args...)
}

// tool runs a program of the tree that may change all of it.
func (t Tree) tool(ctx context.Context, doing string, args ...string) error {
	if err := t.box().Run(ctx, proc.Cmd{Args: args, Line: t.Report.Line}); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// Units enables units for multi-user.target whatever their own [Install] says; a link that is there
// stays.
func (t Tree) Units(names []string) error {
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	wants, err := r.resolve("etc/systemd/system/multi-user.target.wants")
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := unitName(name); err != nil {
			return err
		}
		if at := path.Join(wants, name); !r.exists(at) {
			if err := r.link("/"+path.Join(unitDir, name), at); err != nil {
				return err
			}
		}
	}
	return nil
}

func unitName(name string) error {
	if name == "" || strings.ContainsAny(name, "/\x00\n") || !strings.Contains(name, ".") {
		return fmt.Errorf("%q is no unit's name", name)
	}
	return nil
}

// DefaultTarget sets what the system boots into; no name leaves it to the packages.
func (t Tree) DefaultTarget(name string) error {
	if name == "" {
		return nil
	}
	if err := unitName(name); err != nil {
		return err
	}
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	return r.link(name, path.Join(unitDir, "default.target"))
}

// StateOverlay enables the writable overlays of /opt and /usr/local (opt-usrlocal: state-overlay),
// which are OSTree's own: its error names the unit if the tree's OSTree is too old to have it.
func (t Tree) StateOverlay() error {
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	const unit = "ostree-state-overlay@.service"
	if !r.exists(path.Join(unitDir, unit)) {
		return fmt.Errorf("opt-usrlocal: state-overlay needs %s, which no package of the tree has: a newer ostree, or another opt-usrlocal", unit)
	}
	for _, name := range []string{"usr-lib-opt", "usr-local"} {
		at := path.Join(unitDir, "local-fs.target.requires", "ostree-state-overlay@"+name+".service")
		if err := r.link("../"+unit, at); err != nil {
			return err
		}
	}
	return nil
}

// Treefile records the merged manifest, as JSON, in the tree.
func (t Tree) Treefile(data []byte) error {
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	return r.write("usr/share/rpm-ostree/treefile.json", data)
}

// OSRelease puts version in place of value in the VERSION and PRETTY_NAME lines of os-release
// (mutate-os-release) and adds OSTREE_VERSION. An empty value only adds.
func (t Tree) OSRelease(value, version string) error {
	if strings.ContainsAny(version, "'\n") {
		return fmt.Errorf("version %q cannot be quoted in os-release", version)
	}
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	name, err := r.resolve("etc/os-release")
	if err != nil {
		return err
	}
	if !r.exists(name) {
		return errors.New("the tree has no /etc/os-release")
	}
	return r.edit(name, func(text []byte) []byte { return osRelease(text, value, version) })
}

func osRelease(text []byte, value, version string) []byte {
	var out bytes.Buffer
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "OSTREE_VERSION=") {
			continue
		}
		if value != "" && (strings.HasPrefix(line, "VERSION=") || strings.HasPrefix(line, "PRETTY_NAME=")) {
			line = strings.ReplaceAll(line, value, version)
		}
		fmt.Fprintln(&out, line)
	}
	fmt.Fprintf(&out, "OSTREE_VERSION='%s'\n", version)
	return out.Bytes()
}

// RemoveFiles removes paths, without a leading slash, and what is below them (remove-files). What
// is not there is fine.
func (t Tree) RemoveFiles(names []string) error {
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	for _, name := range names {
		if err := CheckRemoveFile(name); err != nil {
			return err
		}
		at, err := r.place(etcPath(name))
		if err != nil {
			return err
		}
		if err := r.removeAll(at); err != nil {
			return err
		}
	}
	return nil
}

// CheckRemoveFile tells whether name can be an item of remove-files.
func CheckRemoveFile(name string) error {
	switch {
	case strings.HasPrefix(name, "/"):
		return fmt.Errorf("remove-files: %q: absolute path, leave out the leading slash", name)
	case strings.Contains(name, ".."):
		return fmt.Errorf("remove-files: %q: .. is not allowed", name)
	case name == "" || path.Clean(name) == ".":
		return fmt.Errorf("remove-files: %q names the whole tree", name)
	}
	return nil
}

// etcPath turns usr/etc, as manifests may write it, to etc.
func etcPath(name string) string {
	name = path.Clean(name)
	if rest, ok := strings.CutPrefix(name+"/", "usr/etc/"); ok {
		return path.Join("etc", rest)
	}
	return name
}

// Addition is an item of add-files.
type Addition struct {
	Source string // file on the host; its mode bits are kept
	Dest   string // path in the tree, with or without a leading slash
}

// addable are the directories that add-files may write to.
func addable() []string {
	return []string{"usr/", "etc/", "bin/", "sbin/", "lib/", "lib64/"}
}

// CheckAddFile tells whether dest can be a destination of add-files.
func CheckAddFile(dest string) error {
	name := strings.TrimLeft(dest, "/")
	if slices.Contains(strings.Split(name, "/"), "..") {
		return fmt.Errorf("add-files: %q: .. is not allowed", dest)
	}
	if name+"/" == "usr/local/" || strings.HasPrefix(name, "usr/local/") {
		return fmt.Errorf("add-files: %q: /usr/local is not part of the commit", dest)
	}
	for _, prefix := range addable() {
		if rest, ok := strings.CutPrefix(name, prefix); ok && path.Clean(rest) != "." {
			return nil
		}
	}
	return fmt.Errorf("add-files: %q: want a path below /%s", dest, strings.Join(addable(), ", /"))
}

// AddFiles copies files into the tree; they are root's, and replace what is there.
func (t Tree) AddFiles(items []Addition) error {
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	for _, item := range items {
		if err := CheckAddFile(item.Dest); err != nil {
			return err
		}
		if err := r.add(item); err != nil {
			return fmt.Errorf("add-files: %s: %w", item.Dest, err)
		}
	}
	return nil
}

func (r root) add(item Addition) error {
	src, err := os.Open(item.Source)
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: %w", item.Source, errNotRegular)
	}
	name, err := r.place(etcPath(strings.TrimLeft(item.Dest, "/")))
	if err != nil {
		return err
	}
	if r.isDir(name) {
		return &fs.PathError{Op: "add", Path: "/" + name, Err: errors.New("is a directory")}
	}
	return r.put(name, src, owner{mode: ownerOf(info).mode})
}

var errNotRegular = errors.New("not a regular file")
