package tree

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/proc"
)

func installed() map[string]string {
	return map[string]string{
		"etc/passwd": testPasswd, "etc/group": testGroup, "etc/passwd-": "old", "etc/machine-id": "0123\n", "etc/.pwd.lock": "",
		"usr/lib/x": "", "lib": "-> usr/lib", "boot/": "", "var/lib/": "", "tmp/left": "", "dev/null": "file", "proc/": "", "sys/": "",
		"root/.bashrc": "", "root/secret": "", "home/": "", "srv/www/index": "", "cache/host/path": "", "opt/vendor/bin/tool": "",
		"usr/local/share/doc": "", "run/lock/x": "",
	}
}

func TestLayout(t *testing.T) {
	need(t)
	tr, log := newTree(t, installed())
	if err := tr.Layout(t.Context(), LayoutOptions{TmpIsDir: true}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"/ 0755", "boot/ 0755", "dev/ 0755", "home -> var/home", "lib -> usr/lib", "media -> run/media", "mnt -> var/mnt",
		"opt -> var/opt", "ostree -> sysroot/ostree", "proc/ 0755", "root -> var/roothome", "run/ 0755", "run/lock/ 0755", `run/lock/x 0644 ""`,
		"srv -> var/srv", "sys/ 0755", "sysroot/ 0755", "tmp/ 1777",
		"usr/ 0755", "usr/etc/ 0755", `usr/etc/group 0644 "G"`, `usr/etc/machine-id 0444 ""`, `usr/etc/passwd 0644 "P"`,
		"usr/lib/ 0755", "usr/lib/opt/ 0755", "usr/lib/opt/vendor/ 0755", "usr/lib/opt/vendor/bin/ 0755", `usr/lib/opt/vendor/bin/tool 0644 ""`,
		`usr/lib/x 0644 ""`, "usr/local -> ../var/usrlocal", "var/ 0755", "var/lib/ 0755",
	}
	got := list(t, tr.Root)
	for i, line := range got {
		for name, short := range map[string]string{"usr/etc/group": "G", "usr/etc/passwd": "P"} {
			if strings.HasPrefix(line, name+" ") {
				got[i] = name + ` 0644 "` + short + `"`
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	warnings := []string{
		"warning: 1 files are outside of what a commit keeps and dropped: /usr/local (1); the first is /usr/local/share/doc",
		"warning: 3 files are outside of what a commit keeps and dropped: /cache (1), /root (1), /srv (1); the first is /cache/host/path",
	}
	if diff := cmp.Diff(warnings, log.said); diff != "" {
		t.Error(diff)
	}
	if err := tr.Layout(t.Context(), LayoutOptions{TmpIsDir: true}); err != nil {
		t.Fatalf("again: %v", err)
	}
	if diff := cmp.Diff(len(got), len(list(t, tr.Root))); diff != "" {
		t.Error("a second run changed something")
	}
}

func TestLayoutMergesEtc(t *testing.T) {
	need(t)
	files := map[string]string{
		"etc/passwd": testPasswd, "etc/group": testGroup, "etc/npmrc": "N", "etc/d/a": "A",
		"usr/etc/npmrc": "-> /etc/npmrc", "usr/etc/group": "-> ../../etc/group", "usr/etc/d/b": "B", "usr/etc/new/c": "C",
	}
	tr, _ := newTree(t, files)
	if err := tr.Layout(t.Context(), LayoutOptions{NoMachineID: true}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"usr/etc/ 0755", "usr/etc/d/ 0755", `usr/etc/d/a 0644 "A"`, `usr/etc/d/b 0644 "B"`, `usr/etc/group 0644 "G"`,
		"usr/etc/new/ 0755", `usr/etc/new/c 0644 "C"`, `usr/etc/npmrc 0644 "N"`, `usr/etc/passwd 0644 "P"`,
	}
	got := list(t, tr.Root, "usr/etc")
	for i, line := range got {
		for name, short := range map[string]string{"usr/etc/group": "G", "usr/etc/passwd": "P"} {
			if strings.HasPrefix(line, name+" ") {
				got[i] = name + ` 0644 "` + short + `"`
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLayoutKinds(t *testing.T) {
	need(t)
	for _, tt := range []struct {
		name string
		more map[string]string
		in   LayoutOptions
		want []string // of opt, usr/local, tmp and home
		// tmpfiles is which drop-in makes what /opt and /usr/local lead to
		tmpfiles string
		fails    string
	}{
		{name: "root", in: LayoutOptions{OptUsrLocal: InRoot, TmpIsDir: true}, want: []string{"opt/ 0755", "usr/local/ 0755", "tmp/ 1777", "home -> var/home"}, tmpfiles: "opt-usrlocal"},
		{name: "state-overlay", in: LayoutOptions{OptUsrLocal: StateOverlay}, want: []string{"opt -> usr/lib/opt", "usr/local/ 0755", "tmp -> sysroot/tmp", "home -> var/home"}, tmpfiles: "opt-usrlocal-compat"},
		{
			name: "transient", more: map[string]string{"usr/lib/ostree/prepare-root.conf": "[root]\ntransient = true\n"},
			in: LayoutOptions{TmpIsDir: true}, want: []string{"opt/ 0755", "usr/local/ 0755", "tmp/ 1777", "home/ 0755"}, tmpfiles: "opt-usrlocal",
		},
		{
			name: "transient without tmp", more: map[string]string{"etc/ostree/prepare-root.conf": "[root]\ntransient=true\n"},
			fails: "tmp-is-dir",
		},
		{name: "both etc", more: map[string]string{"usr/etc/passwd": "Q"}, fails: "both /usr/etc/passwd and /etc/passwd"},
		{name: "unknown", in: LayoutOptions{OptUsrLocal: "x"}, fails: "want var, root or state-overlay"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := installed()
			maps.Copy(files, tt.more)
			tr, _ := newTree(t, files)
			err := tr.Layout(t.Context(), tt.in)
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("got %v, want %q", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, name := range []string{"opt", "usr/local", "tmp", "home"} {
				got = append(got, list(t, tr.Root, name)[0])
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if err := tr.Var(t.Context()); err != nil {
				t.Fatal(err)
			}
			drops, _ := filepath.Glob(filepath.Join(tr.Root, "usr/lib/tmpfiles.d/rpm-ostree-0-integration-*.conf"))
			if len(drops) != 1 || filepath.Base(drops[0]) != "rpm-ostree-0-integration-"+tt.tmpfiles+".conf" {
				t.Errorf("drop-ins %v, want that of %s", drops, tt.tmpfiles)
			}
		})
	}
}

// TestVar lets systemd-tmpfiles make what the lines say.
func TestVar(t *testing.T) {
	need(t, "systemd-tmpfiles")
	tr, log := newTree(t, map[string]string{
		"usr/etc/passwd": testPasswd, "usr/etc/group": testGroup, "opt": "-> var/opt", "usr/local": "-> ../var/usrlocal", "usr/lib/opt/vendor/x": "",
		"usr/lib/tmpfiles.d/var.conf": "# c\nd /var/log 0755 - - -\n",
		"var/log/app/":                "", "var/lib/app/deep/": "", "var/lib/app/data": "x", "var/lib/app/more": "x", "var/cache/odd name%/": "",
		"var/run": "-> ../run", "var/lib/link": "-> ../elsewhere", "var/lib/nfs/state": "", "var/cache/dnf/x": "", "var/tmp/x": "", "var/mail/": "",
		"var/lib/alternatives/vi": "", "var/lib/rpm": "-> ../../usr/share/rpm", "run/left": "", "var/log/dnf.log": "",
	})
	for name, id := range map[string][2]int{"var/lib/app": {1000, 1000}, "var/mail": {0, 10}} {
		if err := os.Chown(filepath.Join(tr.Root, name), id[0], id[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(tr.Root, "var/mail"), 0o775|os.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	if err := tr.Var(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(tr.Root, "usr/lib/tmpfiles.d/rpm-ostree-autovar.conf"))
	if err != nil {
		t.Fatal(err)
	}
	want := `# Directories and links that packages have below /var and /run.
d /var/cache 0755 root root - -
d "/var/cache/odd name%%" 0755 root root - -
d /var/lib 0755 root root - -
L /var/lib/alternatives - - - - ../../usr/lib/alternatives
d /var/lib/app 0755 core core - -
d /var/lib/app/deep 0755 root root - -
L /var/lib/link - - - - ../elsewhere
d /var/lib/nfs 0755 root root - -
f /var/lib/nfs/state 0644 root root - -
d /var/log/app 0755 root root - -
d /var/mail 2775 root wheel - -
L /var/opt/vendor - - - - ../../usr/lib/opt/vendor
`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"warning: 2 files below /var are not part of a commit and dropped: no package (2); the first is /var/lib/app/data"}, log.said); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"var/ 0755", "run/ 0755"}, list(t, tr.Root, "var", "run")); diff != "" {
		t.Error(diff)
	}
	// A system that boots: its own /etc, and the lines of the tree.
	for _, link := range [][2]string{{"usr/etc", "etc"}, {"run/media", "media"}} {
		if err := os.Symlink(link[0], filepath.Join(tr.Root, link[1])); err != nil {
			t.Fatal(err)
		}
	}
	said := run(t, proc.Cmd{Args: []string{"systemd-tmpfiles", "--create", "--root=" + tr.Root}})
	if len(said) > 0 {
		t.Errorf("systemd-tmpfiles: %s", strings.Join(said, "\n"))
	}
	for name, line := range map[string]string{
		"var/cache/odd name%": "var/cache/odd name%/ 0755", "var/mail": "var/mail/ 2775", "var/roothome": "var/roothome/ 0700",
		"var/usrlocal/bin": "var/usrlocal/bin/ 0755", "var/opt/vendor": "var/opt/vendor -> ../../usr/lib/opt/vendor",
		"var/lib/nfs/state": `var/lib/nfs/state 0644 ""`, "var/lib/rpm": "var/lib/rpm -> ../../usr/share/rpm",
	} {
		if diff := cmp.Diff(line, list(t, tr.Root, name)[0]); diff != "" {
			t.Error(diff)
		}
	}
}

func TestVarUnknownOwner(t *testing.T) {
	need(t)
	tr, _ := newTree(t, map[string]string{"usr/etc/passwd": testPasswd, "usr/etc/group": testGroup, "var/lib/app/": ""})
	if err := os.Chown(filepath.Join(tr.Root, "var/lib/app"), 4711, 0); err != nil {
		t.Fatal(err)
	}
	err := tr.Var(t.Context())
	if err == nil || err.Error() != "/var/lib/app belongs to uid 4711, which the tree has no user for" {
		t.Errorf("got %v", err)
	}
}

func TestSeal(t *testing.T) {
	need(t)
	tr, log := newTree(t, map[string]string{
		"usr/share/rpm/rpmdb.sqlite": "db", "usr/share/rpm/.rpm.lock": "", "usr/lib/x" + tempSuffix: "", "usr/etc/passwd-": "", "usr/lib/dir/": "",
	})
	if err := syscall.Mkfifo(filepath.Join(tr.Root, "usr/lib/pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(tr.Root, "usr/lib/dir"), 0o555); err != nil {
		t.Fatal(err)
	}
	if err := tr.Seal(t.Context(), SealOptions{}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"/ 0755", "usr/ 0755", "usr/etc/ 0755", "usr/lib/ 0755", "usr/lib/dir/ 0755", "usr/lib/sysimage/ 0755",
		"usr/lib/sysimage/rpm-ostree-base-db/ 0755", `usr/lib/sysimage/rpm-ostree-base-db/rpmdb.sqlite 0644 "db"`,
		"usr/share/ 0755", "usr/share/rpm/ 0755", `usr/share/rpm/rpmdb.sqlite 0644 "db"`,
	}
	if diff := cmp.Diff(want, list(t, tr.Root)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"warning: 1 devices, pipes and sockets dropped: p--------- (1); the first is /usr/lib/pipe"}, log.said); diff != "" {
		t.Error(diff)
	}
}

// ignore-devices: false. A build in a user namespace cannot have devices in its tree; one of the real
// root, for an xfs image, can.
func TestSealRefusesDevices(t *testing.T) {
	need(t)
	tr, _ := newTree(t, map[string]string{"usr/share/rpm/rpmdb.sqlite": "db"})
	name := filepath.Join(tr.Root, "usr/lib-null")
	if err := syscall.Mknod(name, syscall.S_IFCHR|0o666, 1<<8|3); err != nil {
		t.Skip("no devices can be made here: ", err)
	}
	err := tr.Seal(t.Context(), SealOptions{RefuseDevices: true})
	if err == nil || err.Error() != "/usr/lib-null is a device, and ignore-devices is false" {
		t.Errorf("got %v", err)
	}
	if err := tr.Seal(t.Context(), SealOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(name); err == nil {
		t.Error("the device is still there")
	}
}
