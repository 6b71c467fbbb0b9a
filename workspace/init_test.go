package workspace_test

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace"
)

var epoch = time.Unix(1767225600, 0)

// needGit skips a test on a machine without git, and fails it in CI.
func needGit(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("git"); err == nil {
		return
	}
	if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
		t.Fatal("git is missing")
	}
	t.Skip("git is not installed")
}

// gitIn runs the git of a user, with a configuration and hooks that must not reach nosa.
func gitIn(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=u", "GIT_AUTHOR_EMAIL=u@u", "GIT_COMMITTER_NAME=u", "GIT_COMMITTER_EMAIL=u@u",
		"GIT_AUTHOR_DATE=@1700000000 +0100", "GIT_COMMITTER_DATE=@1700000000 +0100")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// remote makes a repository with the files on branch main and gives its URL.
func remote(t *testing.T, files map[string]string) (url, dir string) {
	t.Helper()
	needGit(t)
	dir = filepath.Join(t.TempDir(), "remote")
	for name, text := range files {
		writeFile(t, filepath.Join(dir, name), text)
	}
	gitIn(t, dir, "init", "-q", "-b", "main", ".")
	gitIn(t, dir, "config", "uploadpack.allowAnySHA1InWant", "true")
	commitAll(t, dir, "first")
	return "file://" + dir, dir
}

func commitAll(t *testing.T, dir, message string) {
	t.Helper()
	gitIn(t, dir, "add", "-A", ".")
	gitIn(t, dir, "commit", "-q", "-m", message)
}

func config() map[string]string {
	return map[string]string{"manifest.yaml": "ref: a\n", "image.yaml": "size: 10\n"}
}

func inSubdir(files map[string]string) map[string]string {
	moved := map[string]string{"README": "x"}
	for name, text := range files {
		moved["NestOS-For-Container/"+name] = text
	}
	return moved
}

func initIn(t *testing.T, o workspace.InitOptions) (*workspace.Workspace, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ws")
	if err := workspace.Init(t.Context(), dir, o); err != nil {
		left, _ := filepath.Glob(filepath.Join(dir, "*"))
		leftTmp, _ := filepath.Glob(filepath.Join(dir, "tmp", "*"))
		if len(left) > 1 || len(leftTmp) > 0 {
			t.Errorf("left behind by a failed init: %v %v", left, leftTmp)
		}
		return nil, err
	}
	w, err := workspace.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return w, nil
}

func TestInitClones(t *testing.T) {
	url, dir := remote(t, config())
	gitIn(t, dir, "branch", "other")
	gitIn(t, dir, "config", "core.hooksPath", filepath.Join(dir, "nowhere"))
	w, err := initIn(t, workspace.InitOptions{Source: url})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"builds", "cache", "tmp", "overrides/rpm", "overrides/rootfs", "src/config/manifest.yaml"} {
		if _, err := os.Stat(filepath.Join(w.Dir, name)); err != nil {
			t.Error(err)
		}
	}
	c, err := w.ConfigCheckout(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	head := gitIn(t, dir, "rev-parse", "HEAD")
	want := workspace.Checkout{
		Git:      workspace.Git{Commit: head, Origin: url, Branch: "main", Dirty: "false"},
		Describe: head,
		Epoch:    time.Unix(1700000000, 0).UTC(),
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	// With Force it runs again and keeps the config.
	writeFile(t, filepath.Join(w.Config(), "mine"), "x")
	if err := workspace.Init(t.Context(), w.Dir, workspace.InitOptions{Source: url}); !errors.Is(err, workspace.ErrNotEmpty) {
		t.Errorf("init again = %v, want ErrNotEmpty", err)
	}
	if err := workspace.Init(t.Context(), w.Dir, workspace.InitOptions{Source: url, Force: true, Transient: true}); err != nil {
		t.Fatal(err)
	}
	if readFile(t, filepath.Join(w.Config(), "mine")) != "x" || !w.Transient() {
		t.Error("init --force --transient changed the config or left no marker")
	}
	if c, err := w.ConfigCheckout(t.Context()); err != nil || c.Git.Dirty != "true" {
		t.Errorf("a file that git does not know: dirty %q, %v", c.Git.Dirty, err)
	}
}

func TestInitBranchCommitSubdir(t *testing.T) {
	url, dir := remote(t, inSubdir(config()))
	first := gitIn(t, dir, "rev-parse", "HEAD")
	writeFile(t, filepath.Join(dir, "NestOS-For-Container", "manifest.yaml"), "ref: b\n")
	gitIn(t, dir, "checkout", "-q", "-b", "NestOS-24.03-LTS")
	commitAll(t, dir, "second")
	second := gitIn(t, dir, "rev-parse", "HEAD")
	gitIn(t, dir, "checkout", "-q", "main")

	for _, tt := range []struct {
		name           string
		o              workspace.InitOptions
		commit, branch string
	}{
		{"default branch", workspace.InitOptions{}, first, "main"},
		{"branch", workspace.InitOptions{Branch: "NestOS-24.03-LTS"}, second, "NestOS-24.03-LTS"},
		{"commit", workspace.InitOptions{Branch: "NestOS-24.03-LTS", Commit: first}, first, "HEAD"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Source, tt.o.Subdir = url, "NestOS-For-Container"
			w, err := initIn(t, tt.o)
			if err != nil {
				t.Fatal(err)
			}
			if link, err := os.Readlink(w.Config()); err != nil || link != "config-git/NestOS-For-Container" {
				t.Errorf("src/config -> %q, %v", link, err)
			}
			c, err := w.ConfigCheckout(t.Context())
			if err != nil || c.Git.Commit != tt.commit || c.Git.Branch != tt.branch || c.Git.Origin != url {
				t.Errorf("%+v, %v; want %s of %s", c.Git, err, tt.commit, tt.branch)
			}
			// What lies beside the config in its repository does not make it dirty.
			writeFile(t, filepath.Join(w.ConfigGit(), "README"), "changed")
			if c, _ := w.ConfigCheckout(t.Context()); c.Git.Dirty != "false" {
				t.Error("a change outside SUBDIR makes the config dirty")
			}
		})
	}
}

func TestInitErrors(t *testing.T) {
	url, dir := remote(t, inSubdir(config()))
	gitIn(t, dir, "branch", "NestOS-24.03-LTS")
	plain, _ := remote(t, map[string]string{"manifest.yaml": "", "image.yaml": "", "manifest-selinux.yaml": "", "image-selinux.yaml": "", "manifest-half.yaml": ""})
	empty, emptyDir := remote(t, map[string]string{"README": ""})
	gitIn(t, emptyDir, "branch", "NestOS-24.03-LTS")
	for _, tt := range []struct {
		name string
		o    workspace.InitOptions
		want string
	}{
		{"nothing", workspace.InitOptions{}, "want either the sample or a git URL or path"},
		{"no such repository", workspace.InitOptions{Source: "file:///nowhere/at/all"}, "cloning file:///nowhere/at/all: git clone: "},
		{"no such branch", workspace.InitOptions{Source: url, Branch: "x"}, "git clone: fatal: Remote branch x not found in upstream origin"},
		{"no such commit", workspace.InitOptions{Source: url, Commit: strings.Repeat("a", 40)}, "git fetch: "},
		{"short commit", workspace.InitOptions{Source: url, Commit: "abc"}, "want the full id"},
		{"an option for a URL", workspace.InitOptions{Source: "--upload-pack=touch /tmp/x"}, "git clone: "},
		{"the config is elsewhere", workspace.InitOptions{Source: url}, "has no manifest.yaml and no image.yaml; a config lies in its directory NestOS-For-Container: give that as SUBDIR"},
		{"wrong SUBDIR", workspace.InitOptions{Source: url, Subdir: "nestos"}, "remote/nestos has no manifest.yaml and no image.yaml; a config lies in its directory NestOS-For-Container"},
		{"SUBDIR upwards", workspace.InitOptions{Source: url, Subdir: "../x"}, "stays inside"},
		{"another branch", workspace.InitOptions{Source: empty}, "its other branches are NestOS-24.03-LTS"},
		{"no such variant", workspace.InitOptions{Source: plain, Variant: "selinx"}, "has no manifest-selinx.yaml and no image-selinx.yaml; its variants are default, selinux"},
		{"half a variant", workspace.InitOptions{Source: plain, Variant: "half"}, "has no image-half.yaml; its variants are default, selinux"},
		{"variant as a path", workspace.InitOptions{Source: plain, Variant: "../x"}, "variant"},
		{"path that is not there", workspace.InitOptions{Source: "/nowhere/at/all"}, "a path must be visible where nosa runs"},
		{"path with the config below", workspace.InitOptions{Source: dir}, "give that as SUBDIR"},
		{"branch of a path", workspace.InitOptions{Source: dir, Branch: "x"}, "only of a git URL"},
		{"yumrepos", workspace.InitOptions{Source: plain, YumRepos: "file:///nowhere"}, "fetching the further repositories: cloning file:///nowhere"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := initIn(t, tt.o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Init = %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestInitPathVariantAndRepos(t *testing.T) {
	files := config()
	files["manifest-selinux.yaml"], files["image-selinux.yaml"] = "", ""
	_, dir := remote(t, inSubdir(files))
	repos, _ := remote(t, map[string]string{"nestos.repo": "[nestos]\n"})
	w, err := initIn(t, workspace.InitOptions{Source: dir, Subdir: "NestOS-For-Container", Variant: "selinux", YumRepos: repos})
	if err != nil {
		t.Fatal(err)
	}
	if link, _ := os.Readlink(w.Config()); link != filepath.Join(dir, "NestOS-For-Container") {
		t.Errorf("src/config -> %s", link)
	}
	if w.Variant != "selinux" || filepath.Base(w.Manifest()) != "manifest-selinux.yaml" || filepath.Base(w.Image()) != "image-selinux.yaml" {
		t.Errorf("variant %q, %s, %s", w.Variant, w.Manifest(), w.Image())
	}
	if got := readFile(t, filepath.Join(w.Dir, "src", "config.json")); got != "{\n    \"coreos-assembler.config-variant\": \"selinux\"\n}\n" {
		t.Errorf("config.json: %s", got)
	}
	out := t.TempDir()
	git, err := w.WriteYumReposRecord(t.Context(), out, epoch)
	if err != nil || git == nil || git.Origin != repos {
		t.Errorf("yumrepos: %+v, %v", git, err)
	}
	// A repository of another user, as in a container, is no obstacle.
	if os.Geteuid() == 0 {
		if err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, _ error) error { return os.Lchown(path, 12345, 12345) }); err != nil {
			t.Fatal(err)
		}
		if _, err := w.ConfigCheckout(t.Context()); err != nil {
			t.Errorf("reading a repository of another user: %v", err)
		}
		if _, err := initIn(t, workspace.InitOptions{Source: "file://" + dir, Subdir: "NestOS-For-Container"}); err != nil {
			t.Errorf("cloning a repository of another user: %v", err)
		}
	}
}

func sampleFS() fstest.MapFS {
	return fstest.MapFS{
		"manifest.yaml":                          {Data: []byte("ref: sample\n"), Mode: 0o444},
		"image.yaml":                             {Data: []byte("size: 10\n"), Mode: 0o444},
		"overlay.d/05core/usr/bin/hello":         {Data: []byte("#!/bin/sh\necho hi\n"), Mode: 0o444},
		"overlay.d/05core/usr/bin/tool":          {Data: []byte("\x7fELF"), Mode: 0o755},
		"overlay.d/05core/usr/lib/link":          {Data: []byte("../bin/hello"), Mode: os.ModeSymlink | 0o777},
		"overlay.d/05core/etc/sudoers.d/10wheel": {Data: []byte("x"), Mode: 0o444},
	}
}

func TestInitSample(t *testing.T) {
	needGit(t)
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	o := workspace.InitOptions{Sample: &workspace.Sample{FS: sampleFS(), Epoch: epoch}}
	w, err := initIn(t, o)
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]os.FileMode{}
	for name := range sampleFS() {
		info, err := os.Lstat(filepath.Join(w.Config(), name))
		if err != nil {
			t.Fatal(err)
		}
		modes[name] = info.Mode()
	}
	want := map[string]os.FileMode{
		"manifest.yaml": 0o644, "image.yaml": 0o644,
		"overlay.d/05core/usr/bin/hello": 0o755, "overlay.d/05core/usr/bin/tool": 0o755,
		"overlay.d/05core/usr/lib/link":          os.ModeSymlink | 0o777,
		"overlay.d/05core/etc/sudoers.d/10wheel": 0o644,
	}
	if diff := cmp.Diff(want, modes); diff != "" {
		t.Error(diff)
	}
	if info, _ := os.Stat(filepath.Join(w.Config(), "overlay.d", "05core")); info.Mode().Perm() != 0o755 {
		t.Errorf("directory mode %v", info.Mode())
	}
	syscall.Umask(0o022)
	again, err := initIn(t, o)
	if err != nil {
		t.Fatal(err)
	}
	a, err := w.ConfigCheckout(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := again.ConfigCheckout(t.Context())
	if err != nil || !cmp.Equal(a, b) {
		t.Errorf("two samples differ: %+v %+v %v", a, b, err)
	}
	if a.Git.Dirty != "false" || a.Git.Origin != "unknown" || !a.Epoch.Equal(epoch) {
		t.Errorf("%+v", a)
	}
	if _, err := w.ConfigPull(t.Context(), workspace.PullOptions{}); err == nil || !strings.Contains(err.Error(), "follows no remote") {
		t.Errorf("pulling the sample: %v", err)
	}
}

func TestConfigRecordAndArchive(t *testing.T) {
	url, dir := remote(t, inSubdir(config()))
	writeFile(t, filepath.Join(dir, "NestOS-For-Container", "overlay.d", "05core", "run"), "#!/bin/sh\n")
	if err := os.Chmod(filepath.Join(dir, "NestOS-For-Container", "overlay.d", "05core", "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("run", filepath.Join(dir, "NestOS-For-Container", "overlay.d", "05core", "link")); err != nil {
		t.Fatal(err)
	}
	commitAll(t, dir, "second")
	w, err := initIn(t, workspace.InitOptions{Source: url, Subdir: "NestOS-For-Container"})
	if err != nil {
		t.Fatal(err)
	}
	gitIn(t, w.ConfigGit(), "remote", "set-url", "origin", "https://me:secret@example.org/config.git")
	writeFile(t, filepath.Join(w.Config(), "local.repo"), "[l]\n")
	outs := [2]string{t.TempDir(), t.TempDir()}
	for i, out := range outs {
		if i == 1 { // nothing of the host reaches the archive
			stamp := time.Unix(1, 0)
			if err := errors.Join(os.Chtimes(filepath.Join(w.Config(), "local.repo"), stamp, stamp),
				os.Chmod(filepath.Join(w.Config(), "local.repo"), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.WriteConfigRecord(t.Context(), out, workspace.RecordOptions{Now: epoch}); err != nil {
			t.Fatal(err)
		}
	}
	data := readFile(t, filepath.Join(outs[0], workspace.ConfigArchiveFile))
	if data != readFile(t, filepath.Join(outs[1], workspace.ConfigArchiveFile)) {
		t.Error("two archives of the same config differ")
	}
	var got workspace.GitRecord
	if err := json.Unmarshal([]byte(readFile(t, filepath.Join(outs[0], workspace.ConfigGitFile))), &got); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(data))
	want := workspace.GitRecord{
		Date: "2026-01-01T00:00:00Z",
		Git:  workspace.Git{Commit: gitIn(t, dir, "rev-parse", "HEAD"), Origin: "https://example.org/config.git", Branch: "main", Dirty: "true"},
		File: &workspace.RecordFile{Checksum: hex.EncodeToString(sum[:]), ChecksumType: "sha256", Format: "tar.gz", Name: "coreos-assembler-config.tar.gz", Size: strconv.Itoa(len(data))},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	wantTar := []string{
		"image.yaml 644", "local.repo 644", "manifest.yaml 644", "overlay.d/ 755", "overlay.d/05core/ 755",
		"overlay.d/05core/link 777 -> run", "overlay.d/05core/run 755",
	}
	if diff := cmp.Diff(wantTar, listTar(t, data)); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(filepath.Join(outs[0], workspace.ConfigArchiveFile)); err != nil || info.Mode().Perm() != 0o444 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if out, err := exec.CommandContext(t.Context(), "tar", "-tzf", filepath.Join(outs[0], workspace.ConfigArchiveFile)).CombinedOutput(); err != nil {
		t.Errorf("tar: %v %s", err, out)
	}
}

func listTar(t *testing.T, data string) []string {
	t.Helper()
	zip, err := gzip.NewReader(strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for tr := tar.NewReader(zip); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.ModTime.Unix() != 1700000000 {
			t.Errorf("%+v", h)
		}
		line := h.Name + " " + strconv.FormatInt(h.Mode, 8)
		if h.Linkname != "" {
			line += " -> " + h.Linkname
		}
		names = append(names, line)
	}
	if !sort.StringsAreSorted(names) {
		t.Errorf("not sorted: %v", names)
	}
	return names
}

func TestConfigThatIsNoCheckout(t *testing.T) {
	needGit(t)
	// The workspace itself lies in a repository; that is not the config's.
	outer := t.TempDir()
	gitIn(t, outer, "init", "-q", ".")
	writeFile(t, filepath.Join(outer, "x"), "")
	commitAll(t, outer, "outer")
	dir := filepath.Join(outer, "ws")
	for name, text := range config() {
		writeFile(t, filepath.Join(dir, "src", "config", name), text)
	}
	if err := workspace.Init(t.Context(), dir, workspace.InitOptions{Source: "/dev/null", Force: true}); err != nil {
		t.Fatal(err)
	}
	w, err := workspace.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := w.ConfigCheckout(t.Context()); !errors.Is(err, workspace.ErrNotGit) {
		t.Errorf("%+v, %v; want ErrNotGit", c, err)
	}
	if _, err := w.ConfigEpoch(t.Context()); !errors.Is(err, workspace.ErrNotGit) {
		t.Errorf("epoch: %v", err)
	}
	if _, err := w.ConfigPull(t.Context(), workspace.PullOptions{}); !errors.Is(err, workspace.ErrNotGit) {
		t.Errorf("pull: %v", err)
	}
	if err := w.WriteRepo("pool.repo", []byte("[pool]\n")); err != nil {
		t.Fatal(err)
	}
	if git, err := w.WriteYumReposRecord(t.Context(), t.TempDir(), epoch); git != nil || err != nil {
		t.Errorf("yumrepos that is no checkout: %+v, %v", git, err)
	}
	if err := w.WriteRepo("../x.repo", nil); err == nil {
		t.Error("a repository file outside src/yumrepos")
	}
}

func TestConfigPull(t *testing.T) {
	for _, subdir := range []string{"", "NestOS-For-Container"} {
		t.Run("subdir "+subdir, func(t *testing.T) {
			files := config()
			if subdir != "" {
				files = inSubdir(files)
			}
			url, dir := remote(t, files)
			w, err := initIn(t, workspace.InitOptions{Source: url, Subdir: subdir})
			if err != nil {
				t.Fatal(err)
			}
			// A hook and a watcher in the checkout must not run.
			git := w.Config()
			if subdir != "" {
				git = w.ConfigGit()
			}
			marker := filepath.Join(t.TempDir(), "ran")
			hook := filepath.Join(git, ".git", "hooks", "post-merge")
			writeFile(t, hook, "#!/bin/sh\ntouch "+marker+"\n")
			if err := os.Chmod(hook, 0o755); err != nil {
				t.Fatal(err)
			}
			gitIn(t, git, "config", "core.fsmonitor", hook)

			same, err := w.ConfigPull(t.Context(), workspace.PullOptions{})
			if err != nil || same.After != same.Before || same.Files != nil {
				t.Errorf("nothing new: %+v, %v", same, err)
			}
			for _, text := range []string{"ref: b\n", "ref: c\n"} {
				writeFile(t, filepath.Join(dir, subdir, "manifest.yaml"), text)
				commitAll(t, dir, "now "+strings.TrimSpace(text))
			}
			writeFile(t, filepath.Join(dir, subdir, "new file"), "x")
			commitAll(t, dir, "a file")
			p, err := w.ConfigPull(t.Context(), workspace.PullOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var subjects []string
			for _, c := range p.Commits {
				_, subject, _ := strings.Cut(c, " ")
				subjects = append(subjects, subject)
			}
			prefix := ""
			if subdir != "" {
				prefix = subdir + "/"
			}
			if diff := cmp.Diff([]string{"a file", "now ref: c", "now ref: b"}, subjects); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{"M " + prefix + "manifest.yaml", "A " + prefix + "new file"}, p.Files); diff != "" {
				t.Error(diff)
			}
			if got := readFile(t, w.Manifest()); got != "ref: c\n" {
				t.Errorf("manifest is %q", got)
			}
			if _, err := os.Stat(marker); err == nil {
				t.Error("a hook of the checkout ran")
			}
		})
	}
}

func TestConfigPullRefuses(t *testing.T) {
	url, dir := remote(t, config())
	head := gitIn(t, dir, "rev-parse", "HEAD")
	for _, tt := range []struct {
		name  string
		o     workspace.InitOptions
		spoil func(w *workspace.Workspace)
		want  string
	}{
		{"dirty", workspace.InitOptions{Source: url}, func(w *workspace.Workspace) { writeFile(t, w.Manifest(), "mine") }, "changes that are not committed ( M manifest.yaml)"},
		{"linked", workspace.InitOptions{Source: dir}, nil, "is a link to " + dir},
		{"pinned", workspace.InitOptions{Source: url, Commit: head}, nil, "pinned to a commit"},
		{"diverged", workspace.InitOptions{Source: url}, func(w *workspace.Workspace) {
			writeFile(t, w.Manifest(), "mine")
			commitAll(t, w.Config(), "mine")
			writeFile(t, filepath.Join(dir, "manifest.yaml"), "theirs")
			commitAll(t, dir, "theirs")
		}, "git merge: fatal: Not possible to fast-forward"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, err := initIn(t, tt.o)
			if err != nil {
				t.Fatal(err)
			}
			if tt.spoil != nil {
				tt.spoil(w)
			}
			if _, err := w.ConfigPull(t.Context(), workspace.PullOptions{}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ConfigPull = %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	w := newWorkspace(t)
	if _, err := workspace.Open(filepath.Join(w.Dir, "src")); !errors.Is(err, workspace.ErrNoWorkspace) {
		t.Errorf("a directory below: %v", err)
	}
	writeFile(t, filepath.Join(w.Dir, "src", "config.json"), `{"coreos-assembler.config-variant":"../x"}`)
	if _, err := workspace.Open(w.Dir); err == nil {
		t.Error("a variant with a slash was accepted")
	}
	writeFile(t, filepath.Join(w.Dir, "src", "config.json"), `{"coreos-assembler.config-variant":"default"}`)
	if w, err := workspace.Open(w.Dir); err != nil || filepath.Base(w.Manifest()) != "manifest.yaml" {
		t.Errorf("the default variant: %v", err)
	}
}

func TestLockfiles(t *testing.T) {
	w := newWorkspace(t)
	if got := w.BaseLockfile("x86_64"); got != filepath.Join(w.Config(), "manifest-lock.x86_64.json") {
		t.Error(got)
	}
	for _, name := range []string{"manifest-lock.x86_64.yaml", "manifest-lock.aarch64.json", "manifest-lock.overrides.x86_64.yaml", "manifest-lock.overrides.json"} {
		writeFile(t, filepath.Join(w.Config(), name), "packages: {}")
	}
	got, err := w.Lockfiles("x86_64")
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i] = filepath.Base(got[i])
	}
	if diff := cmp.Diff([]string{"manifest-lock.x86_64.yaml", "manifest-lock.overrides.json", "manifest-lock.overrides.x86_64.yaml"}, got); diff != "" {
		t.Error(diff)
	}
	writeFile(t, filepath.Join(w.Config(), "manifest-lock.x86_64.json"), "{}")
	if _, err := w.Lockfiles("x86_64"); err == nil || !strings.Contains(err.Error(), "manifest-lock.x86_64 is there as .yaml and as .json") {
		t.Errorf("both extensions: %v", err)
	}
}
