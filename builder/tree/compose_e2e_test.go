//go:build e2e

package tree

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/builder/sandbox"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// TestCompose installs a root from a pool of real packages (NOSA_TEST_POOL is its repo directory),
// runs every step, commits, and does it again: the same bytes, and rpm reads the database where it
// cannot write.
func TestCompose(t *testing.T) {
	pool := os.Getenv("NOSA_TEST_POOL")
	if pool == "" {
		t.Skip("NOSA_TEST_POOL names no sample pool")
	}
	need(t, "dnf", "rpm", "ostree", "bwrap")
	base := t.TempDir()
	if keep := os.Getenv("NOSA_TEST_KEEP"); keep != "" {
		base = keep
	}
	log := &recorder{t: t}
	var trees []map[string]string
	for _, name := range []string{"one", "two"} {
		root := filepath.Join(base, name)
		installPool(t, pool, root)
		compose(t, root, log)
		trees = append(trees, digest(t, root))
	}
	if diff := cmp.Diff(trees[0], trees[1]); diff != "" {
		t.Errorf("not reproducible:\n%s", diff)
	}
	for name := range trees[0] {
		if strings.HasSuffix(name, tempSuffix) {
			t.Errorf("%s is left", name)
		}
	}
	noHostPaths(t, filepath.Join(base, "one"), base)
	commit(t, filepath.Join(base, "one"))
}

const composePackages = `filesystem linux-image-cloud-amd64 systemd systemd-sysv systemd-resolved udev dbus libpam-systemd ostree
ostree-boot dracut-core openssh-server iproute2 ca-certificates sudo bash dash coreutils util-linux kmod login passwd mount procps
rpm base-files base-passwd tar gzip xz-utils zstd cpio findutils grep sed gawk diffutils
libc-bin e2fsprogs less debianutils netbase hostname ncurses-base ncurses-bin tzdata util-linux-extra`

func installPool(t *testing.T, pool, root string, more ...string) {
	t.Helper()
	home := t.TempDir()
	conf := filepath.Join(home, "dnf.conf")
	for name, text := range map[string]string{
		conf: "[main]\nreposdir=/nonexistent\ncachedir=/var/cache/dnf\npersistdir=/var/lib/dnf\nlogdir=/var/log\nplugins=0\n" +
			"install_weak_deps=False\ntsflags=nodocs\ngpgcheck=0\nmodule_platform_id=platform:debian12\n[pool]\nname=pool\nbaseurl=file://" + pool + "\n",
		filepath.Join(home, ".rpmmacros"): "%_dbpath /usr/share/rpm\n%_db_backend sqlite\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, proc.Cmd{
		Args: append([]string{"dnf", "-y", "-q", "-c", conf, "--releasever=12", "--forcearch=x86_64", "--installroot=" + root, "install"},
			append(strings.Fields(composePackages), more...)...),
		Env: []string{"HOME=" + home, "SOURCE_DATE_EPOCH=1700000000"},
	})
}

// TestSELinux moves a real policy's store and rebuilds it with the tree's semodule.
func TestSELinux(t *testing.T) {
	pool := os.Getenv("NOSA_TEST_POOL")
	if pool == "" {
		t.Skip("NOSA_TEST_POOL names no sample pool")
	}
	need(t, "dnf", "rpm", "bwrap")
	root := filepath.Join(t.TempDir(), "root")
	installPool(t, pool, root, "selinux-policy-default", "policycoreutils")
	log := &recorder{t: t}
	tr := probed(t, Tree{Root: root, Epoch: time.Unix(1700000000, 0), Report: event.NewReporter("tree", log, log, time.Now)})
	for _, do := range []func() error{
		func() error { return tr.RPMDB(t.Context()) },
		func() error { return tr.Layout(t.Context(), LayoutOptions{TmpIsDir: true}) },
		func() error { return tr.Accounts(t.Context(), AccountOptions{}) },
		func() error { return tr.SELinux(t.Context()) },
		func() error { return tr.Var(t.Context()) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	homes, err := os.ReadFile(filepath.Join(root, "usr/etc/selinux/default/contexts/files/file_contexts.homedirs"))
	if err != nil || !strings.Contains(string(homes), "/var/home/") {
		t.Errorf("homes are not where they are: %v", err)
	}
	names, err := os.ReadDir(filepath.Join(root, "usr/etc/selinux"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range names {
		got = append(got, n.Name())
	}
	if diff := cmp.Diff([]string{"config", "default", "semanage.conf"}, got); diff != "" {
		t.Error(diff)
	}
}

// compose runs all steps in their order.
func compose(t *testing.T, root string, log *recorder) {
	t.Helper()
	support, err := sandbox.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tr := Tree{
		Root: root, Epoch: time.Unix(1700000000, 0), Proc: support.Proc,
		Report: event.NewReporter("tree", log, log, time.Now),
	}
	over := writeTree(t, map[string]string{
		"usr/bin/hello":                  "#!/bin/sh\necho hello\n",
		"usr/lib/sysusers.d/sample.conf": "u sample - \"A sample\" /var/lib/sample\n",
		"etc/sudoers.d/sample":           "sample ALL=(ALL) NOPASSWD: ALL\n",
		"statoverride":                   "# decimal\n=288 /etc/sudoers.d/sample\n",
	})
	if err := os.Chmod(filepath.Join(over, "usr/bin/hello"), 0o775); err != nil {
		t.Fatal(err)
	}
	layer, err := ReadLayer("overlay/05core", over)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	var kver string
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"remove-from-packages", func() error {
			return tr.RemoveFromPackages(ctx, []Removal{{Package: "bash", Patterns: []string{"/usr/share/locale/.*", "^/usr/etc/skel"}, Origin: "m:1"}})
		}},
		{"read-only executables", func() error { return tr.ReadOnlyExecutables(ctx) }},
		{"overlays", func() error { _, err := tr.Overlays(ctx, []Layer{layer}); return err }},
		{"sysusers", func() error { return tr.Sysusers(ctx) }},
		{"preset", func() error { return tr.Preset(ctx, nil) }},
		{"rpmdb", func() error { return tr.RPMDB(ctx) }},
		{"units", func() error { return tr.Units([]string{"sshd.service"}) }},
		{"default-target", func() error { return tr.DefaultTarget("multi-user.target") }},
		{"treefile", func() error { return tr.Treefile([]byte("{}\n")) }},
		{"os-release", func() error { return tr.OSRelease("12", "12.5") }},
		{"scripts", func() error {
			return tr.Scripts(ctx, []Script{{Title: "postprocess[0]", Text: "#!/bin/bash\nset -e\nrpm -qa | wc -l >/usr/share/count\n"}})
		}},
		{"layout", func() error { return tr.Layout(ctx, LayoutOptions{TmpIsDir: true, NoMachineID: true}) }},
		{"accounts", func() error { return tr.Accounts(ctx, AccountOptions{}) }},
		{"var", func() error { return tr.Var(ctx) }},
		{"kernel", func() (err error) { kver, err = tr.Kernel(ctx); return err }},
		{"initramfs", func() error {
			o := InitramfsOptions{KVER: kver, Args: []string{
				"--no-hostonly", "-m", "bash systemd systemd-initrd dracut-systemd rootfs-block udev-rules ostree usrmount base fs-lib shutdown",
				"--compress", "zstd -1",
			}}
			image, reads, err := tr.Dracut(ctx, o, t.TempDir())
			if err != nil {
				return err
			}
			t.Logf("dracut read %d paths", len(reads))
			return tr.PlaceInitramfs(kver, image)
		}},
		{"seal", func() error { return tr.Seal(ctx, SealOptions{}) }},
		{"check accounts", func() error { return tr.CheckAccounts(ctx, Reference{Users: []User{{Name: "daemon", UID: 1, GID: 1}}}) }},
	} {
		start := time.Now()
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		t.Logf("%-22s %v", step.name, time.Since(start).Round(time.Millisecond))
	}
}

// digest gives type, mode, owner and content of every path.
func digest(t *testing.T, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		o := ownerOf(info)
		text := fmt.Sprintf("%s %d:%d", info.Mode(), o.uid, o.gid)
		switch {
		case info.Mode().IsRegular():
			f, err := os.Open(p)
			if err != nil {
				return err
			}
			defer f.Close()
			sum := sha256.New()
			if _, err := io.Copy(sum, f); err != nil {
				return err
			}
			text += " " + hex.EncodeToString(sum.Sum(nil))
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			text += " -> " + target
		}
		all[strings.TrimPrefix(p, root)] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func noHostPaths(t *testing.T, root, base string) {
	t.Helper()
	out, err := proc.Output(t.Context(), proc.Cmd{Args: []string{"grep", "-rlF", "--", base, root}})
	if err == nil {
		t.Errorf("the path of the tree on the host is in\n%s", out)
	}
}

func commit(t *testing.T, root string) {
	t.Helper()
	repo := filepath.Join(t.TempDir(), "repo")
	run(t, proc.Cmd{Args: []string{"ostree", "init", "--repo=" + repo, "--mode=bare-user"}})
	run(t, proc.Cmd{Args: []string{"ostree", "commit", "--repo=" + repo, "--branch=x", "--no-bindings", "--timestamp=@1700000000", "--bootable", root}})
	run(t, proc.Cmd{Args: []string{"ostree", "fsck", "--repo=" + repo, "-q"}})
	t.Logf("commit %v", run(t, proc.Cmd{Args: []string{"ostree", "rev-parse", "--repo=" + repo, "x"}}))
	box := sandbox.Sandbox{Root: root, Mode: sandbox.ReadOnly}
	count := 0
	err := box.Run(t.Context(), proc.Cmd{Args: []string{"rpm", "-qa"}, Line: func(string) { count++ }})
	if err != nil || count < 50 {
		t.Errorf("rpm -qa in the read-only tree: %d packages, %v", count, err)
	}
}
