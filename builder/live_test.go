package builder

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/builder/live"
	"github.com/nestos/nosa/workspace"
)

// keepConfig writes a build's copy of its config; a text "-> x" is a link.
func keepConfig(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	tw := tar.NewWriter(zip)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text := files[name]
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			h, text = &tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target}, ""
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tw.Close(), zip.Close(), os.WriteFile(filepath.Join(dir, workspace.ConfigArchiveFile), out.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// The working tree has nothing to do with what an ISO boots with.
func TestLiveFiles(t *testing.T) {
	dir := t.TempDir()
	keepConfig(t, dir, map[string]string{"live/zipl.prm": "z", "live/EFI/nestos/grub.cfg": "g", "live/README-devel.md": "r", "manifest.yaml": "m", "alive/x": "x"})
	got, err := liveFiles(dir, "1.2")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]live.File{{Name: "EFI/nestos/grub.cfg", Data: []byte("g")}, {Name: "zipl.prm", Data: []byte("z")}}, got); diff != "" {
		t.Error(diff)
	}
	for want, files := range map[string]map[string]string{
		"the config of build 1.2 has no directory live/": {"manifest.yaml": "m"},
		"live/x is a symbolic link":                      {"live/x": "-> y"},
		"live/x is larger than 1.00 MiB":                 {"live/x": strings.Repeat("x", keptFileMost+1)},
	} {
		keepConfig(t, dir, files)
		if _, err := liveFiles(dir, "1.2"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := liveFiles(t.TempDir(), "1.2"); err == nil || !strings.Contains(err.Error(), "build 1.2 keeps no config (coreos-assembler-config.tar.gz)") {
		t.Errorf("a build without: %v", err)
	}
}

func TestLiveChanged(t *testing.T) {
	large := strings.Repeat("x", keptFileMost+1)
	for _, tt := range []struct {
		name      string
		kept, now map[string]string
		want      bool
	}{
		{"neither has one", map[string]string{"manifest.yaml": "m"}, nil, false},
		{"the same", map[string]string{"live/a/b": "x"}, map[string]string{"a/b": "x"}, false},
		{"the same, large", map[string]string{"live/a": large}, map[string]string{"a": large}, false},
		{"another text", map[string]string{"live/a/b": "x"}, map[string]string{"a/b": "y"}, true},
		{"a file more", map[string]string{"live/a": "x"}, map[string]string{"a": "x", "b": ""}, true},
		{"gone", map[string]string{"live/a": "x"}, nil, true},
		{"the readme", map[string]string{"live/a": "x", "live/README-devel.md": "r"}, map[string]string{"a": "x", "README-devel.md": "s"}, false},
	} {
		dir, config := t.TempDir(), t.TempDir()
		keepConfig(t, dir, tt.kept)
		for name, text := range tt.now {
			name = filepath.Join(config, "live", name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := liveChanged(config, dir); got != tt.want || err != nil {
			t.Errorf("%s: %v, %v", tt.name, got, err)
		}
	}
	if got, err := liveChanged(t.TempDir(), t.TempDir()); got || err != nil {
		t.Errorf("a build that keeps no config: %v, %v", got, err)
	}
}

// What can be known to be wrong is said before any work.
func TestPlanLive(t *testing.T) {
	env, _ := builtOnce(t, nil)
	dir := env.WS.BuildDir("1.2", "x86_64")
	change := func(f func(m *workspace.Meta)) {
		t.Helper()
		if err := workspace.UpdateMeta(t.Context(), dir, env.Now(), func(m *workspace.Meta) error { f(m); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := PlanLive(env, LiveRequest{Build: "1.2"}); err == nil || !strings.Contains(err.Error(), "keeps no config") {
		t.Errorf("no config: %v", err)
	}
	keepConfig(t, dir, map[string]string{"live/zipl.prm": "z"})
	steps := func(req LiveRequest) string {
		t.Helper()
		req.Build = "1.2"
		plan, err := PlanLive(env, req)
		if err != nil {
			t.Fatal(err)
		}
		if err := plan.Check(); err != nil {
			t.Error(err)
		}
		var names []string
		for _, s := range plan {
			names = append(names, s.Name)
		}
		return strings.Join(names, " ")
	}
	const all, without = "import rootfs metal metal4k osmet initrd iso", "import rootfs metal osmet initrd iso"
	if got := steps(LiveRequest{}); got != all {
		t.Error(got)
	}
	if got := steps(LiveRequest{Fast: true}); got != without {
		t.Error(got)
	}

	// What is there is not made again; what is gone is made as it was.
	images := map[string]workspace.Artifact{"ostree": {Path: "o", SHA256: strings.Repeat("0a", 32)}}
	for _, kind := range liveTypes() {
		images[kind] = workspace.Artifact{Path: kind, SHA256: strings.Repeat("0a", 32)}
		if err := os.WriteFile(filepath.Join(dir, kind), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	change(func(m *workspace.Meta) {
		m.Images = images
		m.Extra = map[string]json.RawMessage{liveKey: json.RawMessage(`{"compressor":"gzip","level":1,"block":131072,"fast":true,"images":["metal"]}`)}
	})
	described := func(req LiveRequest) string {
		t.Helper()
		req.Build = "1.2"
		plan, err := PlanLive(env, req)
		if err != nil {
			t.Fatal(err)
		}
		rootfs := plan[1]
		rootfs.Needs = nil // the commit, which this build has not
		list, err := Plan{rootfs}.Describe(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		return string(list[0].State) + " " + list[0].Reason
	}
	if got := described(LiveRequest{}); got != "skip is there: live-iso" {
		t.Error(got)
	}
	if got := described(LiveRequest{Force: true}); got != "run " {
		t.Error(got)
	}
	if err := os.Remove(filepath.Join(dir, "live-kernel")); err != nil {
		t.Fatal(err)
	}
	if got := described(LiveRequest{}); got != "run " {
		t.Error(got)
	}
	if got := steps(LiveRequest{}); got != without {
		t.Error("not as it was: " + got)
	}
	if got := steps(LiveRequest{Force: true}); got != all {
		t.Error(got)
	}

	change(func(m *workspace.Meta) { m.Name = "a-name-of-a-system-that-is-long" })
	want := `build 1.2: volume id "a-name-of-a-system-that-is-long-1.2": it has 35 bytes, an ISO's has room for 32: a shorter name or version is needed`
	if _, err := PlanLive(env, LiveRequest{Build: "1.2"}); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("a long name: %v", err)
	}
}

// What is wrong with live/ is said of a config, not first when an ISO is made.
func TestReviewLive(t *testing.T) {
	const area = "@@KERNEL-ARGS@@ x\n#### NESTOS_KARG_EMBED_AREA\n"
	for _, tt := range []struct {
		name  string
		files map[string]string // a text "-> x" is a link
		want  []string
	}{
		{"none", nil, nil},
		{"whole", map[string]string{"EFI/a/grub.cfg": area, "isolinux/isolinux.cfg": area, "README-devel.md": "\x00"}, nil},
		{"for a BIOS only", map[string]string{"isolinux/isolinux.cfg": area}, []string{"live there is no EFI/VENDOR/grub.cfg, so the ISO would not start with UEFI"}},
		{"two vendors", map[string]string{"EFI/a/grub.cfg": area, "EFI/b/grub.cfg": area}, []string{"live live/EFI: want one directory, got a and b"}},
		{"arguments that differ", map[string]string{"EFI/a/grub.cfg": area, "zipl.prm": "@@KERNEL-ARGS@@ y\n#### NESTOS_KARG_EMBED_AREA\n"}, []string{
			"live/zipl.prm its kernel arguments and the room for them are not those of live/EFI/a/grub.cfg, which they must be",
		}},
		{"a link and something large", map[string]string{"EFI/a/grub.cfg": "-> x", "y": strings.Repeat("y", keptFileMost+1)}, []string{
			"live/EFI/a/grub.cfg it is no file; the ISO gets files only", "live/y it is larger than 1 MiB",
		}},
	} {
		dir := t.TempDir()
		for name, text := range tt.files {
			name = filepath.Join(dir, "live", name)
			err := os.MkdirAll(filepath.Dir(name), 0o755)
			if target, ok := strings.CutPrefix(text, "-> "); ok {
				err = errors.Join(err, os.Symlink(target, name))
			} else {
				err = errors.Join(err, os.WriteFile(name, []byte(text), 0o644))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for _, d := range (&Config{}).reviewLive(ConfigFiles{Dir: dir, Root: dir}) {
			got = append(got, d.File+" "+d.Message)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}
