package ostree

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// need skips a test without the programs and, where they decide, without root.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
			t.Fatalf("%s is missing", p)
		}
		t.Skipf("%s is missing", p)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: owners of files are compared")
	}
}

// ostree runs the real ostree and gives its output.
func ostree(t *testing.T, args ...string) string {
	t.Helper()
	return tool(t, append([]string{"ostree"}, args...)...)
}

func tool(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return string(out)
}

// file is one path of a test tree: a directory if content and target are empty and mode has the
// bit, a symbolic link with target, else a regular file.
type file struct {
	path    string
	mode    uint32
	content string
	target  string
	uid     int
	caps    bool
}

// writeTree makes files in a new directory.
func writeTree(t *testing.T, files []file) string {
	t.Helper()
	root := t.TempDir()
	for _, f := range files {
		name := filepath.Join(root, f.path)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case f.target != "":
			err = os.Symlink(f.target, name)
		case f.mode&unix.S_IFMT == unix.S_IFDIR:
			err = os.MkdirAll(name, 0o755)
		default:
			err = os.WriteFile(name, []byte(f.content), 0o644)
		}
		if err == nil && f.uid != 0 && os.Getuid() == 0 {
			err = os.Lchown(name, f.uid, f.uid+1)
		}
		if err == nil && f.target == "" && f.mode != 0 {
			err = unix.Chmod(name, f.mode&^unix.S_IFMT)
		}
		if err == nil && f.caps && os.Getuid() == 0 {
			err = unix.Setxattr(name, "security.capability", pingCaps(), 0)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// pingCaps is cap_net_raw=ep as a version 2 capability attribute (capability.h).
func pingCaps() []byte {
	return []byte{1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
}

// sampleOS is a small operating system with everything that is hard to carry.
func sampleOS(t *testing.T) string {
	t.Helper()
	const dir = unix.S_IFDIR
	return writeTree(t, []file{
		{path: "usr/bin/hello", mode: 0o755, content: "hello\n"},
		{path: "usr/bin/hello2", mode: 0o755, content: "hello\n"},
		{path: "usr/bin/su", mode: 0o4755, content: "setuid\n"},
		{path: "usr/bin/agent", mode: 0o2755, content: "setgid\n", uid: 77},
		{path: "usr/bin/ping", mode: 0o755, content: "ping\n", caps: true},
		{path: "usr/share/empty", mode: 0o644},
		{path: "usr/share/empty2", mode: 0o600, uid: 3},
		{path: "usr/share/with space/ünï \"quoted\" cödé", content: "x\n"},
		{path: "usr/share/back\\slash", content: "y\n"},
		{path: "usr/share/a link", target: "target with space"},
		{path: "usr/share/sticky", mode: dir | 0o1777},
		{path: "usr/share/owned", mode: dir | 0o2750, uid: 5},
		{path: "usr/etc/foo/secret", mode: 0o600, content: "a\n", uid: 7},
		{path: "usr/etc/empty"},
		{path: "usr/etc/baz", target: "foo/secret"},
		{path: "usr/etc/os-release", target: "../usr/lib/os-release"},
		{path: "usr/lib/os-release", content: "NAME=NestOS\nID=nestos\n# PRETTY_NAME=no\nPRETTY_NAME=\"NestOS \\\"42\\\"\"\n"},
		{path: "usr/lib/modules/6.1.0-test/vmlinuz", content: "kernel"},
		{path: "usr/lib/modules/6.1.0-test/initramfs.img", content: "initramfs"},
		{path: "usr/lib/modules/6.1.0-test/.vmlinuz.hmac", content: "hmac"},
		{path: "usr/lib/modules/6.1.0-test/dtb/b.dtb", content: "b"},
		{path: "usr/lib/modules/6.1.0-test/dtb/a/x.dtb", content: "ax"},
		{path: "usr/lib/modules/6.1.0-test/dtb/a.dtb", content: "a"},
		{path: "bin", target: "usr/bin"},
		{path: "ostree", target: "sysroot/ostree"},
		{path: "tmp", mode: dir | 0o1777},
		{path: "var", mode: dir | 0o755},
		{path: "boot", mode: dir | 0o755},
		{path: "sysroot", mode: dir | 0o755},
	})
}
