package workspace_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace"
)

func TestMetaIsWhatOthersRead(t *testing.T) {
	dir := t.TempDir()
	m := testMeta("24.03-LTS.20261102.0", "x86_64", day(2))
	m.Summary, m.Ref = "NestOS stable", "openEuler/x86_64/nestos/stable"
	m.ConfigGit = &workspace.Git{Commit: strings.Repeat("c", 40), Origin: "https://example.org/config?a=1&b=2", Branch: "master", Dirty: "false"}
	m.ConfigDirty, m.Engine, m.Rootfs = "false", "dnf", "ext4"
	m.PkgDiff = json.RawMessage(`[["podman",2,{"PreviousPackage":["podman","2:1.8.1-1","x86_64"],"NewPackage":["podman","2:1.8.1-2","x86_64"]}]]`)
	if err := workspace.WriteMeta(t.Context(), dir, m, day(3)); err != nil {
		t.Fatal(err)
	}
	add := map[string]workspace.Artifact{"live-iso": {Path: "nestos-24.03-LTS.20261102.0-live.x86_64.iso", SHA256: hash, SkipCompression: true}}
	if err := workspace.AddArtifact(t.Context(), dir, day(4), add); err != nil {
		t.Fatal(err)
	}
	golden(t, "meta.json", readFile(t, filepath.Join(dir, "meta.json")))
	got, err := workspace.ReadMeta(dir)
	if err != nil {
		t.Fatal(err)
	}
	m.Images["live-iso"] = add["live-iso"]
	m.Stamp = "1793793600000000000"
	m.PkgDiff, got.PkgDiff = nil, nil // indented by the writer
	if diff := cmp.Diff(m, got); diff != "" {
		t.Error(diff)
	}
}

// golden compares got with testdata/NAME.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("NOSA_UPDATE_GOLDEN") != "" {
		writeFile(t, path, got)
	}
	if diff := cmp.Diff(readFile(t, path), got); diff != "" {
		t.Errorf("%s: %s", path, diff)
	}
}

func TestCheckMeta(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*workspace.Meta)
		want string // part of the error; empty is none
	}{
		{"as made", func(*workspace.Meta) {}, ""},
		{"our own further key", func(m *workspace.Meta) { m.Extra = raw("nosa.parent-epoch", `7`) }, ""},
		{"a cloud's key", func(m *workspace.Meta) { m.Extra = raw("amis", `[{"name":"r","hvm":"a","snapshot":"s"}]`) }, ""},
		{"unknown key", func(m *workspace.Meta) { m.Extra = raw("colour", `1`) }, "'colour' not allowed"},
		{"no commit", func(m *workspace.Meta) { m.Commit = "" }, "/ostree-commit"},
		{"short checksum", func(m *workspace.Meta) { m.Images["qemu"] = workspace.Artifact{Path: "x", SHA256: "12"} }, "/images/qemu/sha256"},
		{"path with a slash", func(m *workspace.Meta) { m.Images["qemu"] = workspace.Artifact{Path: "../x", SHA256: hash} }, "/images/qemu/path"},
		{"unknown image", func(m *workspace.Meta) { m.Images["floppy"] = workspace.Artifact{Path: "x", SHA256: hash} }, "'floppy' not allowed"},
		{"no ostree", func(m *workspace.Meta) { m.Images = map[string]workspace.Artifact{"qemu": {Path: "x", SHA256: hash}} }, "ostree"},
		{"id as a path", func(m *workspace.Meta) { m.BuildID = "a/b" }, "/buildid"},
		{"dirty as a word", func(m *workspace.Meta) { m.ConfigDirty = "yes" }, "config-dirty"},
		{"local time", func(m *workspace.Meta) { m.CommitTimestamp = "2026-01-01T00:00:00+01:00" }, "/ostree-timestamp"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := testMeta("40.1", "x86_64", day(2))
			tt.edit(&m)
			err := workspace.CheckMeta(m)
			var invalid *workspace.InvalidMeta
			if errors.As(err, &invalid) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("CheckMeta = %v, want %q", err, tt.want)
			}
			dir := t.TempDir()
			if err := workspace.WriteMeta(t.Context(), dir, m, day(2)); (err == nil) != (tt.want == "") {
				t.Errorf("WriteMeta = %v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "meta.json")); (err == nil) != (tt.want == "") {
				t.Errorf("the file: %v", err)
			}
		})
	}
}

func raw(key, value string) map[string]json.RawMessage {
	return map[string]json.RawMessage{key: json.RawMessage(value)}
}

// What another version of the tool wrote, at any depth, outlives our writes;
// new keys of our own making do not pass.
func TestUnknownKeysSurvive(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "meta.json"), `{"buildid":"40.1","name":"nestos","ostree-version":"40.1","ostree-timestamp":"2026-01-01T00:00:00Z",
"ostree-commit":"`+hash+`","ostree-content-checksum":"`+hash+`","rpm-ostree-inputhash":"`+hash+`",
"future.key":{"n":12345678901234567890},"coreos-assembler.image-genver":0,"coreos-assembler.meta-stamp":1583972325.25,
"coreos-assembler.container-config-git":{"commit":"abcdef","origin":"o","lfs":true},
"images":{"ostree":{"path":"p","sha256":"`+hash+`","signed":"yes"},"proxmoxve":{"path":"q","sha256":"`+hash+`"}}}`)
	add := map[string]workspace.Artifact{"qemu": {Path: "r", SHA256: hash}}
	if err := workspace.AddArtifact(t.Context(), dir, day(2), add); err != nil {
		t.Fatal(err)
	}
	text := readFile(t, filepath.Join(dir, "meta.json"))
	for _, want := range []string{`"n": 12345678901234567890`, `"lfs": true`, `"signed": "yes"`, `"proxmoxve"`, `"qemu"`, `"coreos-assembler.meta-stamp": 1793620800000000000`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is gone from\n%s", want, text)
		}
	}
	err := workspace.UpdateMeta(t.Context(), dir, day(3), func(m *workspace.Meta) error {
		m.Extra["other.key"] = json.RawMessage(`1`)
		return nil
	})
	var invalid *workspace.InvalidMeta
	if !errors.As(err, &invalid) || strings.Contains(err.Error(), "future.key") {
		t.Errorf("a new unknown key: %v", err)
	}
	if got := readFile(t, filepath.Join(dir, "meta.json")); got != text {
		t.Error("a refused write changed the file")
	}
}

func TestMergeMeta(t *testing.T) {
	disk := testMeta("40.1", "x86_64", day(2))
	disk.Stamp, disk.Summary = "2000000000000000000", "disk"
	disk.Images["qemu"] = workspace.Artifact{Path: "disk-qemu", SHA256: hash}
	disk.Extra = raw("amis", `[1,2]`)
	incoming := testMeta("40.1", "x86_64", day(2))
	incoming.Summary = "incoming"
	incoming.Images["metal"] = workspace.Artifact{Path: "metal", SHA256: hash}
	incoming.Images["qemu"] = workspace.Artifact{Path: "incoming-qemu", SHA256: hash, Size: 5}
	incoming.Extra = raw("amis", `[2,3]`)
	for _, tt := range []struct {
		name    string
		stamp   json.Number
		summary string
		images  map[string]string
		amis    string
	}{
		{"nobody wrote in between", "2000000000000000000", "incoming", map[string]string{"ostree": "ostree", "metal": "metal", "qemu": "incoming-qemu"}, `[2,3]`},
		{"the disk is newer", "1000000000000000000", "disk", map[string]string{"ostree": "ostree", "metal": "metal", "qemu": "disk-qemu"}, `[1,2,3]`},
		{"the incoming is newer", "3000000000000000000", "incoming", map[string]string{"ostree": "ostree", "metal": "metal", "qemu": "incoming-qemu"}, `[2,3,1]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := incoming
			in.Stamp = tt.stamp
			got, err := workspace.MergeMeta(disk, in)
			if err != nil {
				t.Fatal(err)
			}
			images := map[string]string{}
			for key, a := range got.Images {
				images[key] = a.Path
			}
			images["ostree"] = "ostree"
			if diff := cmp.Diff(tt.images, images); diff != "" {
				t.Error(diff)
			}
			if got.Summary != tt.summary || string(got.Extra["amis"]) != tt.amis {
				t.Errorf("summary %q, amis %s", got.Summary, got.Extra["amis"])
			}
		})
	}
}

func TestMergeMetaOfAnotherBuild(t *testing.T) {
	other := strings.Repeat("f", 64)
	for name, edit := range map[string]func(*workspace.Meta){
		"ostree-commit":                                func(m *workspace.Meta) { m.Commit = other },
		"ostree-content-checksum":                      func(m *workspace.Meta) { m.ContentChecksum = other },
		"coreos-assembler.image-config-checksum":       func(m *workspace.Meta) { m.ImageConfigChecksum = other },
		"coreos-assembler.container-config-git.commit": func(m *workspace.Meta) { m.ConfigGit = nil },
	} {
		disk := testMeta("40.1", "x86_64", day(2))
		disk.ImageConfigChecksum, disk.ConfigGit = hash, &workspace.Git{Commit: "abcdef", Origin: "o"}
		in := disk
		edit(&in)
		_, err := workspace.MergeMeta(disk, in)
		var conflict *workspace.MergeConflict
		if !errors.As(err, &conflict) || conflict.Key != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestArtifactsOfSeveralWriters(t *testing.T) {
	dir := t.TempDir()
	if err := workspace.WriteMeta(t.Context(), dir, testMeta("40.1", "x86_64", day(2)), day(2)); err != nil {
		t.Fatal(err)
	}
	keys := []string{"qemu", "metal", "metal4k", "openstack", "live-iso", "live-kernel"}
	var wg sync.WaitGroup
	for _, key := range keys {
		wg.Go(func() {
			add := map[string]workspace.Artifact{key: {Path: key, SHA256: hash}}
			if err := workspace.AddArtifact(t.Context(), dir, day(3), add); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	m, err := workspace.ReadMeta(dir)
	if err != nil || len(m.Images) != len(keys)+1 {
		t.Fatalf("%d images, %v", len(m.Images), err)
	}
	if m.Stamp != "1793707200000000005" {
		t.Errorf("stamp %s: want it to grow with every write of the same moment", m.Stamp)
	}
}

func TestArtifactNames(t *testing.T) {
	var b strings.Builder
	for _, arch := range workspace.Arches() {
		for _, typ := range workspace.ArtifactTypes() {
			name, err := workspace.ArtifactFile{Name: "nestos", ID: "24.03-LTS.20240903.0", Arch: arch.Name, Type: typ.Key}.FileName()
			if err != nil {
				t.Fatal(err)
			}
			b.WriteString(typ.Key + " " + name + "\n")
		}
	}
	golden(t, "artifacts.txt", b.String())
	if _, err := (workspace.ArtifactFile{Type: "floppy"}).FileName(); err == nil {
		t.Error("an unknown type has a file name")
	}
}

func TestArchTable(t *testing.T) {
	data, err := json.MarshalIndent(workspace.Arches(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "arches.json", string(data)+"\n")
	if _, err := workspace.FindArch("riscv64"); err == nil {
		t.Error("riscv64 is supported")
	}
}
