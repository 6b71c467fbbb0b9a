package tree

import (
	"os"
	"path/filepath"
	"testing"
)

// The state of a read changes when what the program found has changed, and only then.
func TestDracutReads(t *testing.T) {
	need(t)
	files := map[string]string{
		"usr/bin/tool": "#!/bin/sh\n", "usr/lib/dracut/modules.d/50x/setup.sh": "x", "usr/etc/dracut.conf": "c", "usr/share/unread": "u",
		"bin": "-> usr/bin", "usr/lib/link": "-> ../../etc/dracut.conf", "usr/lib/os-release": "ID=x\nVERSION=1\n", "usr/etc/os-release": "-> ../usr/lib/os-release",
	}
	paths := []string{
		"/bin/tool", "/usr/lib/dracut/modules.d/", "/usr/lib/dracut/modules.d/50x/setup.sh", "/usr/lib/link", "/usr/lib/missing", "/etc/os-release",
		"/usr/lib/dracut/../link", "/tmp/x", "/tmp/../usr/lib/missing",
	}
	sum := func(root string) func(string) (string, error) {
		return func(name string) (string, error) {
			data, err := os.ReadFile(filepath.Join(root, name))
			return string(data), err
		}
	}
	look := func(change func(root string) error) []Read {
		t.Helper()
		tr, _ := newTree(t, files)
		if err := change(tr.Root); err != nil {
			t.Fatal(err)
		}
		reads, err := tr.DracutReads(paths, sum(tr.Root))
		if err != nil {
			t.Fatal(err)
		}
		return reads
	}
	before := look(func(string) error { return nil })
	if len(before) != len(paths)-1 {
		t.Fatalf("%d reads of %d paths, of which one is the sandbox's own", len(before), len(paths))
	}
	write := func(name, text string) func(string) error {
		return func(root string) error {
			name := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				return err
			}
			return os.WriteFile(name, []byte(text), 0o600)
		}
	}
	for _, c := range []struct {
		what   string
		change func(root string) error
		want   string // the first path that changed; empty is none
	}{
		{"a file that was not read", write("usr/share/unread", "other"), ""},
		{"a new file elsewhere", write("usr/share/new", "new"), ""},
		{"the version of the system", write("usr/lib/os-release", "ID=x\nVERSION=2\n"), ""},
		{"the system's name", write("usr/lib/os-release", "ID=y\nVERSION=1\n"), "/etc/os-release"},
		{"a file that was read", write("usr/lib/dracut/modules.d/50x/setup.sh", "y"), "/usr/lib/dracut/modules.d/50x/setup.sh"},
		{"a file behind a link", write("usr/etc/dracut.conf", "d"), "/usr/lib/link"},
		{"a new name in a listed directory", write("usr/lib/dracut/modules.d/60y/setup.sh", "y"), "/usr/lib/dracut/modules.d/"},
		{"what was looked for in vain", write("usr/lib/missing", ""), "/usr/lib/missing"},
		{"a mode", func(root string) error { return os.Chmod(filepath.Join(root, "usr/bin/tool"), 0o700) }, "/bin/tool"},
		{"a link on the way", func(root string) error {
			if err := os.Rename(filepath.Join(root, "usr/bin"), filepath.Join(root, "usr/sbin")); err != nil {
				return err
			}
			if err := os.Remove(filepath.Join(root, "bin")); err != nil {
				return err
			}
			return os.Symlink("usr/sbin", filepath.Join(root, "bin"))
		}, "/bin/tool"},
	} {
		after, first := look(c.change), ""
		for i := range before {
			if before[i] != after[i] && first == "" {
				first = before[i].Path
			}
		}
		if first != c.want {
			t.Errorf("%s: %q changed, want %q", c.what, first, c.want)
		}
	}
}
