//go:build e2e

package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/rpmpack"
)

// The tiny pool is five packages that are enough for every step of a build: a
// busybox for all programs, a kernel that is none, a dracut of thirty lines. A
// build of it takes a second or two, so tests can make hundreds.
//
//	dir := tinyWorkspace(t)                      // fetched; build at once
//	n := nosa{t: t, dir: dir}
//	n.run(0, "build", "--version", "1.1", "ostree")
//
//	n := tiny{Images: true}.workspace(t)         // with GRUB: build qemu, metal, metal4k, buildextend-live
//
// Edit DIR/src/config (a git checkout: manifest.yaml, image.yaml, overlay.d/10tiny
// with etc/tiny.conf, a preset, a dracut module and a statoverride) and build
// again. DIR/pool/repo is the repository; tinyRepo writes it anew after a change
// of the packages that tinyPackages gives, then `nosa fetch`. tiny-extra is in
// the repository and not in the manifest: a package to add.

// tinyPackage is a package of the tiny pool.
type tinyPackage struct {
	Name, Version string
	Requires      []string
	Recommends    []string
	Provides      []string
	Post          string
	Files         map[string]tinyFile // by path
}

// tinyFile is a file: content "/" is a directory, "-> x" a symbolic link to x.
type tinyFile struct {
	Mode    uint // permissions; 0 is 0644, of directories 0755
	Content string
	Doc     bool   // flagged as documentation
	Lang    string // flagged as of a language
}

// tinyKernel is the version of the kernel of the tiny pool.
const tinyKernel = "6.1.0-tiny"

// tiny says what a workspace of the tiny pool has. The zero value can build no images.
type tiny struct {
	Images bool   // with what images are made of
	Dir    string // where; empty is a new directory that goes with the test
}

// tinyWorkspace makes a workspace of the tiny pool, with fetched packages.
func tinyWorkspace(t testing.TB) string {
	t.Helper()
	return tiny{}.workspace(t).dir
}

// workspace makes a workspace, with fetched packages.
func (o tiny) workspace(t testing.TB) nosa {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: a build gives files to other users")
	}
	if o.Dir == "" {
		o.Dir = filepath.Join(scratch(t), "ws")
	}
	n := nosa{t: t, dir: o.Dir, env: []string{"SOURCE_DATE_EPOCH="}}
	repo, config := filepath.Join(n.dir, "pool", "repo"), filepath.Join(n.dir, "src", "config")
	for _, dir := range []string{repo, config, filepath.Join(n.dir, "builds")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	packages := tinyPackages(t)
	if o.Images {
		packages = append(packages, tinyGrub(t))
	}
	tinyRepo(t, repo, packages)
	tinyConfig(t, config, repo, o.Images)
	n.run(0, "fetch", "-q")
	return n
}

// tinyRepo writes the packages and the metadata of a repository, in place of what is there.
func tinyRepo(t testing.TB, dir string, packages []tinyPackage) {
	t.Helper()
	shell(t, dir, "rm -rf ./*")
	for _, p := range packages {
		if err := p.write(dir); err != nil {
			t.Fatal(err)
		}
	}
	shell(t, dir, fmt.Sprintf("createrepo_c --quiet --no-database --workers 1 --general-compress-type gz --revision %d --set-timestamp-to-revision .", tinyTime))
}

// tinyConfig writes a config repository.
func tinyConfig(t testing.TB, dir, repo string, images bool) {
	t.Helper()
	packages := "tiny-base tiny-kernel tiny-dracut tiny-systemd tiny-conf"
	if images {
		packages += " tiny-grub"
	}
	files := map[string]tinyFile{
		"manifest.yaml": {Content: `ref: tiny/${basearch}/stable
repos: [tiny]
selinux: false
recommends: false
boot-location: modules
rojig: {name: tiny, summary: tiny, license: none}
releasever: "1"
automatic-version-prefix: "${releasever}.<date:%Y%m%d>"
mutate-os-release: "${releasever}"
machineid-compat: false
tmp-is-dir: true
default-target: multi-user.target
packages:
  - ` + packages + `
ostree-layers:
  - overlay/10tiny
add-commit-metadata:
  tiny.stream: stable
remove-files:
  - usr/share/doc
initramfs-args:
  - --no-hostonly
  - --modules=base tiny
postprocess:
  - |
    #!/bin/sh
    set -eu
    systemctl preset-all
  - |
    #!/bin/sh
    set -eu
    echo "made of $(cat /usr/share/tiny/data | wc -l) lines" >/usr/share/tiny/made
`},
		"image.yaml":                 {Content: "size: 1\nrootfs: ext4\nbootfs: ext4\nextra-kargs: [root=LABEL=root, rw]\n"},
		"platforms.yaml":             {Content: "x86_64: {}\n"},
		"live/EFI/tiny/grub.cfg":     {Content: "linux /images/pxeboot/vmlinuz @@KERNEL-ARGS@@ quiet\n######## NESTOS_KARG_EMBED_AREA\n"},
		"live/isolinux/isolinux.cfg": {Content: "append initrd=/images/pxeboot/initrd.img @@KERNEL-ARGS@@ quiet\n######## NESTOS_KARG_EMBED_AREA\n"},
		"../yumrepos/tiny.repo":      {Content: "[tiny]\nname=tiny\nbaseurl=file://" + repo + "\nenabled=1\ngpgcheck=0\n"},

		"overlay.d/10tiny/etc/tiny.conf":                                           {Content: "answer = 42\n"},
		"overlay.d/10tiny/usr/lib/systemd/system-preset/10-tiny.preset":            {Content: "enable tiny.service\n"},
		"overlay.d/10tiny/usr/lib/dracut/modules.d/50tiny/module-setup.sh":         {Mode: 0o755, Content: "#!/bin/sh\ncheck() { return 0; }\ninstall() { inst_simple \"$moddir/hook.sh\"; }\n"},
		"overlay.d/10tiny/usr/lib/dracut/modules.d/50tiny/hook.sh":                 {Mode: 0o755, Content: "#!/bin/sh\n: hook\n"},
		"overlay.d/10tiny/usr/libexec/tiny-helper":                                 {Mode: 0o755, Content: "#!/bin/sh\n: helper\n"},
		"overlay.d/10tiny/usr/lib/sysusers.d/tiny-overlay.conf":                    {Content: "u tinyd 901 \"Tiny daemon\" /run -\n"},
		"overlay.d/10tiny/statoverride":                                            {Content: "# modes are decimal\n=384 /etc/tiny.conf\n"},
		"overlay.d/10tiny/usr/lib/tmpfiles.d/tiny.conf":                            {Content: "d /var/lib/tiny 0755 root root - -\n"},
		"overlay.d/10tiny/usr/lib/systemd/system/tiny-overlay.service":             {Content: "[Service]\nExecStart=/usr/libexec/tiny-helper\n[Install]\nWantedBy=multi-user.target\n"},
		"overlay.d/20unused/etc/unused.conf":                                       {Content: "unused\n"},
		"overlay.d/20unused/usr/lib/dracut/modules.d/60more/module-setup.sh":       {Mode: 0o755, Content: "#!/bin/sh\n"},
		"overlay.d/20unused/usr/lib/systemd/system-preset/20-unused.preset":        {Content: "disable *\n"},
		"overlay.d/20unused/usr/lib/systemd/system/multi-user.target.wants/README": {Content: "nothing\n"},
	}
	for name, f := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(f.Content), os.FileMode(f.mode())); err != nil { //nolint:gosec // modes are the point
			t.Fatal(err)
		}
	}
	shell(t, dir, "git init -q && git add -A && GIT_AUTHOR_DATE=2024-01-01T00:00:00Z GIT_COMMITTER_DATE=2024-01-01T00:00:00Z git -c user.name=t -c user.email=t@t commit -q -m tiny")
}

func (f tinyFile) mode() uint {
	switch {
	case f.Mode != 0:
		return f.Mode
	case f.Content == "/":
		return 0o755
	}
	return 0o644
}

// write makes the package in dir.
func (p tinyPackage) write(dir string) error {
	requires, provides, recommends := rpmpack.Relations{}, rpmpack.Relations{}, rpmpack.Relations{}
	for set, texts := range map[*rpmpack.Relations][]string{&requires: p.Requires, &provides: p.Provides, &recommends: p.Recommends} {
		for _, text := range texts {
			if err := set.Set(text); err != nil {
				return err
			}
		}
	}
	r, err := rpmpack.NewRPM(rpmpack.RPMMetaData{
		Name: p.Name, Version: p.Version, Release: "1", Arch: "x86_64", Epoch: rpmpack.NoEpoch, Summary: p.Name, Description: p.Name,
		Licence: "none", BuildHost: "tiny", BuildTime: time.Unix(tinyTime, 0), Compressor: "zstd:1", Requires: requires, Provides: provides, Recommends: recommends,
	})
	if err != nil {
		return err
	}
	var langs []string
	for _, name := range slices.Sorted(maps.Keys(p.Files)) {
		f := p.Files[name]
		langs = append(langs, f.Lang)
		file := rpmpack.RPMFile{Name: name, Owner: "root", Group: "root", MTime: tinyTime, Mode: 0o100000 | f.mode(), Body: []byte(f.Content)}
		if target, ok := strings.CutPrefix(f.Content, "-> "); ok {
			file.Mode, file.Body = 0o120777, []byte(target)
		}
		if f.Content == "/" {
			file.Mode, file.Body = 0o040000|f.mode(), nil
		}
		if f.Doc {
			file.Type |= rpmpack.DocFile
		}
		r.AddFile(file)
	}
	if strings.Join(langs, "") != "" {
		const fileLangs = 1097 // RPMTAG_FILELANGS, of each file in the order of their names
		r.AddCustomTag(fileLangs, rpmpack.EntryStringSlice(langs))
	}
	if p.Post != "" {
		r.AddPostin(p.Post)
	}
	return writePackage(r, dir)
}

// tinyTime is when all packages of the tiny pool were made.
const tinyTime = 1700000000

// tinyPackages are the packages of a workspace without images.
func tinyPackages(t testing.TB) []tinyPackage {
	t.Helper()
	busybox, err := os.ReadFile(which(t, "busybox"))
	if err != nil {
		t.Fatal(err)
	}
	base := tinyPackage{Name: "tiny-base", Version: "1", Provides: []string{"/bin/sh"}, Files: map[string]tinyFile{
		"/usr/bin/busybox":    {Mode: 0o755, Content: string(busybox)},
		"/etc/passwd":         {Content: "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"},
		"/etc/group":          {Content: "root:x:0:\nwheel:x:10:\nnobody:x:65534:\n"},
		"/etc/shadow":         {Mode: 0o600, Content: "root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n"},
		"/etc/gshadow":        {Mode: 0o600, Content: "root:::\nwheel:::\nnobody:::\n"},
		"/etc/nsswitch.conf":  {Content: "passwd: files\ngroup: files\nshadow: files\n"},
		"/etc/os-release":     {Content: "-> ../usr/lib/os-release"},
		"/usr/lib/os-release": {Content: "NAME=Tiny\nID=tiny\nVERSION=\"1 (Tiny)\"\nVERSION_ID=1\nPRETTY_NAME=\"Tiny 1\"\n"},
		"/bin":                {Content: "-> usr/bin"}, "/sbin": {Content: "-> usr/sbin"}, "/lib": {Content: "-> usr/lib"}, "/lib64": {Content: "-> usr/lib64"},
	}}
	for _, dir := range []string{
		"boot", "dev", "etc", "home", "media", "mnt", "opt", "proc", "root", "run", "srv", "sys", "tmp", "usr", "usr/bin", "usr/lib", "usr/lib64",
		"usr/libexec", "usr/local", "usr/sbin", "usr/share", "var", "var/lib", "var/log", "var/cache", "var/tmp",
	} {
		base.Files["/"+dir] = tinyFile{Content: "/"}
	}
	for _, applet := range tinyApplets() {
		base.Files["/usr/bin/"+applet] = tinyFile{Content: "-> busybox"}
	}
	base.Files["/usr/sbin/depmod"] = tinyFile{Content: "-> ../bin/busybox"}
	modules := "/usr/lib/modules/" + tinyKernel
	return []tinyPackage{
		base,
		{Name: "tiny-kernel", Version: "6.1.0", Requires: []string{"tiny-base"}, Files: map[string]tinyFile{
			modules:                      {Content: "/"},
			modules + "/vmlinuz":         {Content: strings.Repeat("a kernel ", 5000)},
			modules + "/config":          {Content: "CONFIG_TINY=y\n"},
			modules + "/modules.builtin": {Content: "kernel/tiny.ko\n"}, modules + "/modules.order": {},
		}},
		{Name: "tiny-dracut", Version: "1", Requires: []string{"tiny-base"}, Files: map[string]tinyFile{
			"/usr/bin/dracut":                                    {Mode: 0o755, Content: tinyDracut},
			"/usr/lib/dracut/dracut-version.sh":                  {Content: "DRACUT_VERSION=1-tiny\n"},
			"/usr/lib/dracut/modules.d/00base/module-setup.sh":   {Mode: 0o755, Content: "#!/bin/sh\n: base\n"},
			"/usr/lib/dracut/modules.d/98ostree/module-setup.sh": {Mode: 0o755, Content: "#!/bin/sh\n: ostree\n"},
			"/etc/dracut.conf":                                   {Content: "# nothing\n"},
		}},
		{Name: "tiny-systemd", Version: "1", Requires: []string{"tiny-base"}, Files: map[string]tinyFile{
			"/usr/bin/systemctl":                            {Mode: 0o755, Content: tinySystemctl},
			"/usr/bin/systemd-sysusers":                     {Mode: 0o755, Content: tinySysusers},
			"/usr/lib/systemd/system/multi-user.target":     {Content: "[Unit]\nDescription=Multi-User System\n"},
			"/usr/lib/systemd/system/tiny.service":          {Content: "[Service]\nExecStart=/usr/bin/true\n[Install]\nWantedBy=multi-user.target\n"},
			"/usr/lib/systemd/system/other.service":         {Content: "[Service]\nExecStart=/usr/bin/true\n[Install]\nWantedBy=multi-user.target\n"},
			"/usr/lib/sysusers.d/tiny.conf":                 {Content: "g tinygroup 900\nu tinyuser 900 \"Tiny user\" /var/lib/tiny -\n"},
			"/usr/lib/systemd/system-preset/90-tiny.preset": {Content: "disable *\n"},
		}},
		{Name: "tiny-conf", Version: "1", Requires: []string{"tiny-base", "/bin/sh"}, Post: "set -e\necho configured >/etc/tiny-post.conf\nsystemctl daemon-reload\n", Files: map[string]tinyFile{
			"/usr/share/tiny/data":      {Content: strings.Repeat("a line of data\n", 200)},
			"/usr/share/tiny/twin":      {Content: strings.Repeat("a line of data\n", 200)},
			"/usr/share/doc/tiny/notes": {Content: "nobody reads this\n"},
			"/var/lib/tiny/state":       {Content: "/"},
		}},
		{Name: "tiny-extra", Version: "1", Requires: []string{"tiny-base"}, Files: map[string]tinyFile{
			"/usr/share/tiny-extra/data": {Content: "extra\n"},
		}},
	}
}

// tinyApplets are the programs of busybox that packages and scripts find.
func tinyApplets() []string {
	return []string{
		"sh", "ash", "awk", "basename", "cat", "chmod", "chown", "cp", "cut", "date", "dirname", "echo", "env", "false", "find", "grep", "head", "id",
		"ln", "ls", "mkdir", "mv", "printf", "readlink", "rm", "rmdir", "sed", "sleep", "sort", "stat", "tail", "test", "touch", "tr", "true", "uname",
		"wc", "xargs", "dd", "sync", "md5sum",
	}
}

// tinyDracut writes an archive of what it reads: the configuration, all modules
// and the kernel's index, as the kernel reads it (newc), the same bytes each time.
const tinyDracut = `#!/bin/sh
set -eu
if [ "${1:-}" = --help ]; then
	echo "usage: dracut [--reproducible] [--kver VERSION] [-f] OUT"
	exit 0
fi
out= kver=
while [ $# -gt 0 ]; do
	case $1 in
	-f) out=$2; shift ;;
	--kver) kver=$2; shift ;;
	--tmpdir | --add) shift ;;
	esac
	shift
done
echo "dracut: making $out for $kver"
pad() { n=$((($1 + 3) / 4 * 4 - $1)); while [ $n -gt 0 ]; do printf '\0'; n=$((n - 1)); done; }
entry() { # mode, size, name
	printf '070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\0' 0 "$1" 0 0 1 0 "$2" 0 0 0 0 $((${#3} + 1)) 0 "$3"
	pad $((110 + ${#3} + 1))
}
file() {
	size=$(stat -L -c %s "/$1")
	entry 33188 "$size" "$1"
	cat "/$1"
	pad "$size"
}
{
	for name in etc/dracut.conf usr/lib/os-release etc/passwd usr/lib/modules/$kver/modules.dep $(cd / && echo usr/lib/dracut/modules.d/*/*); do
		file "$name"
	done
	entry 0 0 'TRAILER!!!'
} >"$out"
`

// tinySystemctl knows preset-all: the first preset that names a unit decides.
const tinySystemctl = `#!/bin/sh
set -eu
[ "${1:-}" = preset-all ] || { echo "systemctl: $*: not in this world" >&2; exit 1; }
wants=/etc/systemd/system/multi-user.target.wants
mkdir -p $wants
for unit in /usr/lib/systemd/system/*.service; do
	name=${unit##*/}
	verdict=$(cat $(ls /usr/lib/systemd/system-preset/*.preset | sort) | while read verb pattern; do
		case $name in $pattern) echo "$verb"; break ;; esac
	done)
	case $verdict in
	disable) rm -f "$wants/$name" ;;
	*) ln -sf "$unit" "$wants/$name" ;;
	esac
done
`

// tinySysusers makes the accounts of sysusers.d whose lines have ids.
const tinySysusers = `#!/bin/sh
set -eu
cat /usr/lib/sysusers.d/*.conf | while read kind name id rest; do
	gid=${id#*:} id=${id%%:*}
	case $kind in
	g | u)
		grep -q "^$name:" /etc/group || echo "$name:x:$gid:" >>/etc/group
		grep -q "^$name:" /etc/gshadow || echo "$name:!*::" >>/etc/gshadow ;;
	esac
	[ "$kind" = u ] || continue
	grep -q "^$name:" /etc/passwd || echo "$name:x:$id:$gid::/:/bin/false" >>/etc/passwd
	grep -q "^$name:" /etc/shadow || echo "$name:!*:19000::::::" >>/etc/shadow
done
`

// tinyGrub is the host's GRUB as a package: grub-mkimage, its libraries, and the
// modules that an image needs.
func tinyGrub(t testing.TB) tinyPackage {
	t.Helper()
	p := tinyPackage{Name: "tiny-grub", Version: "1", Requires: []string{"tiny-base"}, Files: map[string]tinyFile{}}
	program := which(t, "grub-mkimage")
	p.copy(t, program, "/usr/bin/grub-mkimage")
	out, err := exec.CommandContext(t.Context(), "ldd", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	for word := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(word, "/") {
			p.copy(t, word, merged(word))
		}
	}
	for _, platform := range []string{"i386-pc", "x86_64-efi"} {
		p.grubModules(t, filepath.Join("/usr/lib/grub", platform))
	}
	return p
}

// grubModules adds the modules that builder/disk names and those that they need.
func (p tinyPackage) grubModules(t testing.TB, dir string) {
	t.Helper()
	deps := map[string][]string{}
	list, err := os.ReadFile(filepath.Join(dir, "moddep.lst"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		name, rest, _ := strings.Cut(line, ":")
		deps[name] = strings.Fields(rest)
	}
	todo := strings.Fields("part_gpt ext2 fat diskfilter mdraid1x normal search search_label search_fs_uuid configfile loadenv test true echo " +
		"regexp sleep serial terminal password_pbkdf2 minicmd ls cat boot reboot halt probe relocator video mmap all_video linux " +
		"biosdisk vbe vga efi_gop efi_uga iso9660")
	done := map[string]bool{}
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if _, here := deps[name]; done[name] || !here && name != "kernel" {
			if _, err := os.Stat(filepath.Join(dir, name+".mod")); done[name] || err != nil {
				continue
			}
		}
		done[name] = true
		p.copy(t, filepath.Join(dir, name+".mod"), path.Join(dir, name+".mod"))
		todo = append(todo, deps[name]...)
	}
	for _, name := range []string{"kernel.img", "boot.img", "diskboot.img", "lzma_decompress.img", "moddep.lst", "modinfo.sh"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			p.copy(t, filepath.Join(dir, name), path.Join(dir, name))
		}
	}
}

// copy adds a file of the host.
func (p tinyPackage) copy(t testing.TB, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	p.Files[to] = tinyFile{Mode: 0o755, Content: string(data)}
}

// which finds a program of the host that the tests need.
func which(t testing.TB, program string) string {
	t.Helper()
	found, err := exec.LookPath(program)
	if err != nil {
		if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return found
}

// TestE2ETiny is the tiny pool's own test: a build of it is whole, says nothing
// when repeated, and gives the same commit in another place.
func TestE2ETiny(t *testing.T) {
	n := nosa{t: t, dir: tinyWorkspace(t)}
	n.run(0, "build", "--version", "1.1", "ostree")
	if out := n.run(0, "build", "--version", "1.1", "ostree"); !strings.Contains(out, "nothing has changed") {
		t.Errorf("a second build:\n%s", out)
	}
	want := n.meta("latest").Commit
	listing := shell(t, n.dir, "ostree --repo=cache/repo ls -R "+want)
	for _, entry := range []string{
		"/usr/lib/modules/" + tinyKernel + "/initramfs.img", "/usr/etc/tiny-post.conf", "/usr/etc/tiny.conf", "/usr/share/tiny/made",
		"/usr/etc/systemd/system/multi-user.target.wants/tiny.service",
	} {
		if !strings.Contains(listing, entry) {
			t.Errorf("the commit has no %s:\n%s", entry, listing)
		}
	}
	second := nosa{t: t, dir: tinyWorkspace(t)}
	second.run(0, "build", "--version", "1.1", "ostree")
	if got := second.meta("latest").Commit; got != want {
		t.Errorf("in another place the commit is %s, want %s", got, want)
	}
	third := tiny{Images: true}.workspace(t)
	third.run(0, "build", "--version", "1.1", "qemu", "metal")
	shell(t, third.dir+"/builds/latest/x86_64", "qemu-img check -q *-qemu.*.qcow2 && sfdisk --verify -q *-metal.*.raw")
}
