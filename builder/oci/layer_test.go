package oci

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// groups are the packages of sampleRepo, with paths as a package database has them.
func groups() map[string]string {
	return map[string]string{
		"/usr/bin/hello": "hello", "/bin/hello2": "zebra", "/etc/secret": "secret", "/usr/lib/modules/6.1/vmlinuz": "kernel",
		"/usr/share/rpm/empty2": "hello", "/usr/share/far": "hello", "/no/such/file": "hello",
	}
}

// members lists the tar headers of each layer of an archive, with sizes and contents as text.
func members(t *testing.T, name string) (layers [][]tar.Header) {
	t.Helper()
	a, err := openArchive(name)
	if err != nil {
		t.Fatal(err)
	}
	defer a.file.Close()
	_, m, err := a.manifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range m.Layers {
		in, err := a.layer(d)
		if err != nil {
			t.Fatal(err)
		}
		in.progress = func(int64) {}
		var list []tar.Header
		err = in.read(func(r *tar.Reader) error {
			for {
				h, err := r.Next()
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err != nil {
					return err
				}
				list = append(list, *h)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		layers = append(layers, list)
	}
	return layers
}

// A layer names nothing twice, has the paths of a container, and what each entry needs is before it:
// its directories, the object of a link, the attributes of an object. All layers together have each
// path and object once.
func TestLayerOrder(t *testing.T) {
	repo, commit := sampleRepo(t)
	req := request(t, repo, commit)
	if _, err := Write(t.Context(), req, nil); err != nil {
		t.Fatal(err)
	}
	layers := members(t, req.Dest)
	first := layers[0]
	at := slices.IndexFunc(first, func(h tar.Header) bool { return strings.HasSuffix(h.Name, ".commit") })
	if first[0].Name != "./" || first[1].Name != "sysroot/" || at < 0 || !strings.HasSuffix(first[at+1].Name, ".commitmeta") {
		t.Errorf("the first layer begins with %q, %q and has the commit at %d", first[0].Name, first[1].Name, at)
	}
	all := map[string]int{}
	for i, list := range layers {
		seen := map[string]bool{"./": true}
		for n, h := range list {
			if seen[h.Name] && n > 0 {
				t.Errorf("layer %d: %s is there twice", i, h.Name)
			}
			seen[h.Name] = true
			if dir := path.Dir(path.Clean(h.Name)) + "/"; !seen[dir] {
				t.Errorf("layer %d: %s comes before its directory", i, h.Name)
			}
			if h.Typeflag == tar.TypeLink && !seen[h.Linkname] {
				t.Errorf("layer %d: %s links to %s, which is not before it", i, h.Name, h.Linkname)
			}
			if sum, ext, ok := parseObject(h.Name); ok && ext == extFile && !seen[repoDir+"/"+objectName(sum, extXattrsLink)] {
				t.Errorf("layer %d: %s has no attributes before it", i, h.Name)
			}
			if !strings.HasSuffix(h.Name, "/") && !strings.HasSuffix(h.Name, "config") && !strings.HasSuffix(h.Name, "."+extXattrs) {
				all[h.Name]++
			}
			if want, ok := modeOf(req, h.Name); ok && h.Mode != want {
				t.Errorf("layer %d: %s has mode %o, want %o", i, h.Name, h.Mode, want)
			}
		}
	}
	for name, n := range all {
		if n > 1 {
			t.Errorf("%s is in %d layers", name, n)
		}
	}
	for _, e := range req.Entries {
		if !e.isDir() && (all[layerPath(e.Path)] == 0 || all[repoDir+"/"+objectName(e.Checksum, extFile)] == 0) {
			t.Errorf("%s is in no layer", e.Path)
		}
	}
	if !slices.ContainsFunc(first, func(h tar.Header) bool { return h.Name == "etc/" && h.Mode == 0o755 }) {
		t.Error("no etc/ in the first layer")
	}
	if !slices.ContainsFunc(first, func(h tar.Header) bool { return h.Name == "var/tmp/" && h.Mode == 0o1777 }) {
		t.Error("no var/tmp/ in the first layer")
	}
}

// modeOf gives the mode that the commit has for a path of a container.
func modeOf(req Request, name string) (int64, bool) {
	for _, e := range req.Entries {
		if layerPath(e.Path) == strings.TrimSuffix(name, "/") && e.Path != "/sysroot" {
			return int64(e.Mode &^ unix.S_IFMT), true
		}
	}
	return 0, false
}

// Layers that are unpacked in their order are the commit as ostree checks it out.
func TestFlattened(t *testing.T) {
	need(t, "ostree", "tar")
	if os.Getuid() != 0 {
		t.Skip("needs root: owners are restored from the layers")
	}
	repo, commit := sampleRepo(t)
	req := request(t, repo, commit)
	img, err := Write(t.Context(), req, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	tool(t, "tar", "-xf", req.Dest, "-C", dir)
	for _, l := range manifestOf(t, img).Layers {
		name, err := blobName(l.Digest)
		if err != nil {
			t.Fatal(err)
		}
		tool(t, "mkdir", "-p", dir+"/root")
		tool(t, "tar", "-xzpf", dir+"/"+name, "-C", dir+"/root")
	}
	tool(t, "ostree", "checkout", "--repo="+repo, commit, dir+"/want")
	want, got := tree(t, dir+"/want"), tree(t, dir+"/root")
	delete(got, "var/tmp") // containers have it
	maps.DeleteFunc(got, func(name, _ string) bool { return strings.HasPrefix(name, "sysroot/ostree") })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("checkout (-) and layers (+):\n%s", diff)
	}
}

// tree lists what is in a directory, by its path in a container.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	list := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return err
		}
		text := fmt.Sprintf("%o %d:%d", st.Mode, st.Uid, st.Gid)
		switch {
		case d.Type().IsRegular():
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %x", sha256.Sum256(data))
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			text += " " + target
		}
		list[layerPath(strings.TrimPrefix(name, dir))] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func manifestOf(t *testing.T, img Image) (m manifest) {
	t.Helper()
	if err := json.Unmarshal(img.Manifest, &m); err != nil {
		t.Fatal(err)
	}
	return m
}
