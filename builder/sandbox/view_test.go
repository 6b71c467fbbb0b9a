package sandbox

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/proc"
)

// fingerprint describes a tree down to content and change times.
func fingerprint(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		text := fmt.Sprintf("%o %d:%d %d %v", st.Mode, st.Uid, st.Gid, st.Size, st.Ctim)
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %x", sha256.Sum256(data))
		}
		all[name[len(dir):]] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Whatever a program does in a view, the tree below stays as it is; an untouched file keeps its
// change time.
func TestView(t *testing.T) {
	need(t, "cp")
	top := filepath.Join(t.TempDir(), `odd:name,with\all`)
	lower, dir := filepath.Join(top, "lower"), filepath.Join(top, "view")
	for name, text := range map[string]string{"usr/bin/a": "a", "usr/share/doc/b": "b", "etc/c": "c", "var/lib/d/e": "e"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(lower, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(lower, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	before := fingerprint(t, lower)
	v, err := OpenView(t.Context(), lower, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	t.Logf("copied: %v", v.Copied)
	if v.Copied == nil {
		if got := fingerprint(t, v.Root)["/etc/c"]; got != before["/etc/c"] {
			t.Errorf("an untouched file is %s in the view and %s below", got, before["/etc/c"])
		}
		if err := os.Rename(filepath.Join(v.Root, "etc"), filepath.Join(v.Root, "usr/etc")); !errors.Is(err, syscall.EXDEV) {
			t.Errorf("renaming a directory: %v, want EXDEV", err)
		}
	}
	script := `set -e
		cd "$1"
		echo more >>usr/bin/a
		chmod 700 usr/share/doc/b
		rm -r var/lib/d; mkdir var/lib/d
		mv etc usr/etc
		ln usr/etc/c usr/etc/f; echo x >usr/etc/f`
	if err := proc.Run(t.Context(), proc.Cmd{Args: []string{"bash", "-c", script, "view", v.Root}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, fingerprint(t, lower)); diff != "" {
		t.Errorf("the tree below changed: %s", diff)
	}
	var names []string
	for name := range fingerprint(t, v.Root) {
		names = append(names, name)
	}
	want := []string{"", "/usr", "/usr/bin", "/usr/bin/a", "/usr/etc", "/usr/etc/c", "/usr/etc/f", "/usr/share", "/usr/share/doc", "/usr/share/doc/b", "/var", "/var/lib", "/var/lib/d"}
	if diff := cmp.Diff(want, sorted(names)); diff != "" {
		t.Error(diff)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	if v.Copied == nil {
		if left, err := os.ReadDir(v.Root); err != nil || len(left) > 0 {
			t.Errorf("still mounted: %v, %v", left, err)
		}
	}
}

// Where no overlay can be had (here: the upper directory is on one) the view is a copy.
func TestViewCopies(t *testing.T) {
	need(t, "cp")
	lower := t.TempDir()
	if err := os.WriteFile(filepath.Join(lower, "a"), []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	outer, err := OpenView(t.Context(), lower, filepath.Join(t.TempDir(), "outer"))
	if err != nil || outer.Copied != nil {
		t.Skipf("no overlay here to nest in: %v, %v", err, outer.Copied)
	}
	t.Cleanup(func() { _ = outer.Close() })
	inner, err := OpenView(t.Context(), lower, filepath.Join(outer.Root, "inner"))
	if err != nil {
		t.Fatal(err)
	}
	if inner.Copied == nil {
		t.Cleanup(func() { _ = inner.Close() })
		t.Skip("this kernel nests overlays")
	}
	if data, err := os.ReadFile(filepath.Join(inner.Root, "a")); err != nil || string(data) != "a" {
		t.Errorf("the copy has %q, %v", data, err)
	}
	if err := inner.Close(); err != nil {
		t.Error(err)
	}
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

func TestCopyView(t *testing.T) {
	need(t, "cp")
	lower, why := t.TempDir(), errors.New("no mounts wanted")
	if err := os.WriteFile(filepath.Join(lower, "a"), []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := CopyView(t.Context(), lower, filepath.Join(t.TempDir(), "view"), why)
	if err != nil || !errors.Is(v.Copied, why) {
		t.Fatalf("%+v, %v", v, err)
	}
	if err := os.WriteFile(filepath.Join(v.Root, "a"), []byte("b"), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(lower, "a")); err != nil || string(data) != "a" {
		t.Errorf("below is %q, %v", data, err)
	}
}
