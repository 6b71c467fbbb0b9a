package builder

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/builder/disk"
	"github.com/nestos/nosa/builder/oci"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// builtWhole is builtOnce with a commit of a few files in the cache and in an
// archive, the records, and a disk image.
func builtWhole(t *testing.T) (*Env, *events) {
	t.Helper()
	needTools(t, "ostree", "mke2fs", "debugfs", "e2fsck", "mkfs.fat", "fsck.fat", "mcopy", "mmd", "qemu-img", "xfs_repair")
	env, sink := builtOnce(t, map[string][]byte{"live-kernel": []byte("iso"), "ostree": []byte("o")})
	dir := env.WS.BuildDir("1.2", "x86_64")
	repo := env.Repo(nil)
	tree := t.TempDir()
	for name, text := range map[string]string{"usr/bin/hello": "hello\n", "usr/share/doc": "doc\n", imageConfigPath: `{"compressor": "zstd"}`} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(tree, name)), 0o755), os.WriteFile(filepath.Join(tree, name), []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	commit := commitDir(t, env, tree)
	c, err := repo.Tree(t.Context(), commit)
	if err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(dir, "nestos-1.2-ostree.x86_64.ociarchive")
	image, err := oci.Write(t.Context(), oci.Request{Repo: repo.Path, Commit: commit, Entries: ociEntries(c), Dest: archive, Arch: "x86_64", Created: time.Unix(1700000000, 0)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	object, err := repo.CommitObject(commit)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		workspace.CommitObjectFile: object, "nestos-1.2-ostree.x86_64-manifest.json": image.Manifest,
		workspace.ConfigArchiveFile: []byte("tar"), workspace.ConfigGitFile: fmt.Appendf(nil, `{"file": {"name": %q, "checksum": %q}}`, workspace.ConfigArchiveFile, sha([]byte("tar"))),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	err = workspace.UpdateMeta(t.Context(), dir, time.Now(), func(m *workspace.Meta) error {
		m.Commit, m.ContentChecksum = commit, c.Commit.ContentChecksum()
		for kind, name := range map[string]string{"ostree": archive, "oci-manifest": filepath.Join(dir, "nestos-1.2-ostree.x86_64-manifest.json"), "metal": tinyDisk(t, dir)} {
			f, err := os.Open(name)
			if err != nil {
				return err
			}
			d := newFileDigest()
			if _, err := io.Copy(d, f); err != nil {
				return errors.Join(err, f.Close())
			}
			m.Images[kind] = workspace.Artifact{Path: filepath.Base(name), SHA256: d.sum(), Size: d.size, SkipCompression: kind != "metal"}
			if err := f.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return env, sink
}

// commitDir commits a directory to the cache's repository.
func commitDir(t *testing.T, env *Env, tree string) string {
	t.Helper()
	if err := env.Repo(nil).Init(t.Context(), "bare-user"); err != nil {
		t.Fatal(err)
	}
	out, err := proc.Output(t.Context(), proc.Cmd{Args: []string{
		"ostree", "commit", "--repo=" + env.Repo(nil).Path, "--orphan", "--tree=dir=" + tree, "--timestamp=@1700000000", "--owner-uid=0", "--owner-gid=0",
	}})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// tinyDisk makes the metal image of build 1.2.
func tinyDisk(t *testing.T, dir string) string {
	t.Helper()
	stage := t.TempDir()
	layout, err := disk.NewLayout(disk.LayoutRequest{Arch: "x86_64", RootSize: 16 * event.MiB})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "nestos-1.2-metal.x86_64.raw")
	err = disk.Write(t.Context(), disk.Image{
		Path: name, Layout: layout, Epoch: time.Unix(1700000000, 0),
		Root: disk.Filesystem{Dir: stage}, Boot: disk.Filesystem{Dir: stage}, ESP: []disk.File{{Path: "EFI/x", Data: []byte("x")}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// told gives what Verify said of each thing: its state and the text.
func (e *events) told() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var b strings.Builder
	for _, ev := range e.list {
		if ev.Kind == event.Log && ev.Reason != "" {
			fmt.Fprintf(&b, "%s %s %s\n", ev.Title, ev.Reason, strings.Join(strings.Fields(ev.Text), " "))
		}
	}
	e.list = nil
	return b.String()
}

const wholeBuild = `1.2/x86_64 ok ok meta.json it is this build's, and as the schema has it
1.2/x86_64 ok ok records ostree-commit-object, coreos-assembler-config-git.json
1.2/x86_64 ok ok live-kernel sha256
1.2/x86_64 ok ok metal sha256, partition table, fsck.fat of EFI-SYSTEM, e2fsck of boot, e2fsck of root
1.2/x86_64 ok ok oci-manifest sha256, the same in the archive
1.2/x86_64 ok ok ostree sha256
1.2/x86_64 ok ok commit ostree fsck in the cache, content checksum
`

// Every damage is found where it is, and nothing else is called damaged.
func TestVerify(t *testing.T) {
	env, sink := builtWhole(t)
	dir := env.WS.BuildDir("1.2", "x86_64")
	if err := Verify(t.Context(), env, VerifyRequest{Build: "latest"}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(wholeBuild, sink.told()); diff != "" {
		t.Fatal(diff)
	}
	objects, err := filepath.Glob(filepath.Join(env.Repo(nil).Path, "objects/*/*.file"))
	if err != nil || len(objects) != 3 {
		t.Fatalf("%d objects, %v", len(objects), err)
	}
	overwrite := func(name string, at int64) func(t *testing.T) {
		return func(t *testing.T) {
			t.Helper()
			damage(t, name, at)
		}
	}
	for _, tt := range []struct {
		name   string
		damage func(t *testing.T)
		req    VerifyRequest
		want   string // of what failed or is gone
	}{
		{"an object in the cache", overwrite(objects[0], 1), VerifyRequest{Artifacts: []string{"ostree"}}, "failed commit cache/repo: "},
		{"the same, but the archive is asked", overwrite(objects[0], 1), VerifyRequest{Artifacts: []string{"ostree"}, Deep: true}, ""},
		{"an object that is gone", func(t *testing.T) { hide(t, objects[1]) }, VerifyRequest{Artifacts: []string{"ostree"}}, "failed commit cache/repo: "},
		{"the cache is gone, the archive is damaged", func(t *testing.T) {
			hide(t, env.WS.Cache())
			damage(t, filepath.Join(dir, "nestos-1.2-ostree.x86_64.ociarchive"), 3000)
		}, VerifyRequest{Artifacts: []string{"ostree"}}, "failed ostree its sha256 is "},
		{"the cache and the archive are gone", func(t *testing.T) {
			hide(t, env.WS.Cache())
			hide(t, filepath.Join(dir, "nestos-1.2-ostree.x86_64.ociarchive"))
		}, VerifyRequest{Artifacts: []string{"ostree"}}, "failed ostree it is recorded and cannot be found: "},
		{"a filesystem", overwrite(filepath.Join(dir, "nestos-1.2-metal.x86_64.raw"), 129<<20+1024+4), VerifyRequest{NoChecksum: true}, "failed metal e2fsck of boot: "},
		{"a byte of an image", overwrite(filepath.Join(dir, "nestos-1.2-metal.x86_64.raw"), 1<<20), VerifyRequest{Artifacts: []string{"metal"}}, "failed metal its sha256 is "},
		{"an image that is gone", func(t *testing.T) { hide(t, filepath.Join(dir, "nestos-1.2-metal.x86_64.raw")) }, VerifyRequest{}, "gone metal it is recorded and not here"},
		{"a file that nothing makes again is gone", func(t *testing.T) { hide(t, filepath.Join(dir, "nestos-1.2-ostree.x86_64-manifest.json")) }, VerifyRequest{}, "failed oci-manifest it is recorded and cannot be found: "},
		{"the commit object", overwrite(filepath.Join(dir, workspace.CommitObjectFile), 1), VerifyRequest{NoChecksum: true}, "failed records ostree-commit-object is commit "},
		{"the config's archive", overwrite(filepath.Join(dir, workspace.ConfigArchiveFile), 1), VerifyRequest{NoChecksum: true}, "failed records coreos-assembler-config-git.json names an archive with sha256 "},
		{"the record", overwrite(filepath.Join(dir, "meta.json"), 1), VerifyRequest{}, "failed meta.json reading "},
		{"the manifest", overwrite(filepath.Join(dir, "nestos-1.2-ostree.x86_64-manifest.json"), 1), VerifyRequest{NoChecksum: true}, "failed oci-manifest it is not the manifest in the archive"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.damage(t)
			tt.req.Build = "1.2"
			err := Verify(t.Context(), env, tt.req)
			var bad []string
			for line := range strings.Lines(sink.told()) {
				if line = strings.TrimPrefix(line, "1.2/x86_64 "); !strings.HasPrefix(line, "ok ") {
					bad = append(bad, line)
				}
			}
			if tt.want == "" {
				if len(bad) > 0 || err != nil {
					t.Errorf("%v %v", bad, err)
				}
				return
			}
			if len(bad) == 0 || !strings.HasPrefix(bad[0], tt.want) {
				t.Errorf("got %q, want %q", bad, tt.want)
			}
			_, damaged := errors.AsType[*VerifyError](err)
			if damaged != strings.HasPrefix(tt.want, "failed") || err != nil && !damaged {
				t.Errorf("got %v", err)
			}
			if left, _ := os.ReadDir(filepath.Dir(env.Work())); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	if err := Verify(t.Context(), env, VerifyRequest{Build: "1.2"}); err != nil {
		t.Errorf("when all is mended again: %v", err)
	}
}

// damage changes a byte of a file until the test has ended.
func damage(t *testing.T, name string, at int64) {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	old := make([]byte, 1)
	if _, err := f.ReadAt(old, at); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{old[0] ^ 0xff}, at); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := f.WriteAt(old, at); err != nil {
			t.Error(err)
		}
		if err := errors.Join(f.Chmod(info.Mode()), f.Close()); err != nil {
			t.Error(err)
		}
	})
}

// hide takes a file away until the test has ended.
func hide(t *testing.T, name string) {
	t.Helper()
	away := name + ".away"
	if strings.Contains(name, "objects") {
		away = filepath.Join(t.TempDir(), "away")
	}
	if err := os.Rename(name, away); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(os.RemoveAll(name), os.Rename(away, name)); err != nil {
			t.Error(err)
		}
	})
}

// What is in a compressed file is looked at on demand.
func TestVerifyCompressed(t *testing.T) {
	env, sink := builtWhole(t)
	if err := Compress(t.Context(), env, CompressRequest{Build: "1.2"}); err != nil {
		t.Fatal(err)
	}
	meta, err := workspace.ReadMeta(env.WS.BuildDir("1.2", "x86_64"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := meta.Images["metal"].Path, "nestos-1.2-metal.x86_64.raw.zst"; got != want {
		t.Errorf("the compressor of image.json: got %s, want %s", got, want)
	}
	sink.told()
	for _, tt := range []struct {
		deep bool
		want string
	}{
		{false, "1.2/x86_64 ok ok meta.json it is this build's, and as the schema has it\n1.2/x86_64 ok ok metal sha256\n"},
		{true, "1.2/x86_64 ok ok meta.json it is this build's, and as the schema has it\n1.2/x86_64 ok ok metal sha256, uncompressed-sha256, partition table, fsck.fat of EFI-SYSTEM, e2fsck of boot, e2fsck of root\n"},
	} {
		if err := Verify(t.Context(), env, VerifyRequest{Build: "1.2", Artifacts: []string{"metal"}, Deep: tt.deep}); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(tt.want, sink.told()); diff != "" {
			t.Error(diff)
		}
	}
	damage(t, filepath.Join(env.WS.BuildDir("1.2", "x86_64"), meta.Images["metal"].Path), 5000)
	err = Verify(t.Context(), env, VerifyRequest{Build: "1.2", Artifacts: []string{"metal"}, Deep: true, NoChecksum: true})
	if _, ok := errors.AsType[*VerifyError](err); !ok || !strings.Contains(sink.told(), "failed metal ") {
		t.Errorf("damaged: %v", err)
	}
}

// A broken or foreign record is told, and the other builds are verified.
func TestVerifyAll(t *testing.T) {
	needTools(t, "ostree", "e2fsck", "fsck.fat", "qemu-img", "xfs_repair")
	env, sink := builtOnce(t, map[string][]byte{"live-kernel": []byte("iso"), "ostree": []byte("o")})
	good, err := os.ReadFile(filepath.Join(env.WS.BuildDir("1.2", "x86_64"), "meta.json"))
	if err != nil {
		t.Fatal(err)
	}
	for id, data := range map[string][]byte{"1.3": []byte("{"), "1.4": good, "1.5": nil} {
		if data != nil {
			dir := env.WS.BuildDir(id, "x86_64")
			if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "meta.json"), bytes.TrimSpace(data), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		if err := env.WS.UpdateIndex(t.Context(), time.Now(), func(x *workspace.Index) error { return x.Insert(id, "x86_64") }); err != nil {
			t.Fatal(err)
		}
	}
	err = Verify(t.Context(), env, VerifyRequest{Build: "all", Artifacts: []string{"live-kernel"}})
	if damaged, ok := errors.AsType[*VerifyError](err); !ok || len(damaged.Failed) != 2 || damaged.Total != 4 {
		t.Errorf("got %v", err)
	}
	told := sink.told()
	for _, want := range []string{
		"1.3/x86_64 failed meta.json reading ", `1.4/x86_64 failed meta.json it is the record of build "1.2"`,
		"1.2/x86_64 ok ok meta.json", "1.2/x86_64 ok ok live-kernel sha256\n",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("%q is not in\n%s", want, told)
		}
	}
	if strings.Contains(told, "1.5/") {
		t.Errorf("a build that is not here: %s", told)
	}
	for _, req := range []VerifyRequest{{Build: "1.5"}, {Build: "nope"}, {Build: "1.2", Artifacts: []string{"metal"}}} {
		if err := Verify(t.Context(), env, req); err == nil {
			t.Errorf("%+v: no error", req)
		} else if _, damaged := errors.AsType[*VerifyError](err); damaged {
			t.Errorf("%+v: %v", req, err)
		}
	}
}
