package builder

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/builder/disk"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/lock"
)

const testEntry = "/loader/entries/ostree-1.conf"

// qemuImage makes a disk that boots nothing and has what a platform changes.
func qemuImage(t *testing.T, name string, kargs ...string) {
	t.Helper()
	needTools(t, "mke2fs", "debugfs", "e2fsck", "mkfs.fat", "mcopy", "mmd", "qemu-img", "qemu-io")
	dir := t.TempDir()
	root, boot := filepath.Join(dir, "root"), filepath.Join(dir, "boot")
	grub, err := disk.GrubConfig(disk.GrubRequest{BLSCFG: true, ConsoleCommands: []string{"serial --speed=9600"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		testEntry: "title T\noptions ignition.platform.id=qemu " + strings.Join(kargs, " ") + " ostree=/o\n", "grub2/grub.cfg": grub,
	} {
		put(t, filepath.Join(boot, name), text)
	}
	layout, err := disk.NewLayout(disk.LayoutRequest{Arch: "x86_64", RootSize: 16 * event.MiB})
	if err != nil {
		t.Fatal(err)
	}
	im := disk.Image{
		Path: filepath.Join(dir, "raw"), Layout: layout, Epoch: time.Unix(1700000000, 0),
		Root: disk.Filesystem{Dir: root}, Boot: disk.Filesystem{Dir: boot}, ESP: []disk.File{{Path: "EFI/x", Data: []byte("x")}},
	}
	if err := errors.Join(disk.Write(t.Context(), im, nil), disk.QCOW2(t.Context(), im.Path, name, disk.Uncompressed)); err != nil {
		t.Fatal(err)
	}
}

// bootOf reads the boot loader entry of an image.
func bootOf(t *testing.T, image string) string {
	t.Helper()
	data, err := disk.BootEdit{Image: image, Format: "qcow2", Work: t.TempDir()}.Read(t.Context(), testEntry)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// withQEMUImage is build 1.2 with a qemu image and platforms.
func withQEMUImage(t *testing.T) *Env {
	t.Helper()
	image := filepath.Join(t.TempDir(), "qemu.qcow2")
	qemuImage(t, image, "console=tty0", "no_timer_check")
	data, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	env, _ := builtOnce(t, map[string][]byte{"qemu": data, "ostree": []byte("o")})
	if err := os.MkdirAll(env.Work(), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(env.WS.BuildDir("1.2", "x86_64"), PlatformsFile),
		`{"qemu": {"kernel_arguments": ["console=tty0", "no_timer_check"]}, "openstack": {"kernel_arguments": ["console=ttyS0", "console=tty0"], "grub_commands": ["serial"]}}`)
	return env
}

func imageOf(t *testing.T, env *Env, kind string) (workspace.Artifact, string) {
	t.Helper()
	dir := env.WS.BuildDir("1.2", "x86_64")
	meta, err := workspace.ReadMeta(dir)
	if err != nil {
		t.Fatal(err)
	}
	return meta.Images[kind], filepath.Join(dir, meta.Images[kind].Path)
}

// An image for OpenStack is made of the qemu image, and made again with the same bytes, be the
// qemu image compressed meanwhile or not.
func TestPlatformImage(t *testing.T) {
	env := withQEMUImage(t)
	dir := env.WS.BuildDir("1.2", "x86_64")
	op := func() *PlatformImage {
		return &PlatformImage{From: "qemu", DiskImage: DiskImage{Build: "1.2", Type: "openstack"}}
	}
	if err := op().Run(t.Context(), env, env.Reporter("openstack")); err != nil {
		t.Fatal(err)
	}
	first, path := imageOf(t, env, "openstack")
	if want := "nestos-1.2-openstack.x86_64.qcow2"; first.Path != want {
		t.Errorf("%s, want %s", first.Path, want)
	}
	if diff := cmp.Diff("title T\noptions ostree=/o ignition.platform.id=openstack console=ttyS0 console=tty0\n", bootOf(t, path)); diff != "" {
		t.Error(diff)
	}
	if reason, err := op().Skip(t.Context(), env); reason != "is there: "+first.Path || err != nil {
		t.Errorf("it is there: %q, %v", reason, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o444 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := os.Stat(filepath.Join(dir, "."+first.Path)); err == nil {
		t.Error("something is left")
	}
	for _, packed := range []bool{false, true} {
		if packed {
			if err := Compress(t.Context(), env, CompressRequest{Build: "1.2", Artifacts: []string{"qemu"}, Compressor: Zstd}); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(env.Work(), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := op().Run(t.Context(), env, env.Reporter("openstack")); err != nil {
			t.Fatalf("again, packed %v: %v", packed, err)
		}
		if again, _ := imageOf(t, env, "openstack"); again.SHA256 != first.SHA256 {
			t.Errorf("again, packed %v: other bytes", packed)
		}
	}
}

// What may go wrong leaves neither an image nor a record.
func TestPlatformImageRefuses(t *testing.T) {
	env := withQEMUImage(t)
	source, path := imageOf(t, env, "qemu")
	dir := filepath.Dir(path)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	platforms, err := os.ReadFile(filepath.Join(dir, PlatformsFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(whole)
	bad[len(bad)/2] ^= 1
	for _, tt := range []struct {
		name            string
		image           []byte
		platforms, want string
	}{
		{"a damaged source", bad, string(platforms), "meta.json says sha256 " + source.SHA256},
		{"other platforms", whole, `{"qemu": {"kernel_arguments": ["quiet"]}}`, `has no "quiet"`},
		{"platforms that are none", whole, `{`, "platforms.json"},
		{"no source", nil, string(platforms), "no such file"},
	} {
		if err := errors.Join(os.WriteFile(path, tt.image, 0o644), os.WriteFile(filepath.Join(dir, PlatformsFile), []byte(tt.platforms), 0o644)); err != nil {
			t.Fatal(err)
		}
		if tt.image == nil {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		op := &PlatformImage{From: "qemu", DiskImage: DiskImage{Build: "1.2", Type: "openstack"}}
		err := op.Run(t.Context(), env, env.Reporter("openstack"))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
		if a, _ := imageOf(t, env, "openstack"); a.Path != "" {
			t.Errorf("%s: recorded as %s", tt.name, a.Path)
		}
	}
	if diff := cmp.Diff("platforms.json meta.json", visibleImages(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// visibleImages lists what is in a build's directory besides its archive and locks.
func visibleImages(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	for _, name := range []string{PlatformsFile, workspace.MetaFile, "nestos-1.2-qemu.x86_64.qcow2", "nestos-1.2-openstack.x86_64.qcow2"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// The source is not changed by another job while it is read, and one who has it is waited for.
func TestPlatformImageLocks(t *testing.T) {
	env := withQEMUImage(t)
	env.NoWait = true
	file := workspace.ArtifactFile{ID: "1.2", Arch: "x86_64", Type: "qemu"}
	l, err := env.WS.LockImage(t.Context(), file, workspace.LockOptions{Kind: lock.Exclusive, Holder: "another"})
	if err != nil {
		t.Fatal(err)
	}
	op := &PlatformImage{From: "qemu", DiskImage: DiskImage{Build: "1.2", Type: "openstack"}}
	if err := op.Run(t.Context(), env, env.Reporter("openstack")); !errors.Is(err, workspace.ErrLocked) {
		t.Errorf("%v, want %v", err, workspace.ErrLocked)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	shared, err := env.WS.LockImage(t.Context(), file, workspace.LockOptions{Kind: lock.Shared})
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	if err := op.Run(t.Context(), env, env.Reporter("openstack")); err != nil {
		t.Errorf("beside one who reads it: %v", err)
	}
}

func TestImageSteps(t *testing.T) {
	for _, tt := range []struct {
		types []string
		force bool
		want  string
	}{
		{[]string{"qemu", "metal"}, false, "qemu<import metal<import"},
		{[]string{"openstack"}, false, "qemu<import openstack<qemu"},
		{[]string{"openstack"}, true, "qemu<import openstack!<qemu"},
		{[]string{"openstack", "metal", "qemu"}, true, "qemu!<import openstack!<qemu metal!<import"},
		{[]string{"qemu", "openstack"}, false, "qemu<import openstack<qemu"},
		{[]string{"ostree"}, false, "ostree is no disk image"},
		{[]string{"nothing"}, false, `artifact "nothing"`},
	} {
		plan, err := imageSteps(tt.types, DiskImage{Force: tt.force}, "import")
		var words []string
		for _, s := range plan {
			force := map[bool]string{true: "!"}
			switch op := s.Op.(type) {
			case *DiskImage:
				words = append(words, op.Type+force[op.Force]+"<"+s.Needs[0])
			case *PlatformImage:
				words = append(words, op.Type+force[op.Force]+"<"+s.Needs[0])
			}
		}
		got := strings.Join(words, " ")
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, tt.want) {
			t.Errorf("%v: %s, want %s", tt.types, got, tt.want)
		}
	}
}

// The example of the documentation makes an image as it stands there.
func TestPlatformExample(t *testing.T) {
	text, err := os.ReadFile("../docs/platforms.md")
	if err != nil {
		t.Fatal(err)
	}
	kind := exampleRow(t, fenced(t, string(text), "go"))
	config := filepath.Join(t.TempDir(), "platforms.yaml")
	put(t, config, fenced(t, string(text), "yaml"))
	if lines := strings.Count(fenced(t, string(text), "go")+fenced(t, string(text), "yaml"), "\n"); lines > 20 {
		t.Errorf("the example has %d lines", lines)
	}
	platforms, problems := workspace.LoadPlatforms(config, "x86_64", "")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	platforms.ByName["qemu"] = workspace.Platform{Kargs: []string{"quiet"}}
	work := t.TempDir()
	from := filepath.Join(work, "qemu.qcow2")
	qemuImage(t, from, "quiet")
	move, err := transplantOf(kind, platforms, "example.qcow2")
	if err != nil {
		t.Fatal(err)
	}
	move.from, move.work = from, filepath.Join(work, "work")
	made, err := move.run(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("title T\noptions ostree=/o ignition.platform.id=nutanix console=tty0 console=ttyS0,115200n8\n", bootOf(t, made)); diff != "" {
		t.Error(diff)
	}
	meta := workspace.Meta{
		BuildID: "1", Name: "n", Commit: sha(nil), ContentChecksum: sha(nil), InputHash: sha(nil), Version: "1", CommitTimestamp: "2026-11-20T12:00:00Z",
		Images: map[string]workspace.Artifact{"ostree": {Path: "o", SHA256: sha(nil)}, kind.Key: {Path: "n", SHA256: sha(nil)}},
	}
	if err := workspace.WriteMeta(t.Context(), work, meta, time.Now()); err != nil {
		t.Errorf("meta.json refuses it: %v", err)
	}
	if _, err := transplantOf(workspace.ArtifactType{Key: "x", From: "metal", Pattern: "x.qcow2", SectorSize: 512}, platforms, "x.qcow2"); err == nil {
		t.Error("a qcow2 out of a raw disk")
	}
}

// fenced gives the first block of that language in a Markdown text.
func fenced(t *testing.T, text, language string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "```"+language+"\n")
	block, _, end := strings.Cut(rest, "```")
	if !ok || !end {
		t.Fatalf("no block of %s", language)
	}
	return block
}

// exampleRow reads a row of the table of artifacts.
func exampleRow(t *testing.T, text string) (kind workspace.ArtifactType) {
	t.Helper()
	e, err := parser.ParseExprFrom(token.NewFileSet(), "row", "[]T{\n"+text+"}", 0)
	if err != nil {
		t.Fatal(err)
	}
	fields := reflect.ValueOf(&kind).Elem()
	for _, f := range e.(*ast.CompositeLit).Elts[0].(*ast.CompositeLit).Elts {
		pair := f.(*ast.KeyValueExpr)
		into := fields.FieldByName(pair.Key.(*ast.Ident).Name)
		if into.Kind() == reflect.Bool {
			into.SetBool(pair.Value.(*ast.Ident).Name == "true")
			continue
		}
		value := pair.Value.(*ast.BasicLit).Value
		if into.Kind() == reflect.String {
			if value, err = strconv.Unquote(value); err != nil {
				t.Fatal(err)
			}
			into.SetString(value)
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		into.SetInt(n)
	}
	return kind
}
