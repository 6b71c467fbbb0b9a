package feed

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nestos/nosa/workspace"
)

type tree struct {
	t   *testing.T
	dir string
}

func newTree(t *testing.T) tree {
	w := tree{t, t.TempDir()}
	for name, text := range map[string]string{
		"src/config/manifest.yaml": "ref: x\n", "src/config/manifests/a.yaml": "", "src/config/.gitignore": "*.log\n", "builds/x": "", "overrides/rpm/x.rpm": "x",
	} {
		w.write(name, text)
	}
	if err := os.Symlink("manifests/a.yaml", filepath.Join(w.dir, "src/config/link.yaml")); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w tree) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w tree) git(args ...string) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "git", append([]string{"-C", filepath.Join(w.dir, "src/config"), "-c", "user.name=a", "-c", "user.email=a@b"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// needGit skips a test where there is no git.
func needGit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// shown is what a snapshot says of each file.
func shown(f Files) []string {
	var list []string
	for _, e := range f.Entries {
		s := e.Path
		if e.Dir {
			s += "/"
		}
		if e.Link != "" {
			s += " -> " + e.Link
		}
		if e.Sign != "" {
			s += " " + e.Sign
		}
		if e.Staged {
			s += " staged"
		}
		if e.Ignored {
			s += " ignored"
		}
		list = append(list, s)
	}
	return list
}

func TestReadFiles(t *testing.T) {
	needGit(t)
	w := newTree(t)
	ws := &workspace.Workspace{Dir: w.dir}
	plain := []string{
		"src/config/", "src/config/manifests/", "src/config/manifests/a.yaml", "src/config/.gitignore",
		"src/config/link.yaml -> manifests/a.yaml", "src/config/manifest.yaml", "overrides/", "overrides/rpm/", "overrides/rpm/x.rpm",
	}
	f := ReadFiles(t.Context(), ws)
	if diff := cmp.Diff(plain, shown(f)); diff != "" || f.Git != GitNone {
		t.Errorf("without git: %s, %s", f.Git, diff)
	}
	w.git("init", "-q", "-b", "main")
	w.git("add", ".")
	w.git("commit", "-q", "-m", "a")
	w.write("src/config/manifests/a.yaml", "a: b\n")
	w.write("src/config/new.yaml", "")
	w.write("src/config/staged.yaml", "")
	w.write("src/config/x.log", "")
	w.git("add", "staged.yaml")
	want := []string{
		"src/config/ M", "src/config/manifests/ M", "src/config/manifests/a.yaml M", "src/config/.gitignore",
		"src/config/link.yaml -> manifests/a.yaml", "src/config/manifest.yaml", "src/config/new.yaml ?", "src/config/staged.yaml A staged",
		"src/config/x.log ignored", "overrides/", "overrides/rpm/", "overrides/rpm/x.rpm",
	}
	f = ReadFiles(t.Context(), ws)
	if diff := cmp.Diff(want, shown(f)); diff != "" || f.Git != GitMarks || f.Branch != "main" {
		t.Errorf("%s on %s: %s", f.Git, f.Branch, diff)
	}
	t.Setenv("PATH", t.TempDir())
	f = ReadFiles(t.Context(), ws)
	if f.Git != GitOff || len(f.Entries) != len(want) {
		t.Errorf("without the program: %s, %v", f.Git, shown(f))
	}
}

func TestFollowFiles(t *testing.T) {
	needGit(t)
	w := newTree(t)
	w.git("init", "-q", "-b", "main")
	w.git("add", ".")
	w.git("commit", "-q", "-m", "a")
	posts := make(chan Files, 64)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		FollowFiles(ctx, &workspace.Workspace{Dir: w.dir}, func(e any) { posts <- e.(Files) })
	}()
	defer func() { cancel(); <-done }()
	next := func() Files {
		select {
		case f := <-posts:
			return f
		case <-time.After(20 * time.Second):
			t.Fatal("no snapshot came")
			return Files{}
		}
	}
	signOf := func(f Files, path string) string {
		for _, e := range f.Entries {
			if e.Path == path {
				return e.Sign
			}
		}
		return "gone"
	}
	first := next()
	if !first.All || first.Revision != 1 || first.Watch.Dirs != 4 {
		t.Errorf("first snapshot: %+v", first)
	}
	w.write("src/config/manifest.yaml", "ref: other\n")
	f := next()
	for signOf(f, "src/config/manifest.yaml") != "M" {
		f = next()
	}
	if diff := cmp.Diff([]string{"src/config/manifest.yaml"}, f.Changed, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("changed: %s", diff)
	}
	w.git("commit", "-q", "-a", "-m", "b")
	for signOf(f, "src/config/manifest.yaml") != "" {
		f = next()
	}
}
