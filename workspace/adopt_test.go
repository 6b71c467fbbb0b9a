package workspace_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace"
)

const (
	oldID  = "24.03-LTS.20240902.3"
	newID  = "24.03-LTS.20240903.0"
	genID  = "24.03-LTS.20240903.0-1" // the same commit, other image inputs
	farID  = "24.03-LTS.20240801.0"   // known only from a remote store
	gitRev = "8f1d6c1c5b0b7c3a9d2e4f60718293a4b5c6d7e8"
)

// original makes a workspace as the original tools leave it, a crash and a
// lock that is never released included.
func original(t *testing.T) *workspace.Workspace {
	t.Helper()
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, name), text)
	}
	put("builds/builds.json", `{
    "schema-version": "1.0.0",
    "builds": [
        {"id": "`+genID+`", "arches": ["x86_64"]},
        {"id": "`+newID+`", "arches": ["x86_64", "aarch64"], "policy-cleanup": ["cloud-uploads"]},
        {"id": "`+oldID+`", "arches": ["x86_64"]},
        {"id": "`+farID+`", "arches": ["aarch64"]}
    ],
    "tags": [{"name": "beta", "created": "2024-09-02T08:00:00Z", "target": "`+oldID+`"}],
    "timestamp": "2024-09-03T06:21:10Z"
}
`)
	for id, minute := range map[string]string{oldID: "2024-09-02T07:50", newID: "2024-09-03T06:12", genID: "2024-09-03T06:21"} {
		at := "builds/" + id + "/x86_64/"
		put(at+"meta.json", originalMeta(id, minute))
		put(at+"commitmeta.json", `{"version": "`+id+`", "rpmostree.rpmdb.pkglist": [["bash", "0", "5.2.15", "9.oe2403", "x86_64"]], "rpmostree.inputhash": "`+hash+`"}`)
		put(at+"ostree-commit-object", "\x00commit")
		put(at+"coreos-assembler-config-git.json", `{"date": "`+minute+`:00Z", "git": {"commit": "`+gitRev+`", "origin": "https://example.org/c.git", "branch": "master", "dirty": "false"}}`)
		put(at+"coreos-assembler-config.tar.gz", "gz")
		put(at+"manifest-lock.generated.x86_64.json", `{"packages": {"bash": {"evra": "5.2.15-9.oe2403.x86_64"}}}`)
		put(at+"nestos-"+id+"-ostree.x86_64.ociarchive", "archive")
		put(at+"nestos-"+id+"-ostree.x86_64-manifest.json", "{}")
		put(at+"nestos-"+id+"-qemu.x86_64.qcow2.xz", "image")
		put(at+".meta.json.lock", "host|4242|/srv/builds/.meta.json.lock")
	}
	put("builds/"+newID+"/aarch64/meta.json", strings.ReplaceAll(originalMeta(newID, "2024-09-03T06:10"), "x86_64", "aarch64"))
	put("builds/"+newID+"/release.json", "{}")
	put("builds/"+genID+"/x86_64/.qemu.building", "") // a killed buildextend-qemu
	put("builds/.builds.json.lock", "host|4242|/srv/builds/.builds.json.lock")
	put("builds/.insert-lock", "")
	put("builds/.build-commit", "")
	if err := os.Symlink(genID, filepath.Join(dir, "builds", "latest")); err != nil {
		t.Fatal(err)
	}
	put("src/config.json", `{"coreos-assembler.config-variant": "pool"}`)
	put("cache/fetched-stamp", "")
	put("cache/pkgcache-repo/config", "[core]\nrepo_version=1\nmode=bare-user\n")
	put("tmp/repo/config", "[core]\nrepo_version=1\nmode=archive-z2\n\n[archive]\nzlib-level=2\n")
	put("tmp/repo.import.lock", "")
	put("tmp/image.json", "{}")
	put("tmp/build/leftover", "")
	put("overrides/rpm/.keep", "")
	w, err := workspace.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// originalMeta is a record with the keys that the original's build, compress and
// release tools write.
func originalMeta(id, minute string) string {
	return `{
    "amis": [{"name": "us-east-1", "hvm": "ami-1", "snapshot": "snap-1"}],
    "buildid": "` + id + `",
    "coreos-assembler.basearch": "x86_64",
    "coreos-assembler.build-timestamp": "` + minute + `:00Z",
    "coreos-assembler.code-source": "container",
    "coreos-assembler.config-dirty": "false",
    "coreos-assembler.config-gitrev": "` + gitRev + `",
    "coreos-assembler.container-config-git": {"branch": "master", "commit": "` + gitRev + `", "dirty": "false", "origin": "https://example.org/c.git"},
    "coreos-assembler.container-image-git": {"branch": "HEAD", "commit": "` + gitRev + `", "dirty": "false", "origin": "https://example.org/nosa.git"},
    "coreos-assembler.delayed-meta-merge": false,
    "coreos-assembler.image-config-checksum": "` + hash + `",
    "coreos-assembler.image-genver": 0,
    "coreos-assembler.image-input-checksum": "` + hash + `",
    "coreos-assembler.meta-stamp": 1725343932148264427,
    "coreos-assembler.overrides-active": true,
    "fedora-coreos.parent-commit": "` + hash + `",
    "fedora-coreos.parent-version": "24.03-LTS.20240902.3",
    "images": {
        "azurestack": {"path": "nestos-` + id + `-azurestack.x86_64.vhd.xz", "sha256": "` + hash + `", "size": 5},
        "oci-manifest": {"path": "nestos-` + id + `-ostree.x86_64-manifest.json", "sha256": "` + hash + `", "size": 2, "skip-compression": true},
        "ostree": {"path": "nestos-` + id + `-ostree.x86_64.ociarchive", "sha256": "` + hash + `", "size": 7, "skip-compression": true},
        "qemu": {"path": "nestos-` + id + `-qemu.x86_64.qcow2.xz", "sha256": "` + hash + `", "size": 5, "uncompressed-sha256": "` + hash + `", "uncompressed-size": 2097152}
    },
    "name": "nestos",
    "oscontainer": {"image": "example.org/os", "digest": "sha256:` + hash + `"},
    "ostree-commit": "` + hash + `",
    "ostree-content-bytes-written": 1700000000,
    "ostree-content-checksum": "` + hash + `",
    "ostree-n-cache-hits": 0,
    "ostree-n-content-total": 21950,
    "ostree-n-content-written": 21000,
    "ostree-n-metadata-total": 7000,
    "ostree-n-metadata-written": 6500,
    "ostree-timestamp": "` + minute + `:00Z",
    "ostree-version": "` + id + `",
    "parent-pkgdiff": [],
    "pkgdiff": [["podman", 2, {"PreviousPackage": ["podman", "2:1.8.1-1", "x86_64"], "NewPackage": ["podman", "2:1.8.1-2", "x86_64"]}]],
    "ref": "nestos/x86_64/stable",
    "rpm-ostree-inputhash": "` + hash + `",
    "some-other-tool": {"a": [1, 2.5, null]},
    "summary": "NestOS"
}`
}

func document(t *testing.T, path string) map[string]any {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal([]byte(readFile(t, path)), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// A workspace of the original tools is read as it is, and changing it loses
// nothing that nosa does not know.
func TestOriginalWorkspace(t *testing.T) {
	w := original(t)
	if w.Variant != "pool" {
		t.Errorf("variant %q", w.Variant)
	}
	list, err := w.List()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range list {
		for _, a := range l.Arches {
			text := l.ID + " " + a.Arch
			for _, f := range a.Artifacts {
				text += " " + f.Type
			}
			got = append(got, text+map[bool]string{false: " elsewhere"}[a.Local]+a.Problem+strings.Join(l.Tags, ","))
		}
	}
	want := []string{
		genID + " x86_64 azurestack oci-manifest ostree qemu",
		newID + " x86_64 azurestack oci-manifest ostree qemu",
		newID + " aarch64 azurestack oci-manifest ostree qemu",
		oldID + " x86_64 azurestack oci-manifest ostree qemubeta",
		farID + " aarch64 elsewhere",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for name, id := range map[string]string{"latest": genID, "beta": oldID, newID: newID} {
		if got, err := w.Resolve(name, "x86_64"); err != nil || got != id {
			t.Errorf("%s is %q, %v; want %s", name, got, err, id)
		}
	}

	before := document(t, filepath.Join(w.Builds(), "builds.json"))
	if r, err := w.Repair(t.Context(), day(1)); err != nil || len(r.Inserted) > 0 || r.Relinked {
		t.Errorf("repair: %+v, %v", r, err)
	}
	publish(t, w, "24.03-LTS.20240904.0", "x86_64", day(2))
	after := document(t, filepath.Join(w.Builds(), "builds.json"))
	builds, _ := after["builds"].([]any)
	if len(builds) != 5 {
		t.Fatalf("%d builds", len(builds))
	}
	after["builds"], after["timestamp"] = builds[1:], before["timestamp"]
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the index lost something: %s", diff)
	}
	if link, err := os.Readlink(filepath.Join(w.Builds(), "latest")); err != nil || link != "24.03-LTS.20240904.0" {
		t.Errorf("latest points at %q, %v", link, err)
	}
}

// A record of the original is changed without losing what nosa does not know.
func TestOriginalRecord(t *testing.T) {
	w := original(t)
	dir := w.BuildDir(genID, "x86_64")
	before := document(t, filepath.Join(dir, "meta.json"))
	metal := workspace.Artifact{Path: "nestos-" + genID + "-metal.x86_64.raw", SHA256: hash, Size: 9}
	if err := workspace.AddArtifact(t.Context(), dir, day(1), map[string]workspace.Artifact{"metal": metal}); err != nil {
		t.Fatal(err)
	}
	after := document(t, filepath.Join(dir, "meta.json"))
	images, _ := after["images"].(map[string]any)
	if images["metal"] == nil {
		t.Error("the new artifact is not there")
	}
	delete(images, "metal")
	const stamp = "coreos-assembler.meta-stamp"
	if before[stamp] == after[stamp] {
		t.Error("the stamp is the old one")
	}
	delete(before, stamp)
	delete(after, stamp)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the record lost something: %s", diff)
	}
}

// What the original's own caches and marks are, nosa neither needs nor takes
// away but by clean, as the original does.
func TestOriginalLeftovers(t *testing.T) {
	w := original(t)
	theirs := []string{"tmp/repo/config", "cache/pkgcache-repo/config", "cache/fetched-stamp", "builds/.build-commit", "builds/.builds.json.lock", "tmp/build/leftover"}
	if _, err := w.Repair(t.Context(), day(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Prune(t.Context(), workspace.PruneOptions{KeepLast: 1, Now: day(1)}); err != nil {
		t.Fatal(err)
	}
	for _, name := range theirs {
		if _, err := os.Stat(filepath.Join(w.Dir, name)); err != nil {
			t.Error(err)
		}
	}
	x, err := w.ReadIndex()
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range x.Builds {
		ids = append(ids, e.ID)
	}
	// The tagged one stays, and what only the remote store has is not forgotten.
	if diff := cmp.Diff([]string{genID, oldID, farID}, ids); diff != "" {
		t.Error(diff)
	}
	if _, err := w.Clean(t.Context(), workspace.CleanOptions{Now: day(1)}); err != nil {
		t.Fatal(err)
	}
	for name, stays := range map[string]bool{
		"cache/pkgcache-repo/config": true, "src/config.json": true, "overrides/rpm/.keep": true, "builds/" + oldID + "/x86_64/meta.json": true,
		"tmp/repo": false, "tmp/build": false, "builds/" + genID: false,
	} {
		if _, err := os.Stat(filepath.Join(w.Dir, name)); (err == nil) != stays {
			t.Errorf("%s after clean: %v", name, err)
		}
	}
}

// A build that was copied here from elsewhere joins the index.
func TestOriginalBuildCopied(t *testing.T) {
	w := original(t)
	copied := "24.03-LTS.20240902.9"
	dir := w.BuildDir(copied, "x86_64")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "meta.json"), originalMeta(copied, "2024-09-02T23:59"))
	r, err := w.Repair(t.Context(), day(1))
	if diff := cmp.Diff([]string{copied + "/x86_64"}, r.Inserted); diff != "" || err != nil {
		t.Errorf("%s, %v", diff, err)
	}
	x, err := w.ReadIndex()
	if err != nil || x.Builds[2].ID != copied {
		t.Errorf("its place is not that of its age: %+v, %v", x.Builds, err)
	}
}

// One bad build, and whatever else lies in builds/, is in nobody's way.
func TestOddBuilds(t *testing.T) {
	w := original(t)
	at := func(name ...string) string { return filepath.Join(append([]string{w.Builds()}, name...)...) }
	breakage := map[string]func(){
		"no JSON":       func() { writeFile(t, at(genID, "x86_64", "meta.json"), `{"buildid": "`) },
		"empty":         func() { writeFile(t, at(genID, "x86_64", "meta.json"), "") },
		"another type":  func() { writeFile(t, at(genID, "x86_64", "meta.json"), `{"buildid": 7, "images": []}`) },
		"another build": func() { writeFile(t, at(genID, "x86_64", "meta.json"), originalMeta("1.0", "2024-09-03T06:21")) },
		"a directory":   func() { replaceByDir(t, at(genID, "x86_64", "meta.json")) },
		"no record":     func() { remove(t, at(genID, "x86_64", "meta.json")) },
		"a file":        func() { remove(t, at(genID)); writeFile(t, at(genID), "") },
		"gone":          func() { remove(t, at(genID)) },
		"a dangling link": func() {
			remove(t, at(genID))
			if err := os.Symlink("nowhere", at(genID)); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, breakIt := range breakage {
		t.Run(name, func(t *testing.T) {
			w = original(t)
			breakIt()
			replaceByDir(t, at("latest"))
			for _, odd := range []string{"work/x86_64", "lost+found", "..dots/x86_64", "a b/x86_64"} {
				if err := os.MkdirAll(at(odd), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			writeFile(t, at("a b", "x86_64", "meta.json"), originalMeta("a b", "2024-09-03T06:21"))
			writeFile(t, at("work", "x86_64", "meta.json"), "{")
			edit(t, at("builds.json"), `"builds": [`, `"builds": [{"id": "../../etc", "arches": ["x86_64"]}, {"id": 7}, "text", {"id": "latest", "arches": []},`)
			checkOdd(t, w)
		})
	}
}

// checkOdd does with the workspace what people do, one thing after the other.
func checkOdd(t *testing.T, w *workspace.Workspace) {
	t.Helper()
	list, err := w.List()
	if err != nil || len(list) != 8 {
		t.Fatalf("list: %d builds, %v", len(list), err)
	}
	if got := list[0].Arches[0]; got.Local && got.Problem == "" {
		t.Errorf("the broken build is listed as if it were whole: %+v", got)
	}
	for _, l := range list[4:] {
		if l.Arches[0].Problem == "" || !strings.HasPrefix(l.ID, `"`) {
			t.Errorf("an odd entry: %+v", l)
		}
	}
	if got, err := w.Resolve("latest", "x86_64"); err != nil || got != newID {
		t.Errorf("latest is %q, %v", got, err)
	}
	if r, err := w.Repair(t.Context(), day(1)); err != nil || len(r.Inserted) > 0 {
		t.Errorf("repair: %+v, %v", r, err)
	}
	publish(t, w, "24.03-LTS.20240904.0", "x86_64", day(2))
	if got, err := w.Resolve("", "x86_64"); err != nil || got != "24.03-LTS.20240904.0" {
		t.Errorf("latest after a build is %q, %v", got, err)
	}
	if _, err := w.PlanPrune(workspace.PruneOptions{KeepLast: 1, Now: day(3)}); err != nil {
		t.Error(err)
	}
	if _, err := w.Prune(t.Context(), workspace.PruneOptions{KeepLast: 2, Now: day(3)}); err != nil {
		t.Error(err)
	}
	data := document(t, filepath.Join(w.Builds(), "builds.json"))
	builds, _ := data["builds"].([]any)
	if diff := cmp.Diff([]any{
		map[string]any{"id": "../../etc", "arches": []any{"x86_64"}}, map[string]any{"id": 7.0}, "text", map[string]any{"id": "latest", "arches": []any{}},
	}, builds[len(builds)-4:]); diff != "" {
		t.Errorf("odd entries are not kept: %s", diff)
	}
	if _, err := w.Clean(t.Context(), workspace.CleanOptions{Now: day(4)}); err != nil {
		t.Error(err)
	}
	if got, err := w.Resolve("beta", "x86_64"); err != nil || got != oldID {
		t.Errorf("the tagged build after clean: %q, %v", got, err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func replaceByDir(t *testing.T, path string) {
	t.Helper()
	remove(t, path)
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

func edit(t *testing.T, path, from, to string) {
	t.Helper()
	text := readFile(t, path)
	if !strings.Contains(text, from) {
		t.Fatalf("%s has no %q", path, from)
	}
	writeFile(t, path, strings.Replace(text, from, to, 1))
}
