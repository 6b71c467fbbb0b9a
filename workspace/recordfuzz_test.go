package workspace_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/nestos/nosa/workspace"
)

// rewritten fails when a record that is read and written again loses a key, or
// is another one the second time.
func rewritten[T any](t *testing.T, data []byte) {
	t.Helper()
	var record T
	if json.Unmarshal(data, &record) != nil {
		return
	}
	once, err := json.Marshal(record)
	if err != nil {
		t.Fatalf("%q: %v", data, err)
	}
	var again T
	if err := json.Unmarshal(once, &again); err != nil {
		t.Fatalf("%q became %q: %v", data, once, err)
	}
	twice, err := json.Marshal(again)
	if err != nil || !bytes.Equal(once, twice) {
		t.Fatalf("%q became %q, then %q, %v", data, once, twice, err)
	}
	var before, after map[string]json.RawMessage
	if json.Unmarshal(data, &before) != nil || json.Unmarshal(once, &after) != nil {
		t.Fatalf("%q became %q", data, once)
	}
	for key := range before {
		if _, kept := after[key]; !kept {
			t.Fatalf("%q lost %q: %q", data, key, once)
		}
	}
}

// FuzzIndex: builds.json of any tool keeps all its keys and entries.
func FuzzIndex(f *testing.F) {
	for _, seed := range []string{
		`{"builds": [{"id": "1.0", "arches": ["x86_64"], "x": 1}], "schema-version": "1.0.0", "timestamp": "t", "tags": [{"name": "a", "target": "1.0"}]}`,
		`{"builds": [{"id": "../x"}, null, 5, {"id": "1", "arches": null}], "y": {"z": []}}`, `{"builds": {}}`, `null`, `{"BUILDS": []}`, `{"builds": [], "builds": [{"id": "1"}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) { rewritten[workspace.Index](t, data) })
}

// FuzzMeta: meta.json of any tool keeps all its keys, also when nosa writes it
// to the disk and reads it back.
func FuzzMeta(f *testing.F) {
	for _, seed := range []string{
		`{"buildid": "1", "name": "n", "images": {"qemu": {"path": "p", "sha256": "s", "size": 5, "x": [1]}}, "coreos-assembler.meta-stamp": 1700000000000000000, "pkgdiff": [["a", 2, {}]]}`,
		`{"images": {"a": null}, "ostree-n-metadata-total": 0, "coreos-assembler.container-config-git": {"commit": "c", "dirty": "true", "file": {}}}`, `{"coreos-assembler.meta-stamp": "x"}`, `{"name": 1}`, `[]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rewritten[workspace.Meta](t, data)
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "meta.json"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := workspace.ReadMeta(dir); err == nil && !json.Valid(data) {
			t.Fatalf("%q was read", data)
		}
	})
}
