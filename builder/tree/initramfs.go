package tree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/builder/sandbox"
	"github.com/nestos/nosa/workspace/proc"
)

// InitramfsOptions say how dracut is run.
type InitramfsOptions struct {
	KVER string   // what Kernel gave
	Args []string // initramfs-args; none means --no-hostonly
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

// Dracut runs the tree's dracut, which leaves its image in the directory dir, and gives what it
// read, for Reads; what is in dir besides is for the caller to remove. dracut copies os-release
// into the image, so it sees one without a version and the same packages give the same bytes. Run
// it after Kernel.
func (t Tree) Dracut(ctx context.Context, o InitramfsOptions, dir string) (image string, reads []string, err error) {
	r, err := t.open()
	if err != nil {
		return "", nil, err
	}
	defer r.close()
	box, err := t.dracutBox(r, dir)
	if err != nil {
		return "", nil, err
	}
	if reads, err = t.dracut(ctx, box, o); err != nil {
		return "", nil, err
	}
	image = filepath.Join(dir, "tmp/initramfs.img")
	if _, err := os.Stat(image); err != nil {
		return "", nil, fmt.Errorf("dracut made no initramfs: %w", err)
	}
	return image, reads, nil
}

// PlaceInitramfs makes usr/lib/modules/KVER/initramfs.img, mode 0644, of dracut's image. The real
// os-release comes behind it in an archive of its own, with /dev/random and /dev/urandom (which
// FIPS mode needs before devtmpfs).
func (t Tree) PlaceInitramfs(kver, image string) error {
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	tail, err := r.initramfsTail()
	if err != nil {
		return err
	}
	in, err := os.Open(image)
	if err != nil {
		return fmt.Errorf("placing the initramfs: %w", err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return fmt.Errorf("placing the initramfs: %w", err)
	}
	// The kernel reads an archive behind another only at a multiple of four (init/initramfs.c).
	pad := make([]byte, 4+(4-info.Size()%4)%4)
	whole := io.MultiReader(in, bytes.NewReader(pad), bytes.NewReader(tail))
	return r.put(path.Join(modulesDir, kver, "initramfs.img"), whole, owner{mode: 0o644})
}

// dracutBox is the sandbox of dracut: a tree that cannot be changed, some files covered, and space
// on disk in /tmp.
func (t Tree) dracutBox(r root, dir string) (sandbox.Sandbox, error) {
	temp := filepath.Join(dir, "tmp")
	if err := os.MkdirAll(filepath.Join(temp, "dracut"), 0o700); err != nil {
		return sandbox.Sandbox{}, fmt.Errorf("making the initramfs: %w", err)
	}
	binds := []sandbox.Bind{{Source: temp, Target: "/tmp", Writable: true}}
	covers, err := r.dracutCovers()
	if err != nil {
		return sandbox.Sandbox{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(covers)) {
		source := filepath.Join(dir, path.Base(name))
		if err := os.WriteFile(source, covers[name], 0o644); err != nil { //nolint:gosec // readable, as the file it covers
			return sandbox.Sandbox{}, fmt.Errorf("making the initramfs: %w", err)
		}
		binds = append(binds, sandbox.Bind{Source: source, Target: name})
	}
	box := t.readOnlyBox(binds...)
	box.Tmpfs = append(box.Tmpfs, "/var/roothome", "/var/tmp") // where links of the tree lead
	box.Epoch = time.Unix(dracutEpoch, 0)
	return box, nil
}

// dracutCovers are the files that dracut sees instead of the tree's, by absolute path: no version in
// os-release, and all accounts in /etc.
func (r root) dracutCovers() (map[string][]byte, error) {
	covers := map[string][]byte{}
	text, name, err := r.osRelease()
	if err != nil {
		return nil, err
	}
	if name != "" {
		if rest, ok := strings.CutPrefix(name, "usr/etc/"); ok {
			name = "etc/" + rest
		}
		covers["/"+name] = withoutVersion(text)
	}
	for _, file := range []string{"passwd", "group"} {
		etc, err := r.readIf("usr/etc/" + file)
		if err != nil {
			return nil, err
		}
		lib, err := r.readIf("usr/lib/" + file)
		if err != nil {
			return nil, err
		}
		if etc != nil && lib != nil {
			covers["/etc/"+file] = uniqueLines(append(etc, lib...))
		}
	}
	return covers, nil
}

func (t Tree) dracut(ctx context.Context, box sandbox.Sandbox, o InitramfsOptions) ([]string, error) {
	var help strings.Builder
	// dracut 059 ends with status 1 after its help. One that was killed may not have said it all.
	if err := box.Run(ctx, proc.Cmd{Args: []string{"dracut", "--help"}, Stdout: &help}); err != nil && (help.Len() == 0 || killed(err)) {
		return nil, fmt.Errorf("the tree's dracut does not run (it needs dracut and OSTree's module for it): %w", err)
	}
	var problems, broken []string
	reads, err := t.traced(ctx, box, proc.Cmd{
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
		return nil, fmt.Errorf("making the initramfs: %w", err)
	}
	if len(broken) > 0 {
		// dracut itself ends well, with an image that cannot boot.
		return nil, fmt.Errorf("making the initramfs: %d programs without their libraries: %s", len(broken), broken[0])
	}
	if len(problems) > 0 {
		t.Report.Warn(fmt.Sprintf("dracut reported %d errors; the first: %s", len(problems), problems[0]))
	}
	return reads, nil
}

// killed tells whether a program, or a sandbox around it, was ended by a signal.
func killed(err error) bool {
	exit, ok := errors.AsType[*proc.ExitError](err)
	return !ok || exit.Signal != 0 || exit.Code > 128
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
