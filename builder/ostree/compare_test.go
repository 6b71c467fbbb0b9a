package ostree

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// Two commits whose files differ in one thing each.
func TestCompare(t *testing.T) {
	need(t, "ostree")
	needRoot(t)
	repo := Repo{Path: filepath.Join(t.TempDir(), "repo")}
	write := func(dir, name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	edits := map[string]func(path string) error{
		"same":              func(string) error { return nil },
		"content":           func(p string) error { return os.WriteFile(p, []byte("other"), 0o644) },
		"content of a size": func(p string) error { return os.WriteFile(p, []byte("texT"), 0o644) },
		"mode":              func(p string) error { return os.Chmod(p, 0o600) },
		"owner":             func(p string) error { return os.Chown(p, 7, 8) },
		"xattrs":            func(p string) error { return unix.Setxattr(p, "user.x", []byte("y"), 0) },
		"content and mode": func(p string) error {
			write(filepath.Dir(p), filepath.Base(p), "texT")
			return os.Chmod(p, 0o755)
		},
		"target": func(p string) error { return replaceBy(p, "elsewhere") },
		"type":   func(p string) error { return replaceBy(p, "x") },
	}
	var trees [2]Tree
	for i := range trees {
		dir := t.TempDir()
		for name, edit := range edits {
			path := write(dir, name, "text")
			if name == "target" {
				if err := replaceBy(path, "here"); err != nil {
					t.Fatal(err)
				}
			}
			if i == 0 {
				continue
			}
			if err := edit(path); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if trees[i], err = repo.Tree(t.Context(), commitSample(t, repo.Path, "bare-user", dir, string(rune('1'+i)))); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string][]Aspect{
		"same": nil, "content": {AspectContent}, "content of a size": {AspectContent}, "mode": {AspectMode}, "owner": {AspectOwner},
		"xattrs": {AspectXattrs}, "content and mode": {AspectContent, AspectMode}, "target": {AspectTarget}, "type": {AspectType},
	} {
		a, _ := trees[0].Lookup("/" + name)
		b, ok := trees[1].Lookup("/" + name)
		if !ok {
			t.Fatalf("%s is not in the commit", name)
		}
		got, err := repo.Compare(a, b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	gone := Entry{Path: "/x", Mode: unix.S_IFREG | 0o644, Checksum: strings.Repeat("0", 64)}
	other := gone
	other.Checksum, other.Mode = strings.Repeat("1", 64), unix.S_IFREG|0o600
	if _, err := repo.Compare(gone, other); err == nil {
		t.Error("objects that are not there: no error")
	}
}

// replaceBy makes a symbolic link of a file.
func replaceBy(path, target string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.Symlink(target, path)
}
