//go:build e2e

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"
)

// TestFullRealScriptlets composes systems whose packages have the headers of
// real ones: names, dependencies, file lists, owners, capabilities, scriptlets
// and triggers of Fedora 35 and CentOS 8, from rpmdbs that a Go module has as
// its test data. Files are empty but for programs: those that scriptlets need
// are Debian's, all others are stand-ins that record how they were called.
func TestFullRealScriptlets(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: a build gives files to other users")
	}
	data := rpmdbs(t)
	pool := nosa{t: t, dir: filepath.Join(scratch(t), "ws")}
	pool.run(0, "init", "--sample")
	pool.run(0, "pool", "create")
	set := skeletonSet{data: data, programs: unpackPool(t, filepath.Join(pool.dir, "pool", "repo"))}
	for _, s := range missingPrograms() {
		set.programs.put(s, rpmpack.RPMFile{Mode: 0o100755, Body: []byte(standIn)})
	}
	set.programs.put("/usr/sbin/selinuxenabled", rpmpack.RPMFile{Mode: 0o100755, Body: []byte("#!/bin/sh\nexit 1\n")})
	set.programs.put(filepath.Dir(standInCalls), rpmpack.RPMFile{Mode: 0o040755})
	host := hostState(t)
	swappiness := shell(t, "/", "cat /proc/sys/vm/swappiness")
	t.Cleanup(func() { _ = os.WriteFile("/proc/sys/vm/swappiness", []byte(swappiness), 0o644) })
	t.Run("fedora 35", func(t *testing.T) { fedora35(t, set) })
	t.Run("centos 8", func(t *testing.T) { centos8(t, set) })
	t.Run("triggers are refused", func(t *testing.T) { refusedTriggers(t, set) })
	if after := hostState(t); after != host {
		t.Errorf("the host has changed:\nbefore %s\nafter  %s", host, after)
	}
}

// rpmdbs gives the directory of the databases.
func rpmdbs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module rpmdbs\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "github.com/knqyf263/go-rpmdb@v0.1.1")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOFLAGS=-mod=mod")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(module.Dir, "pkg", "testdata")
}

// missingPrograms are called by scriptlets and in no package of the sets.
func missingPrograms() []string {
	return []string{
		"/usr/bin/newaliases", "/usr/bin/mkfontdir", "/usr/sbin/restorecon", "/usr/lib/systemd/systemd-update-helper",
		"/usr/sbin/iconvconfig",
	}
}

// skeletonSet makes workspaces of skeleton packages.
type skeletonSet struct {
	data     string // directory of rpmdbs
	programs *programs
}

// headers reads a database, from a copy: rpm writes beside it.
func (s skeletonSet) headers(t *testing.T, name string) []header {
	t.Helper()
	dir := t.TempDir()
	shell(t, dir, "cp "+filepath.Join(s.data, name)+"/* . && chmod u+w *")
	return installed(t, dir)
}

// workspace makes a workspace whose manifest asks for all the packages.
func (s skeletonSet) workspace(t *testing.T, all []header) nosa {
	t.Helper()
	base := scratch(t)
	repo, config := filepath.Join(base, "repo"), filepath.Join(base, "config")
	for _, dir := range []string{repo, config} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	k := skeletons{bodies: fileBodies(), taken: map[string]bool{}, offered: map[string]bool{}, dropped: unneeded()}
	for name := range s.programs.files {
		k.taken[name], k.offered[name] = true, true
	}
	k.offer(all)
	all = append(slices.Clone(all), kernelPackage())
	for _, h := range all {
		if err := k.write(h, repo); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.programs.write(repo); err != nil {
		t.Fatal(err)
	}
	shell(t, repo, "createrepo_c --quiet .")
	names := []string{programsPackage}
	for _, h := range all {
		names = append(names, h.one("Name"))
	}
	slices.Sort(names)
	for name, text := range map[string]string{
		"manifest.yaml": "ref: skeleton/x86_64\nrepos: [skeleton]\nselinux: false\nrecommends: false\nno-initramfs: true\nboot-location: modules\n" +
			"rojig: {name: skeleton, summary: skeleton, license: none}\nreleasever: \"35\"\n" +
			"packages:\n  - " + strings.Join(slices.Compact(names), "\n  - ") + "\n",
		"image.yaml":     "size: 4\nrootfs: ext4\nbootfs: ext4\n",
		"platforms.yaml": "x86_64: {}\n",
		"skeleton.repo":  "[skeleton]\nname=skeleton\nbaseurl=file://" + repo + "\nenabled=1\ngpgcheck=0\n",
	} {
		if err := os.WriteFile(filepath.Join(config, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	shell(t, config, "git init -q && git add -A && git -c user.name=t -c user.email=t@t commit -qm skeleton")
	n := nosa{t: t, dir: filepath.Join(base, "ws")}
	n.run(0, "init", config)
	n.run(0, "fetch")
	count := map[string]int{}
	for _, h := range all {
		h.interpreters(count)
	}
	t.Logf("%d packages, which have:", len(all))
	for _, what := range slices.Sorted(maps.Keys(count)) {
		t.Logf("%d %s", count[what], what)
	}
	return n
}

// kernelPackage has the scriptlet of a kernel as Fedora's kernel.spec writes it; no database has one.
func kernelPackage() header {
	const version = "5.14.10-300.fc35.x86_64"
	h := plainPackage("kernel-core", "5.14.10", "300.fc35", "/usr/lib/modules/"+version+"/", "modules.builtin", "modules.order", "vmlinuz")
	h["Posttransprog"] = []string{"/bin/sh"}
	h["Posttrans"] = []string{"/bin/kernel-install add " + version + " /lib/modules/" + version + "/vmlinuz || exit $?\n"}
	return h
}

// altfilesPackage makes the compose move accounts to /usr/lib.
func altfilesPackage() header {
	return plainPackage("nss-altfiles", "2.18.1", "12.el8", "/usr/lib64/", "libnss_altfiles.so.2")
}

// plainPackage has plain files in one directory.
func plainPackage(name, version, release, dir string, files ...string) header {
	h := header{
		"Name": {name}, "Version": {version}, "Release": {release}, "Arch": {"x86_64"}, "Buildtime": {"1633600000"},
		"Summary": {name}, "License": {"none"}, "Dirnames": {dir}, "Basenames": files,
		"Providename": {name}, "Provideversion": {version + "-" + release}, "Provideflags": {"8"},
	}
	for range files {
		for tag, value := range map[string]string{
			"Dirindexes": "0", "Filemodes": "33188", "Fileflags": "0", "Filemtimes": "1633600000", "Filelinktos": "", "Fileusername": "root", "Filegroupname": "root",
		} {
			h[tag] = append(h[tag], value)
		}
	}
	return h
}

// fileBodies are the files that scriptlets or the compose read.
func fileBodies() map[string]string {
	const locked = ":*:18000:0:99999:7:::\n"
	return map[string]string{
		"/etc/passwd": "root:x:0:0:root:/root:/bin/bash\nbin:x:1:1:bin:/bin:/sbin/nologin\nmail:x:8:12:mail:/var/spool/mail:/sbin/nologin\n" +
			"nobody:x:65534:65534:Kernel Overflow User:/:/sbin/nologin\n",
		"/etc/group":   "root:x:0:\nbin:x:1:\ntty:x:5:\nlock:x:54:\nmail:x:12:\nutmp:x:22:\nnobody:x:65534:\n",
		"/etc/shadow":  "root" + locked + "bin" + locked + "mail" + locked + "nobody" + locked,
		"/etc/gshadow": "root:::\nbin:::\ntty:::\nlock:::\nmail:::\nutmp:::\nnobody:::\n",

		"/etc/login.defs":     "SYS_UID_MIN 201\nSYS_UID_MAX 999\nSYS_GID_MIN 201\nSYS_GID_MAX 999\nUSERGROUPS_ENAB yes\nCREATE_HOME yes\n",
		"/etc/nsswitch.conf":  "passwd: files\ngroup: files\nshadow: files\n",
		"/etc/selinux/config": "SELINUX=disabled\nSELINUXTYPE=targeted\n",
		// Makes what it adds to, as the scriptlets of docbook-dtds expect.
		"/usr/bin/xmlcatalog": standIn + "for arg do case $arg in /etc/sgml/*.cat) : >>\"$arg\"; : >>/etc/sgml/catalog;; esac; done\n",
		"/usr/lib/os-release": "NAME=Skeleton\nID=skeleton\nVERSION_ID=35\n",
		// What the real file sets, and something that every host has.
		"/usr/lib/sysctl.d/10-default-yama-scope.conf": "kernel.yama.ptrace_scope = 0\nvm.swappiness = " + otherSwappiness + "\n",
	}
}

// otherSwappiness is no host's setting.
const otherSwappiness = "37"

func unneeded() []string {
	return []string{
		"/usr/include/", "/usr/lib/.build-id/", "/usr/lib/python3", "/usr/lib64/python3", "/usr/lib64/perl5/", "/usr/share/doc/", "/usr/share/i18n/",
		"/usr/share/licenses/", "/usr/share/locale/", "/usr/share/man/", "/usr/share/perl5/", "/usr/share/vim/", "/usr/share/zoneinfo/", "/usr/src/",
	}
}

// hostState is what scriptlets would change if they could.
func hostState(t *testing.T) string {
	t.Helper()
	return shell(t, "/", `
		cat /proc/sys/vm/swappiness /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || :
		stat -c '%n %Y %Z %a %s' /etc /etc/passwd /etc/group /etc/shadow /etc/shells /etc/ld.so.cache /etc/nsswitch.conf /boot /usr /usr/bin /usr/sbin /usr/lib \
			/usr/share /usr/lib/systemd/system /etc/systemd/system /var/lib/rpm /var/log/lastlog /root 2>/dev/null || :
		ls -d /etc/crypto-policies /etc/alternatives/libnssckbi* /usr/lib/stand-in /run/blkid 2>/dev/null || :`)
}

// commit reads what a workspace has built.
type commit struct {
	t    *testing.T
	repo string
	rev  string
}

func (n nosa) commit(t *testing.T) commit {
	t.Helper()
	return commit{t: t, repo: filepath.Join(n.dir, "cache", "repo"), rev: n.meta("latest").Commit}
}

func (c commit) read(name string) string {
	c.t.Helper()
	return shell(c.t, c.repo, fmt.Sprintf("ostree --repo=. cat %s %s", c.rev, name))
}

func (c commit) list(args string) string {
	c.t.Helper()
	return shell(c.t, c.repo, fmt.Sprintf("ostree --repo=. ls %s %s", c.rev, args))
}

// log is what the workspace's jobs have logged.
func (n nosa) log(t *testing.T) string {
	t.Helper()
	return shell(t, n.dir, "cat tmp/jobs/*/log")
}

func contains(t *testing.T, what, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%s: no %q in\n%s", what, w, text)
		}
	}
}

// noStray looks for files where a commit has none.
func (c commit) noStray() {
	c.t.Helper()
	for _, dir := range []string{"/dev", "/run", "/proc", "/sys"} {
		if list := strings.Fields(c.list(dir)); len(list) != 5 { // its own line
			c.t.Errorf("%s is not empty: %v", dir, list)
		}
	}
	for line := range strings.SplitSeq(c.list("-R /"), "\n") {
		if strings.Contains(line, "/.nosa-") || strings.Contains(line, "run/nosa") || strings.Contains(line, ".rpmnew") {
			c.t.Errorf("stray: %s", line)
		}
	}
}

func fedora35(t *testing.T, set skeletonSet) {
	n := set.workspace(t, set.headers(t, "fedora35"))
	n.run(0, "build", "--version", "35.1", "ostree")
	c := n.commit(t)
	c.noStray()
	contains(t, "accounts of %pre", c.read("/usr/etc/passwd"), "tss:x:59:59:Account used for TPM access:/dev/null:/sbin/nologin")
	contains(t, "groups of %pre", c.read("/usr/etc/group"), "tss:x:59:")
	contains(t, "lua of bash", c.read("/usr/etc/shells"), "/bin/bash\n")
	contains(t, "lua of crypto-policies", c.read("/usr/etc/crypto-policies/config"), "DEFAULT\n")
	contains(t, "lua of crypto-policies", c.list("/usr/etc/crypto-policies/back-ends"), "openssl.config -> /usr/share/crypto-policies/DEFAULT/openssl.txt")
	contains(t, "lua of glibc", c.list("/usr/etc/ld.so.cache"), "/usr/etc/ld.so.cache")
	contains(t, "calls of stand-ins", c.read(standInCalls), "ca-legacy install\n", "update-ca-trust \n", "newaliases \n", "restorecon -r /usr/lib/debug/\n",
		"update-alternatives --install /usr/lib64/libnssckbi.so libnssckbi.so.x86_64 /usr/lib64/pkcs11/p11-kit-trust.so 30\n",
		"systemd-update-helper install-system-units dnf-makecache.timer\n",
		"gio-querymodules-64 /usr/lib64/gio/modules\n")
	contains(t, "log", n.log(t), "stand-in: ca-legacy install", "stand-in: update-alternatives --install",
		"not run: kernel-install add 5.14.10-300.fc35.x86_64 /lib/modules/5.14.10-300.fc35.x86_64/vmlinuz (%posttrans of kernel-core-5.14.10-300.fc35.x86_64)")
	// The same packages again, now with the accounts of the commit before.
	n.run(0, "build", "--version", "35.2", "--force", "ostree")
	second := n.commit(t)
	for _, name := range []string{"shadow", "gshadow"} {
		first, again := accountNames(c.read("/usr/etc/"+name)), accountNames(second.read("/usr/etc/"+name))
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("%s of a second build (-first +second):\n%s", name, diff)
		}
	}
	diff := shell(t, c.repo, "ostree --repo=. diff "+c.rev+" "+second.rev)
	if diff != "M    /usr/lib/os-release\n" {
		t.Errorf("a second build differs:\n%s", diff)
	}
}

// accountNames are the first fields.
func accountNames(text string) []string {
	var out []string
	for line := range strings.FieldsSeq(text) {
		name, _, _ := strings.Cut(line, ":")
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func centos8(t *testing.T, set skeletonSet) {
	all := append(set.headers(t, "centos8-modularitylabel"), altfilesPackage())
	refused := 0
	for _, h := range all {
		if h.triggersIn() {
			refused++
			delete(h, "Triggerscripts")
			for _, name := range []string{"scriptprog", "name", "version", "flags", "index"} {
				delete(h, "Trigger"+name)
			}
		}
	}
	t.Logf("%d packages without their %%triggerin, which no compose runs", refused)
	n := set.workspace(t, all)
	n.run(0, "build", "--version", "8.1", "ostree")
	c := n.commit(t)
	c.noStray()
	passwd := c.read("/usr/lib/passwd")
	contains(t, "accounts of %pre", passwd, "dbus:x:81:81:System message bus:/:/sbin/nologin\n", "systemd-resolve:x:193:193:", "polkitd:x:", "setroubleshoot:x:")
	contains(t, "groups of %pre", c.read("/usr/lib/group"), "stapdev:x:158:\n", "utempter:x:35:\n", "systemd-journal:x:190:")
	_, line, _ := strings.Cut(passwd, "polkitd:x:")
	uid, _, _ := strings.Cut(line, ":")
	contains(t, "owner from %pre", c.list("-d /usr/etc/polkit-1/rules.d"), "00700 "+uid+" 0 ")
	contains(t, "capabilities", c.list("-X /usr/bin/ping"), "security.capability")
	contains(t, "units of %post", c.list("-R /usr/etc/systemd/system"), "multi-user.target.wants/auditd.service -> ", "multi-user.target.wants/NetworkManager.service -> ")
	if id := c.read("/usr/etc/machine-id"); id != "" {
		t.Errorf("machine-id is %q", id)
	}
	contains(t, "calls of stand-ins", c.read(standInCalls), "alternatives --install /usr/bin/ld ld /usr/bin/ld.bfd 50\n", "update-mime-database -n /usr/share/mime\n",
		"semodule -n -s targeted -X 200 -i /usr/share/selinux/packages/container.pp.bz2\n", "udevadm hwdb --update\n", "install-info /usr/share/info/tar.info.gz /usr/share/info/dir\n")
	contains(t, "log", n.log(t), "not run: systemctl daemon-reexec (%post of systemd-239-31.el8_2.2.x86_64)",
		"not run: systemctl disable packagekit-offline-update.service (%post of PackageKit-1.1.12-4.el8.x86_64)", "not run: kernel-install add ")
}

func refusedTriggers(t *testing.T, set skeletonSet) {
	n := set.workspace(t, set.headers(t, "centos8-modularitylabel"))
	out := n.run(exitFailed, "build", "--version", "8.1", "ostree")
	contains(t, "refusal", out, "NetworkManager-1:1.22.8-5.el8_2.x86_64 has %triggerin scriptlets (on initscripts): not supported in a compose")
}
