package oci

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// seedLayer is a layer with a commit, a directory and two files.
func seedLayer(f *testing.F) (layer []byte, commit string) {
	f.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(h tar.Header, sum, ext, content string) {
		h.Name, h.Size, h.Mode = "./"+repoDir+"/"+objectName(sum, ext), int64(len(content)), 0o644
		if err := w.WriteHeader(&h); err != nil {
			f.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			f.Fatal(err)
		}
	}
	sumOf := func(text string) string { sum := sha256.Sum256([]byte(text)); return hex.EncodeToString(sum[:]) }
	attributes := sumOf("")
	add(tar.Header{Typeflag: tar.TypeReg}, attributes, extXattrs, "")
	for _, e := range []Entry{{Mode: 0o100644}, {Mode: 0o120644, Target: "x"}} {
		digest := e.contentHash()
		h := tar.Header{Typeflag: tar.TypeSymlink, Linkname: e.Target}
		content := ""
		if e.Target == "" {
			content, h.Typeflag = "content", tar.TypeReg
			digest.Write([]byte(content))
		}
		sum := hex.EncodeToString(digest.Sum(nil))
		add(tar.Header{Typeflag: tar.TypeLink, Linkname: repoDir + "/" + objectName(attributes, extXattrs)}, sum, extXattrsLink, "")
		add(h, sum, extFile, content)
	}
	add(tar.Header{Typeflag: tar.TypeReg}, sumOf("dir"), extDirtree, "dir")
	commit = sumOf("commit")
	add(tar.Header{Typeflag: tar.TypeReg}, commit, extCommit, "commit")
	add(tar.Header{Typeflag: tar.TypeReg}, commit, extCommitmeta, "meta")
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	return b.Bytes(), commit
}

// FuzzImport: whatever an archive holds whose digests are right, what comes of
// it in the repository has the checksum that its name says, and nothing is left
// beside it.
func FuzzImport(f *testing.F) {
	layer, commit := seedLayer(f)
	labels := `{"config": {"Labels": {"ostree.commit": "` + commit + `", "ostree.final-diffid": "x"}}, "rootfs": {"diff_ids": ["x"]}}`
	f.Add([]byte(labels), "application/vnd.oci.image.layer.v1.tar", layer)
	f.Add([]byte(labels), "gzip", []byte("\x1f\x8b\x08\x00"))
	f.Add([]byte(labels), "zstd", []byte("\x28\xb5\x2f\xfd\x00\x58\x00\x00"))
	f.Add([]byte(`{"config": {}}`), "tar", []byte{})
	f.Fuzz(func(t *testing.T, cfg []byte, media string, layer []byte) {
		dir := t.TempDir()
		name, repo := filepath.Join(dir, "a.ociarchive"), filepath.Join(dir, "repo")
		if err := os.MkdirAll(filepath.Join(repo, "tmp"), 0o755); err != nil {
			t.Fatal(err)
		}
		writeArchive(t, name, manifest{Config: descriptor{Digest: digestOf(cfg)}, Layers: []descriptor{{MediaType: media, Digest: digestOf(layer)}}}, cfg, layer)
		got, err := Import(t.Context(), name, repo, nil)
		if _, statErr := os.Stat(filepath.Join(repo, objectName(commit, extCommit))); err == nil && got == commit && statErr != nil {
			t.Fatal(statErr)
		}
		checkObjects(t, repo)
	})
}

// writeArchive writes an image of one layer.
func writeArchive(t *testing.T, name string, m manifest, blobs ...[]byte) {
	t.Helper()
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	idx, err := json.Marshal(index{Manifests: []descriptor{{Digest: digestOf(raw)}}})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	put := func(name string, data []byte) {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(data)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	put("index.json", idx)
	for _, blob := range append(blobs, raw) {
		put("blobs/sha256/"+strings.TrimPrefix(digestOf(blob), "sha256:"), blob)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// checkObjects fails on an object whose content is not what its name says.
func checkObjects(t *testing.T, repo string) {
	t.Helper()
	err := filepath.WalkDir(repo, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(repo, name)
		if err != nil {
			return err
		}
		sum, ext, ok := parseObject(repoDir + "/" + rel)
		if !ok {
			t.Fatalf("%s was left", rel)
		}
		data, err := os.ReadFile(name)
		if got := strings.TrimPrefix(digestOf(data), "sha256:"); ext != extFile && ext != extCommitmeta && got != sum {
			t.Fatalf("%s has checksum %s", rel, got)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// FuzzManifest: a file that is no archive of an image is refused.
func FuzzManifest(f *testing.F) {
	f.Add([]byte("index.json"))
	f.Add(make([]byte, 1024))
	f.Fuzz(func(t *testing.T, data []byte) {
		name := filepath.Join(t.TempDir(), "a.ociarchive")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if raw, err := Manifest(name); err == nil && !json.Valid(raw) {
			t.Fatalf("%q", raw)
		}
	})
}
