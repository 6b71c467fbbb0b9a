package tree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/nestos/nosa/builder/sandbox"
	"github.com/nestos/nosa/workspace/proc"
)

// InitramfsOptions say how dracut is run.
type InitramfsOptions struct {
	KVER         string       // what Kernel gave
	Args         []string     // initramfs-args; none means --no-hostonly
	BootLocation BootLocation // empty is BootNew
	Scratch      string       // directory on the host for dracut's files, several times the initramfs; empty is the temporary directory
}

// DracutArgs is dracut's command line in the sandbox, which leaves the image in out. help is what
// dracut --help prints.
func DracutArgs(o InitramfsOptions, help, out string) []string {
	args := []string{"dracut"}
	if strings.Contains(help, "--reproducible") {
		args = append(args, "--reproducible")
	}
	args = append(args, "-v", "--add", "ostree", "--tmpdir", "/tmp/dracut", "-f", out)
	if len(o.Args) == 0 {
		args = append(args, "--no-hostonly")
	}
	args = append(args, o.Args...)
	return append(args, "--kver", o.KVER)
}

// dracutEpoch is SOURCE_DATE_EPOCH for dracut: the image must not change with the build's own.
const dracutEpoch = 1

// Initramfs makes usr/lib/modules/KVER/initramfs.img, mode 0644, with the tree's dracut. dracut
// copies os-release into the image, so it sees one without a version and the same packages give the
// same bytes; the real one comes behind it in an archive of its own, with /dev/random and
// /dev/urandom (which FIPS mode needs before devtmpfs). Run it after Kernel.
func (t Tree) Initramfs(ctx context.Context, o InitramfsOptions) error {
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	scratch, err := os.MkdirTemp(o.Scratch, "nosa-dracut-")
	if err != nil {
		return fmt.Errorf("making the initramfs: %w", err)
	}
	defer os.RemoveAll(scratch)
	box, err := t.dracutBox(r, scratch)
	if err != nil {
		return err
	}
	if err := t.dracut(ctx, box, o); err != nil {
		return err
	}
	tail, err := r.initramfsTail()
	if err != nil {
		return err
	}
	image, err := os.Open(filepath.Join(scratch, "tmp/initramfs.img"))
	if err != nil {
		return fmt.Errorf("dracut made no initramfs: %w", err)
	}
	defer image.Close()
	info, err := image.Stat()
	if err != nil {
		return fmt.Errorf("making the initramfs: %w", err)
	}
	// The kernel reads an archive behind another only at a multiple of four (init/initramfs.c).
	pad := make([]byte, 4+(4-info.Size()%4)%4)
	whole := io.MultiReader(image, bytes.NewReader(pad), bytes.NewReader(tail))
	if err := r.put(path.Join(modulesDir, o.KVER, "initramfs.img"), whole, owner{mode: 0o644}); err != nil {
		return err
	}
	if o.BootLocation == BootNew || o.BootLocation == "" {
		return r.linkBoot(o.KVER)
	}
	return nil
}

// dracutBox is the sandbox of dracut: a tree that cannot be changed, all accounts in /etc, no
// version in os-release, and space on disk in /tmp.
func (t Tree) dracutBox(r root, scratch string) (sandbox.Sandbox, error) {
	temp := filepath.Join(scratch, "tmp")
	if err := os.MkdirAll(filepath.Join(temp, "dracut"), 0o700); err != nil {
		return sandbox.Sandbox{}, fmt.Errorf("making the initramfs: %w", err)
	}
	binds := []sandbox.Bind{{Source: temp, Target: "/tmp", Writable: true}}
	cover := func(name string, text []byte) error {
		source := filepath.Join(scratch, filepath.Base(name))
		if err := os.WriteFile(source, text, 0o644); err != nil { //nolint:gosec // readable, as the file it covers
			return fmt.Errorf("making the initramfs: %w", err)
		}
		binds = append(binds, sandbox.Bind{Source: source, Target: "/" + name})
		return nil
	}
	text, name, err := r.osRelease()
	if err != nil {
		return sandbox.Sandbox{}, err
	}
	if name != "" {
		if rest, ok := strings.CutPrefix(name, "usr/etc/"); ok {
			name = "etc/" + rest
		}
		if err := cover(name, withoutVersion(text)); err != nil {
			return sandbox.Sandbox{}, err
		}
	}
	for _, file := range []string{"passwd", "group"} {
		etc, err := r.readIf("usr/etc/" + file)
		if err != nil {
			return sandbox.Sandbox{}, err
		}
		lib, err := r.readIf("usr/lib/" + file)
		if err != nil {
			return sandbox.Sandbox{}, err
		}
		if etc == nil || lib == nil {
			continue
		}
		if err := cover("etc/"+file, uniqueLines(append(etc, lib...))); err != nil {
			return sandbox.Sandbox{}, err
		}
	}
	box := t.readOnlyBox(binds...)
	box.Tmpfs = append(box.Tmpfs, "/var/roothome", "/var/tmp") // where links of the tree lead
	box.Epoch = time.Unix(dracutEpoch, 0)
	return box, nil
}

func (t Tree) dracut(ctx context.Context, box sandbox.Sandbox, o InitramfsOptions) error {
	var help strings.Builder
	// dracut 059 ends with status 1 after its help.
	if err := box.Run(ctx, proc.Cmd{Args: []string{"dracut", "--help"}, Stdout: &help}); err != nil && help.Len() == 0 {
		return fmt.Errorf("the tree's dracut does not run (it needs dracut and OSTree's module for it): %w", err)
	}
	var problems, broken []string
	err := box.Run(ctx, proc.Cmd{
		Args: DracutArgs(o, help.String(), "/tmp/initramfs.img"),
		Env:  []string{"DRACUT_NO_MKNOD=1", "DRACUT_NO_XATTR=1"},
		Line: func(text string) {
			if strings.Contains(text, "dracut-install: ERROR: 'ldd ") {
				broken = append(broken, text)
			}
			if strings.Contains(text, "dracut[E]") || strings.Contains(text, "dracut: FAILED") || strings.Contains(text, "dracut-install: ERROR") {
				problems = append(problems, text)
			}
			t.Report.Line(text)
		},
	})
	if err != nil {
		return fmt.Errorf("making the initramfs: %w", err)
	}
	if len(broken) > 0 {
		// dracut itself ends well, with an image that cannot boot.
		return fmt.Errorf("making the initramfs: %d programs without their libraries: %s", len(broken), broken[0])
	}
	if len(problems) > 0 {
		t.Report.Warn(fmt.Sprintf("dracut reported %d errors; the first: %s", len(problems), problems[0]))
	}
	return nil
}

// osRelease gives the text and the real path of os-release.
func (r root) osRelease() (text []byte, name string, err error) {
	for _, candidate := range []string{"usr/etc/os-release", "usr/lib/os-release"} {
		target, err := r.readEtcLink(candidate)
		if err != nil {
			return nil, "", err
		}
		if text, err := r.readIf(target); err != nil || text != nil {
			return text, target, err
		}
	}
	return nil, "", nil
}

// readEtcLink resolves a name whose links were made for etc, not usr/etc.
func (r root) readEtcLink(name string) (string, error) {
	target, err := r.Readlink(name)
	if err != nil {
		return name, nil //nolint:nilerr // no link
	}
	if rest, ok := strings.CutPrefix(name, "usr/etc/"); ok && !path.IsAbs(target) {
		return r.resolve(path.Join("/etc", path.Dir(rest), target))
	}
	return r.resolve(path.Join("/", path.Dir(name), target))
}

// versionKeys are the lines of os-release(5) that change from build to build.
func versionKeys() []string {
	return []string{"VERSION=", "PRETTY_NAME=", "OSTREE_VERSION=", "IMAGE_VERSION=", "BUILD_ID="}
}

// withoutVersion drops what changes from build to build.
func withoutVersion(text []byte) []byte {
	var out bytes.Buffer
	for line := range strings.Lines(string(text)) {
		if !hasPrefix(line, versionKeys()) {
			out.WriteString(line)
		}
	}
	return out.Bytes()
}

func hasPrefix(line string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(line, p) {
			return true
		}
	}
	return false
}

// initramfsTail is the archive behind dracut's: devices, and the initrd-release that dracut would
// have written (its module 99base) had it seen the version.
func (r root) initramfsTail() ([]byte, error) {
	entries := []cpioEntry{
		{name: "dev", mode: cpioDir | 0o755},
		{name: "dev/random", mode: cpioChar | 0o666, major: 1, minor: 8},
		{name: "dev/urandom", mode: cpioChar | 0o666, major: 1, minor: 9},
	}
	text, name, err := r.osRelease()
	if err != nil {
		return nil, err
	}
	if name == "" {
		return cpioArchive(entries), nil
	}
	script, err := r.readIf("usr/lib/dracut/dracut-version.sh")
	if err != nil {
		return nil, err
	}
	version := shellValue(string(script), "DRACUT_VERSION")
	if version == "" {
		return nil, errors.New("the tree's dracut has no version (DRACUT_VERSION in /usr/lib/dracut/dracut-version.sh)")
	}
	release := initrdRelease(string(text), version)
	return cpioArchive(append(entries, cpioEntry{name: "usr/lib/initrd-release", mode: cpioFile | 0o644, data: []byte(release)})), nil
}

// initrdRelease is os-release with dracut's version behind the system's.
func initrdRelease(text, dracut string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "VERSION=") && !strings.HasPrefix(line, "PRETTY_NAME") {
			out.WriteString(line)
		}
	}
	join := func(value, more string) string {
		if value == "" {
			return more
		}
		return value + " " + more
	}
	fmt.Fprintf(&out, "VERSION=\"%s\"\n", join(shellValue(text, "VERSION"), "dracut-"+dracut))
	fmt.Fprintf(&out, "PRETTY_NAME=\"%s\"\n", join(shellValue(text, "PRETTY_NAME"), "dracut-"+dracut+" (Initramfs)"))
	fmt.Fprintf(&out, "DRACUT_VERSION=\"%s\"\n", dracut)
	return out.String()
}

// shellValue gives the value of the last line KEY=VALUE, without its quotes.
func shellValue(text, key string) string {
	value := ""
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), key+"="); ok {
			value = strings.Trim(v, `"'`)
		}
	}
	return value
}
