package assets_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/assets"
)

// manager stands for a package manager and what else changes the system: it writes down its arguments, and says of
// no package that it is there. dnf refuses what has a package that openEuler may lack.
const manager = `#!/bin/sh
name=${0##*/}
[ "$name" = rpm ] || [ "$name" = dpkg-query ] || echo "$name $*" >>/calls/calls
case "$name $*" in
"dnf "*edk2-ovmf*) exit 1 ;;
esac
`

// base is a base image as far as the scripts look at it: run gives what its package manager was asked.
type base struct {
	t    *testing.T
	etc  string
	here string // where the scripts lie
}

func newBase(t *testing.T, release string) base {
	t.Helper()
	need(t, "bwrap")
	b := base{t: t, etc: t.TempDir(), here: t.TempDir()}
	image := assets.Image()
	for to, from := range map[string]string{"prepare.sh": "container/prepare.sh", "deps/install.sh": "deps/install.sh", "deps/debian.txt": "deps/debian.txt", "deps/openeuler.txt": "deps/openeuler.txt"} {
		text, err := fs.ReadFile(image, from)
		if err != nil {
			t.Fatal(err)
		}
		b.file(filepath.Join(b.here, to), string(text))
	}
	b.file(filepath.Join(b.etc, "os-release"), release)
	return b
}

func (b base) file(path, text string) {
	b.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		b.t.Fatal(err)
	}
}

// run runs a script with the base's /etc, and nothing that it could spoil.
func (b base) run(env []string, script ...string) (calls []string, output string, err error) {
	b.t.Helper()
	bin, dir := b.t.TempDir(), b.t.TempDir()
	for _, name := range []string{"dnf", "rpm", "apt-get", "dpkg-query", "update-ca-trust", "update-ca-certificates"} {
		if strings.HasPrefix(name, "update-ca-") && name != b.trust() {
			continue
		}
		b.file(filepath.Join(bin, name), manager)
	}
	args := []string{
		"--unshare-user", "--uid", "0", "--gid", "0", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
		"--dev", "/dev", "--tmpfs", "/usr/local", "--tmpfs", "/usr/share", "--tmpfs", "/var", "--bind", b.etc, "/etc", "--ro-bind", b.here, "/image", "--ro-bind", bin, "/fake", "--bind", dir, "/calls",
		"--setenv", "PATH", "/fake:/usr/bin", "/bin/sh",
	}
	args = append(args, script...)
	cmd := exec.CommandContext(b.t.Context(), "bwrap", args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	out, err := cmd.CombinedOutput()
	if text, readErr := os.ReadFile(filepath.Join(dir, "calls")); readErr == nil {
		calls = strings.Split(strings.TrimSpace(string(text)), "\n")
	}
	return calls, string(out), err
}

func (b base) trust() string {
	if _, err := os.Stat(filepath.Join(b.etc, "apt")); err == nil {
		return "update-ca-certificates"
	}
	return "update-ca-trust"
}

// names are the files of a directory of the base.
func (b base) names(dir string) []string {
	entries, err := os.ReadDir(filepath.Join(b.etc, dir))
	if err != nil {
		return nil
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func (b base) text(name string) string {
	data, err := os.ReadFile(filepath.Join(b.etc, name))
	if err != nil {
		return err.Error()
	}
	return string(data)
}

const openEuler = "ID=\"openEuler\"\nVERSION_ID=\"24.03\"\n"

// On openEuler: certificates first, own repositories only, and a package that is not to be had costs no more than itself.
func TestPrepareOpenEuler(t *testing.T) {
	b := newBase(t, openEuler)
	b.file(filepath.Join(b.etc, "yum.repos.d/openEuler.repo"), "[OS]\n")
	b.file(filepath.Join(b.etc, "pki/rpm-gpg/RPM-GPG-KEY-openEuler"), "key")
	b.file(filepath.Join(b.etc, "bashrc"), "a=1\nexport TMOUT=300\n")
	b.file(filepath.Join(b.here, "ca/corp.crt"), "certificate")
	calls, out, err := b.run([]string{"REPO_URL=http://m/OS http://m/update"}, "/image/prepare.sh")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if calls[0] != "update-ca-trust " || b.text("pki/ca-trust/source/anchors/corp.crt") != "certificate" {
		t.Errorf("certificates: %q", calls[0])
	}
	want := "[nosa-1]\nname=http://m/OS\nbaseurl=http://m/OS\nenabled=1\ngpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-openEuler\n" +
		"[nosa-2]\nname=http://m/update\nbaseurl=http://m/update\nenabled=1\ngpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-openEuler\n"
	if diff := cmp.Diff(want, b.text("yum.repos.d/nosa.repo")); diff != "" || len(b.names("yum.repos.d")) != 1 {
		t.Errorf("%q %s", b.names("yum.repos.d"), diff)
	}
	const install = "dnf --setopt=tsflags=nodocs -q -y --setopt=install_weak_deps=False install "
	for _, call := range []string{install + "tmux", install + "xorriso", install + "rpm-ostree", "dnf -q clean all"} {
		if !slices.Contains(calls, call) {
			t.Errorf("no %q in %q", call, calls)
		}
	}
	if !strings.Contains(out, "not available here: edk2-ovmf") || !strings.Contains(calls[2], " ostree ") || strings.Contains(calls[2], "tmux") {
		t.Errorf("what must be there is the second try: %q\n%s", calls[:3], out)
	}
	if diff := cmp.Diff("a=1\n", b.text("bashrc")); diff != "" {
		t.Error(diff)
	}
}

// On Debian: the files of apt, in one go, and nothing of the tests' or of those that make images.
func TestPrepareDebian(t *testing.T) {
	b := newBase(t, "ID=debian\nVERSION_CODENAME=bookworm\n")
	b.file(filepath.Join(b.etc, "apt/sources.list.d/debian.sources"), "Types: deb\n")
	b.file(filepath.Join(b.here, "repos/own.list"), "deb http://m bookworm main\n")
	calls, out, err := b.run(nil, "/image/prepare.sh")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if diff := cmp.Diff([]string{"own.list"}, b.names("apt/sources.list.d")); diff != "" {
		t.Error(diff)
	}
	if len(calls) != 3 || !strings.Contains(calls[0], " update") || calls[2] != "apt-get clean" {
		t.Fatalf("%q", calls)
	}
	for word, want := range map[string]bool{"ostree": true, "tmux": true, "ipxe-qemu": true, "make": false, "podman": false, "mmdebstrap": false} {
		if strings.Contains(calls[1]+" ", " "+word+" ") != want {
			t.Errorf("%s is installed: want %v: %s", word, want, calls[1])
		}
	}
}

// Repositories for the other package manager would silently do nothing.
func TestPrepareWrongRepos(t *testing.T) {
	b := newBase(t, openEuler)
	b.file(filepath.Join(b.here, "repos/own.list"), "deb http://m bookworm main\n")
	calls, out, err := b.run(nil, "/image/prepare.sh")
	if err == nil || !strings.Contains(out, "error: own.list is not for this base: want .repo files for dnf") || calls != nil {
		t.Errorf("%v, %q: %s", err, calls, out)
	}
}

// What each word of install.sh asks for.
func TestInstallList(t *testing.T) {
	b := newBase(t, "ID=debian\n")
	b.file(filepath.Join(b.etc, "apt/x"), "")
	for _, tc := range []struct {
		words    []string
		with, no string
	}{
		{nil, "ostree", "podman"},
		{[]string{"--image"}, "mmdebstrap", "tmux"},
		{[]string{"--test"}, "tmux", "vim-tiny"},
		{[]string{"--inside"}, "vim-tiny", "mmdebstrap"},
	} {
		_, out, err := b.run(nil, append([]string{"/image/deps/install.sh", "--list"}, tc.words...)...)
		got := strings.Fields(out)
		if err != nil || !slices.Contains(got, tc.with) || slices.Contains(got, tc.no) || !slices.Contains(got, "git") {
			t.Errorf("%q: %v, want %s and no %s: %q", tc.words, err, tc.with, tc.no, got)
		}
	}
}

// The digest is of what decides which programs there are, and of nothing else.
func TestImageDigest(t *testing.T) {
	got, err := assets.ImageDigest()
	again, _ := assets.ImageDigest()
	if err != nil || len(got) != 64 || got != again {
		t.Errorf("%q, %q, %v", got, again, err)
	}
}
