package builder

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/builder/sandbox"
	"github.com/nestos/nosa/workspace/proc"
)

// openTestView makes a view of a tree with the given files; content "/" is a directory.
func openTestView(t *testing.T, files map[string]string) (sandbox.View, *upperWatch) {
	t.Helper()
	dir := t.TempDir()
	lower, view := filepath.Join(dir, "lower"), filepath.Join(dir, "view")
	for name, text := range files {
		name = filepath.Join(lower, name)
		if text == "/" {
			if err := os.MkdirAll(name, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	v, err := sandbox.OpenView(t.Context(), lower, view)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	if v.Copied != nil {
		if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
			t.Fatal(v.Copied)
		}
		t.Skip(v.Copied)
	}
	return v, watchUpper(lower, filepath.Join(view, "upper"))
}

// change runs shell commands in a view.
func change(t *testing.T, v sandbox.View, script string) {
	t.Helper()
	err := proc.Run(t.Context(), proc.Cmd{Args: []string{"sh", "-ec", script}, Dir: v.Root, Line: func(line string) { t.Log(line) }})
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
}

// TestUpperWatch tells of each part what it changed as the commit has it, and nothing of what only
// the overlay or the clock sees.
func TestUpperWatch(t *testing.T) {
	v, w := openTestView(t, map[string]string{
		"etc/a": "a", "etc/b": "b", "etc/d/c": "c", "etc/.pwd.lock": "", "usr/bin/x": "x", "usr/bin/y": "y", "usr/share/doc/p/q": "q",
		"usr/share/doc/r": "r", "home": "/", "dev/null": "", "opt/o/file": "o", "var/lib/v": "v",
	})
	for _, part := range []struct{ name, script string }{
		{"nothing", "true"},
		{"touch", "touch usr/bin/x; chmod 755 etc; cat etc/a >etc/a.new; mv etc/a.new etc/a"},
		{"edit", "echo 1 >>etc/a; echo new >etc/n; ln -s x usr/bin/z; chmod 700 usr/bin/y"},
		{"again", "ln -sf x usr/bin/z; echo new >etc/n; echo 2 >>etc/a"},
		{"remove", "rm -r usr/share/doc/p usr/bin/z; rm etc/d/c"},
		{"back", "mkdir -p usr/share/doc/p; echo q >usr/share/doc/p/other"},
		{"layout", "cp -a etc usr/etc; rm -r etc usr/etc/.pwd.lock; rmdir home; ln -s var/home home; rm -r dev; mkdir dev; mkdir usr/lib; cp -a opt usr/lib/opt; rm -r opt"},
		{"accounts", "echo 3 >>usr/etc/b"},
		{"var", "rm -r var; mkdir var"},
	} {
		change(t, v, part.script)
		if err := w.note(PartChanges{Part: part.name}); err != nil {
			t.Fatal(err)
		}
	}
	want := []PartChanges{
		{Part: "edit", Added: []string{"/usr/bin/z", "/usr/etc/n"}, Changed: []string{"/usr/bin/y", "/usr/etc/a"}},
		{Part: "again", Changed: []string{"/usr/etc/a"}},
		{Part: "remove", Removed: []string{"/usr/bin/z", "/usr/etc/d/c", "/usr/share/doc/p"}},
		{Part: "back", Added: []string{"/usr/share/doc/p", "/usr/share/doc/p/other"}},
		{
			Part: "layout", Added: []string{"/usr/lib", "/usr/lib/opt", "/usr/lib/opt/o", "/usr/lib/opt/o/file"}, Changed: []string{"/home"},
			Removed: []string{"/dev/null", "/opt", "/usr/etc/.pwd.lock"},
		},
		{Part: "accounts", Changed: []string{"/usr/etc/b"}},
		{Part: "var", Removed: []string{"/var/lib"}},
	}
	if diff := cmp.Diff(want, w.parts); diff != "" {
		t.Error(diff)
	}
}

// BenchmarkUpperWatch is what the notes of a build of a real size cost: looks at 1,500 paths, a few of which a build takes.
func BenchmarkUpperWatch(b *testing.B) {
	lower, upper := b.TempDir(), b.TempDir()
	for i := range 1500 {
		name := fmt.Sprintf("usr/etc/d%02d/f%d", i%40, i)
		if err := os.MkdirAll(filepath.Dir(filepath.Join(upper, name)), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(upper, name), make([]byte, 2000), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	cpu := func() int64 {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	for b.Loop() {
		start := cpu()
		w := watchUpper(lower, upper)
		for range 24 {
			if err := w.note(PartChanges{}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(cpu()-start)/24e3, "cpu-us/look")
	}
}
