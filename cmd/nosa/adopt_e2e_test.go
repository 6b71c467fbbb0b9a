//go:build e2e

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestE2EAdopt takes over a workspace of the original tools, goes on in it, and
// gives it back: its versions count on, an image of its old build is made from
// the archive, its own caches stay, and a reader written to the original's rules
// accepts what nosa wrote.
func TestE2EAdopt(t *testing.T) {
	n := tiny{Images: true}.workspace(t)
	prefix := "1." + time.Now().UTC().Format("20060102")
	old := prefix + ".4"
	n.run(0, "build", "--version", old, "ostree")
	commit := n.meta(old).Commit
	makeOriginal(t, n.dir, old)

	if out := n.run(0, "list"); !strings.Contains(out, old+"  (latest)  tags: beta") {
		t.Errorf("list:\n%s", out)
	}
	n.run(0, "fetch")
	n.run(0, "build", "--plan")
	n.run(0, "buildextend-metal", "--build", old)
	upstreamReads(t, n.dir)

	shell(t, n.dir, `echo "answer = 43" >src/config/overlay.d/10tiny/etc/tiny.conf`)
	n.run(0, "build", "qemu")
	next := n.meta("latest")
	if want := prefix + ".5"; next.BuildID != want && time.Now().UTC().Format("20060102") == prefix[2:] {
		t.Errorf("the build after %s is %s, want %s", old, next.BuildID, want)
	}
	if next.Commit == commit {
		t.Error("the commit is the old one")
	}
	upstreamReads(t, n.dir)
	shell(t, n.dir, "ostree fsck --repo tmp/repo && ostree rev-parse --repo tmp/repo theirs && grep -q mode=archive tmp/repo/config && test -e cache/pkgcache-repo/refs")

	// A broken record of the newest build, and a directory that is none.
	shell(t, n.dir, "echo '{' >builds/"+next.BuildID+"/x86_64/meta.json && mkdir -p builds/odd/x86_64 'builds/a b'")
	if out := n.run(0, "list"); !strings.Contains(out, "unexpected") {
		t.Errorf("list does not say what is wrong:\n%s", out)
	}
	n.run(0, "build", "--plan")
	n.run(0, "buildextend-metal4k")
	if m := n.meta(old); m.Images["metal4k"].Path == "" {
		t.Error("latest is not the newest build that can be read")
	}
	n.run(0, "build", "ostree")
}

// makeOriginal makes of a workspace with the build id one of the original tools:
// what only nosa writes goes, what only they write comes.
func makeOriginal(t *testing.T, dir, id string) {
	t.Helper()
	at := filepath.Join(dir, "builds", id, "x86_64")
	meta := readDocument(t, filepath.Join(at, "meta.json"))
	for key := range meta {
		if strings.HasPrefix(key, "nosa.") {
			delete(meta, key)
		}
	}
	meta["ostree-n-metadata-total"], meta["ostree-content-bytes-written"], meta["pkgdiff"] = 7000, 1700000000, []any{}
	meta["coreos-assembler.code-source"] = "container"
	data, err := json.MarshalIndent(meta, "", "    ")
	if err != nil {
		t.Fatal(err)
	}
	index := fmt.Sprintf(`{"schema-version": "1.0.0", "builds": [{"id": %q, "arches": ["x86_64"]}], "timestamp": "2024-09-03T06:21:10Z",
		"tags": [{"name": "beta", "created": "2024-09-03T06:30:00Z", "target": %q}]}`, id, id)
	for name, text := range map[string]string{filepath.Join(at, "meta.json"): string(data), filepath.Join(dir, "builds", "builds.json"): index} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	shell(t, dir, `
		rm -rf cache tmp builds/.[a-z]* builds/*/x86_64/.[a-z]* builds/*/x86_64/overlays.json builds/*/x86_64/platforms.json builds/*/x86_64/logs
		mkdir -p cache tmp/repo tmp/build overrides/rpm overrides/rootfs
		touch cache/fetched-stamp builds/.build-commit builds/.insert-lock builds/`+id+`/x86_64/.metal.building
		echo 'host|1|/srv/builds/.builds.json.lock' >builds/.builds.json.lock
		ostree init --repo tmp/repo --mode archive
		ostree init --repo cache/pkgcache-repo --mode bare-user
		ostree commit --repo tmp/repo --branch theirs --tree=dir=overrides >tmp/theirs`)
}

func readDocument(t *testing.T, name string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return doc
}

// upstreamReads reads the builds of a workspace as the original's programs do,
// by their keys and names alone, and fails where they would.
func upstreamReads(t *testing.T, dir string) {
	t.Helper()
	index := readDocument(t, filepath.Join(dir, "builds", "builds.json"))
	if index["schema-version"] != "1.0.0" {
		t.Errorf("schema-version %v", index["schema-version"])
	}
	wantForm(t, "builds.json timestamp", index["timestamp"], `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`)
	builds, _ := index["builds"].([]any)
	for i, entry := range builds {
		b, _ := entry.(map[string]any)
		id, _ := b["id"].(string)
		link, err := os.Readlink(filepath.Join(dir, "builds", "latest"))
		if i == 0 && (err != nil || link != id) {
			t.Errorf("latest points at %q, %v; the index begins with %s", link, err, id)
		}
		arches, _ := b["arches"].([]any)
		for _, arch := range arches {
			upstreamReadsBuild(t, filepath.Join(dir, "builds", id, arch.(string)), id)
		}
	}
	if len(builds) == 0 {
		t.Error("no builds")
	}
}

func upstreamReadsBuild(t *testing.T, dir, id string) {
	t.Helper()
	meta := readDocument(t, filepath.Join(dir, "meta.json"))
	if meta["buildid"] != id || meta["coreos-assembler.basearch"] != filepath.Base(dir) {
		t.Errorf("%s: buildid %v, basearch %v", dir, meta["buildid"], meta["coreos-assembler.basearch"])
	}
	for key, form := range map[string]string{
		"name": `^tiny$`, "ref": `^tiny/`, "ostree-version": `.`,
		"ostree-commit": `^[0-9a-f]{64}$`, "ostree-content-checksum": `^[0-9a-f]{64}$`, "rpm-ostree-inputhash": `^[0-9a-f]{64}$`,
		"ostree-timestamp": `Z$`, "coreos-assembler.build-timestamp": `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`,
		"coreos-assembler.config-dirty": `^(true|false)$`, "coreos-assembler.config-gitrev": `^[0-9a-f]{40}$|-g[0-9a-f]{40}`,
		"coreos-assembler.image-config-checksum": `^[0-9a-f]{64}$`,
	} {
		wantForm(t, dir+" "+key, meta[key], form)
	}
	commit, _ := meta["ostree-commit"].(string)
	inputs := sha256.Sum256([]byte(commit + "\n" + fmt.Sprint(meta["coreos-assembler.image-config-checksum"]) + "\n"))
	if meta["coreos-assembler.image-input-checksum"] != hex.EncodeToString(inputs[:]) {
		t.Errorf("%s: image-input-checksum is not that of commit and image configuration", dir)
	}
	if got := fileSum(t, filepath.Join(dir, "ostree-commit-object")); got != commit {
		t.Errorf("%s: ostree-commit-object is %s, the commit %s", dir, got, commit)
	}
	images, _ := meta["images"].(map[string]any)
	for _, need := range []string{"ostree", "oci-manifest"} {
		if images[need] == nil {
			t.Errorf("%s: no %s among the images", dir, need)
		}
	}
	for key, value := range images {
		upstreamReadsImage(t, dir, key, value)
	}
	upstreamReadsRecords(t, dir, meta)
}

func upstreamReadsImage(t *testing.T, dir, key string, value any) {
	t.Helper()
	image, _ := value.(map[string]any)
	path, _ := image["path"].(string)
	name := filepath.Join(dir, path)
	info, err := os.Stat(name)
	if err != nil || path == "" || filepath.Base(path) != path {
		t.Errorf("%s %s: path %q: %v", dir, key, path, err)
		return
	}
	if size, _ := image["size"].(float64); int64(size) != info.Size() {
		t.Errorf("%s: size %v, recorded %v", name, info.Size(), image["size"])
	}
	if got := fileSum(t, name); got != image["sha256"] {
		t.Errorf("%s: sha256 %s, recorded %v", name, got, image["sha256"])
	}
	if info.Mode().Perm()&0o222 != 0 {
		t.Errorf("%s can be written (%s)", name, info.Mode())
	}
	end := map[string]string{"ostree": "-ostree.x86_64.ociarchive", "oci-manifest": "-ostree.x86_64-manifest.json", "qemu": "-qemu.x86_64.qcow2", "metal": "-metal.x86_64.raw"}[key]
	if want := "tiny-" + filepath.Base(filepath.Dir(dir)) + end; path != want {
		t.Errorf("%s is named %s, want %s", key, path, want)
	}
}

// upstreamReadsRecords reads what lies beside meta.json.
func upstreamReadsRecords(t *testing.T, dir string, meta map[string]any) {
	t.Helper()
	about := readDocument(t, filepath.Join(dir, "commitmeta.json"))
	if about["version"] != meta["ostree-version"] || about["rpmostree.inputhash"] != meta["rpm-ostree-inputhash"] {
		t.Errorf("%s: commitmeta.json has version %v, input hash %v", dir, about["version"], about["rpmostree.inputhash"])
	}
	packages, _ := about["rpmostree.rpmdb.pkglist"].([]any)
	for _, p := range packages {
		if fields, _ := p.([]any); len(fields) != 5 {
			t.Errorf("%s: package %v: want name, epoch, version, release, architecture", dir, p)
		}
	}
	locked, _ := readDocument(t, filepath.Join(dir, "manifest-lock.generated.x86_64.json"))["packages"].(map[string]any)
	for name, value := range locked {
		lock, _ := value.(map[string]any)
		wantForm(t, "lock of "+name, lock["evra"], `^(\d+:)?[^-]+-[^-]+\.(x86_64|noarch)$`)
		if lock["digest"] != nil {
			t.Errorf("%s: the lock of %s has a digest", dir, name)
		}
	}
	if len(packages) == 0 || len(packages) != len(locked) {
		t.Errorf("%s: %d packages in the commit, %d locked", dir, len(packages), len(locked))
	}
	config := readDocument(t, filepath.Join(dir, "coreos-assembler-config-git.json"))
	git, _ := config["git"].(map[string]any)
	wantForm(t, "config commit", git["commit"], `^[0-9a-f]{40}$`)
	wantForm(t, "config origin", git["origin"], `.`)
	wantForm(t, "config dirty", git["dirty"], `^(true|false)$`)
	archive, _ := config["file"].(map[string]any)
	name := filepath.Join(dir, fmt.Sprint(archive["name"]))
	info, err := os.Stat(name)
	if err != nil {
		t.Error(err)
		return
	}
	if archive["size"] != strconv.FormatInt(info.Size(), 10) || archive["checksum"] != fileSum(t, name) || archive["checksum_type"] != "sha256" {
		t.Errorf("%s is not as recorded: %v", name, archive)
	}
	if list := shell(t, dir, "tar -tzf "+filepath.Base(name)); !strings.Contains(list, "manifest.yaml") {
		t.Errorf("%s has no manifest: %s", name, list)
	}
}

func wantForm(t *testing.T, what string, value any, form string) {
	t.Helper()
	if text, ok := value.(string); !ok || !regexp.MustCompile(form).MatchString(text) {
		t.Errorf("%s: %#v does not look like %s", what, value, form)
	}
}

func fileSum(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
