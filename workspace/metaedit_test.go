package workspace_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace"
)

// metaDir is a directory with the meta.json of a build.
func metaDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	m := testMeta("1.2", "x86_64", day(2))
	m.ConfigGit = &workspace.Git{Commit: strings.Repeat("c", 40), Origin: "unknown", Branch: "main"}
	m.PkgDiff = json.RawMessage(`[["podman",2,{}]]`)
	m.Extra = map[string]json.RawMessage{"from-the-future": json.RawMessage(`{"n":12345678901234567890}`)}
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "meta.json"), string(data))
	return dir
}

func TestMetaTreeGet(t *testing.T) {
	tree, err := workspace.ReadMetaTree(metaDir(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		key  string
		want any // nil: not there
	}{
		{"buildid", "1.2"},
		{"coreos-assembler.basearch", "x86_64"},
		{"coreos-assembler.container-config-git.branch", "main"},
		{"images.ostree.path", "nestos-1.2-ostree.x86_64.ociarchive"},
		{"pkgdiff.0.0", "podman"},
		{"pkgdiff.0.1", json.Number("2")},
		{"from-the-future.n", json.Number("12345678901234567890")},
		{"pkgdiff.1", nil},
		{"pkgdiff.x", nil},
		{"images.ostree.path.x", nil},
		{"coreos-assembler", nil},
		{"nope", nil},
		{"", nil},
	} {
		got, err := tree.Get(tt.key)
		if _, missing := errors.AsType[*workspace.NoMetaKeyError](err); missing != (tt.want == nil) || err != nil && !missing {
			t.Errorf("%s: %v", tt.key, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.key, diff)
		}
	}
}

func TestSetMeta(t *testing.T) {
	sum := strings.Repeat("a", 64)
	for _, tt := range []struct {
		name   string
		values []workspace.MetaValue
		skip   bool
		want   string // part of the error; empty is none
	}{
		{"text", []workspace.MetaValue{{"summary", "x=y & z"}}, false, ""},
		{"several, one below an object that is not there", []workspace.MetaValue{{"images.metal.path", "m.raw"}, {"images.metal.sha256", sum}, {"images.metal.size", 7}}, false, ""},
		{"joined key", []workspace.MetaValue{{"coreos-assembler.container-config-git.dirty", "true"}}, false, ""},
		{"bool", []workspace.MetaValue{{"images.ostree.skip-compression", true}}, false, ""},
		{"unknown key", []workspace.MetaValue{{"nope.x", "y"}}, false, "nope"},
		{"unknown key, unchecked", []workspace.MetaValue{{"nope.x", "y"}}, true, ""},
		{"wrong type", []workspace.MetaValue{{"images.ostree.size", "big"}}, false, "size cannot be a string"},
		{"half an artifact", []workspace.MetaValue{{"summary", "s"}, {"images.metal.path", "m.raw"}}, false, "sha256"},
		{"below a text", []workspace.MetaValue{{"buildid.x", "y"}}, false, "buildid is there and no object"},
		{"empty word", []workspace.MetaValue{{"images..x", "y"}}, false, "want words with dots"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := metaDir(t)
			before := readFile(t, filepath.Join(dir, "meta.json"))
			err := workspace.SetMeta(t.Context(), dir, workspace.EditOptions{Now: day(5), NoCheck: tt.skip}, tt.values...)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %s", err, tt.want)
				}
				if readFile(t, filepath.Join(dir, "meta.json")) != before {
					t.Error("the file was changed")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			tree, err := workspace.ReadMetaTree(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range tt.values {
				want := v.Value
				if _, ok := want.(int); ok {
					want = json.Number("7")
				}
				if got, err := tree.Get(v.Key); err != nil || got != want {
					t.Errorf("%s: %v, %v", v.Key, got, err)
				}
			}
			if got, _ := tree.Get("from-the-future.n"); got != json.Number("12345678901234567890") {
				t.Errorf("what nosa does not know became %v", got)
			}
			if got, _ := tree.Get("coreos-assembler.meta-stamp"); got != json.Number("1793880000000000000") {
				t.Errorf("stamp %v", got)
			}
		})
	}
}

func TestMergeMetaFile(t *testing.T) {
	sum := strings.Repeat("a", 64)
	for _, tt := range []struct {
		name, item, artifact string
		want                 map[string]string
		err                  string
	}{
		{
			"part of a record", `{"images": {"metal": {"path": "m", "sha256": "` + sum + `"}}, "summary": "new"}`, "",
			map[string]string{"images.metal.path": "m", "images.ostree.path": "nestos-1.2-ostree.x86_64.ociarchive", "summary": "new"},
			"",
		},
		{"one artifact", `{"images": {"metal": {"path": "m", "sha256": "` + sum + `"}}, "summary": "new"}`, "metal", map[string]string{"images.metal.path": "m", "summary": ""}, ""},
		{"artifact that is not in it", `{"summary": "new"}`, "metal", nil, "it has no record of metal"},
		{"of another build", `{"ostree-commit": "` + sum + `"}`, "", nil, "not the same build"},
		{"no JSON", `{`, "", nil, "item.json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := metaDir(t)
			item := filepath.Join(t.TempDir(), "item.json")
			writeFile(t, item, tt.item)
			err := workspace.MergeMetaFile(t.Context(), dir, workspace.EditOptions{Now: day(5)}, workspace.MergeFile{Path: item, Artifact: tt.artifact})
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			tree, err := workspace.ReadMetaTree(dir)
			if err != nil {
				t.Fatal(err)
			}
			for key, want := range tt.want {
				if got, _ := tree.Get(key); got != want && (want != "" || got != nil) {
					t.Errorf("%s: got %v, want %s", key, got, want)
				}
			}
		})
	}
}

func TestCheckMetaFile(t *testing.T) {
	dir := metaDir(t)
	if _, err := workspace.CheckMetaFile(dir, "1.2", "x86_64"); err != nil {
		t.Errorf("unknown keys are no error: %v", err)
	}
	if _, err := workspace.CheckMetaFile(dir, "1.3", "x86_64"); err == nil || !strings.Contains(err.Error(), `build "1.2"`) {
		t.Errorf("of another build: %v", err)
	}
	if _, err := workspace.CheckMetaFile(dir, "1.2", "aarch64"); err == nil || !strings.Contains(err.Error(), "x86_64") {
		t.Errorf("of another architecture: %v", err)
	}
	path := filepath.Join(dir, "meta.json")
	writeFile(t, path, strings.Replace(readFile(t, path), `"ostree-commit":"`, `"ostree-commit":"no`, 1))
	if _, err := workspace.CheckMetaFile(dir, "1.2", "x86_64"); err == nil || !strings.Contains(err.Error(), "ostree-commit") {
		t.Errorf("not as the schema has it: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := workspace.CheckMetaFile(dir, "1.2", "x86_64"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("gone: %v", err)
	}
}
