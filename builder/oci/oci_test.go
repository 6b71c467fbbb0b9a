package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
			t.Fatalf("%s is missing", p)
		}
		t.Skipf("%s is missing", p)
	}
}

func tool(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return string(out)
}

// sampleRepo makes a bare-user repository with a commit of everything that is hard to carry.
func sampleRepo(t *testing.T) (repo, commit string) {
	t.Helper()
	need(t, "ostree")
	dir := t.TempDir()
	tree, repo := dir+"/tree", dir+"/repo"
	long := strings.Repeat("a-long-name/", 12)
	for name, content := range map[string]string{
		"usr/bin/hello": "hello\n", "usr/bin/hello2": "hello\n", "usr/bin/su": "setuid", "usr/share/empty": "",
		"usr/share/with space/ünï \"q\"": "x", "usr/share/" + long + "deep": "deep", "usr/etc/secret": "s",
		"usr/lib/big": strings.Repeat("0123456789abcdef", 100_000), "usr/lib/modules/6.1/vmlinuz": "kernel",
		"usr/bin/labelled": "l", "usr/share/rpm/empty2": "",
	} {
		if err := os.MkdirAll(filepath.Dir(tree+"/"+name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(tree+"/"+name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(
		os.Mkdir(tree+"/sysroot", 0o755), os.Mkdir(tree+"/var", 0o755), os.Mkdir(tree+"/tmp", 0o755),
		unix.Chmod(tree+"/tmp", 0o1777), unix.Chmod(tree+"/usr/bin/su", 0o4711),
		os.Symlink("usr//bin/../bin", tree+"/bin"), os.Symlink(strings.Repeat("x/", 80)+"ü", tree+"/usr/share/far"),
		unix.Setxattr(tree+"/usr/bin/labelled", "user.pax.flags", []byte("m"), 0),
		unix.Setxattr(tree+"/usr/lib", "user.dir", []byte("d"), 0),
	)
	if os.Getuid() == 0 {
		err = errors.Join(err, os.Lchown(tree+"/usr/bin/hello2", 12, 3_000_000), unix.Chmod(tree+"/usr/etc/secret", 0o200))
	}
	if err != nil {
		t.Fatal(err)
	}
	tool(t, "ostree", "init", "--repo="+repo, "--mode=bare-user")
	out := tool(t, "ostree", "commit", "--repo="+repo, "--branch=os", "--tree=dir="+tree, "--timestamp=@1700000000",
		"--add-metadata-string=version=42.1", "--add-detached-metadata-string=signature=none")
	return repo, strings.TrimSpace(out)
}

// entries lists a commit with ostree's own words.
func entries(t testing.TB, repo, commit string) []Entry {
	t.Helper()
	line := regexp.MustCompile(`^([-dl])([0-7]{5}) +(\d+) +(\d+) +(\d+) ([0-9a-f]{64})(?: ([0-9a-f]{64}))? (/.*)$`)
	var list []Entry
	for text := range strings.Lines(tool(t, "ostree", "ls", "--repo="+repo, "-R", "-C", commit)) {
		m := line.FindStringSubmatch(strings.TrimSuffix(text, "\n"))
		if m == nil {
			t.Fatalf("ostree ls: %q", text)
		}
		number := func(s string, base int) uint32 {
			n, err := strconv.ParseUint(s, base, 32)
			if err != nil {
				t.Fatal(err)
			}
			return uint32(n)
		}
		e := Entry{Mode: number(m[2], 8), UID: number(m[3], 10), GID: number(m[4], 10), Checksum: m[6], Meta: m[7], Path: m[8]}
		switch m[1] {
		case "d":
			e.Mode |= unix.S_IFDIR
		case "l":
			e.Mode |= unix.S_IFLNK
			e.Path, e.Target, _ = strings.Cut(m[8], " -> ")
		default:
			e.Mode |= unix.S_IFREG
			e.Size = int64(number(m[5], 10))
		}
		if e.Meta == "" {
			buf := make([]byte, 4096)
			n, err := unix.Lgetxattr(repo+"/"+objectName(e.Checksum, extFile), metaXattr, buf)
			if err != nil {
				t.Fatal(err)
			}
			e.Xattrs = buf[12:n]
		}
		list = append(list, e)
	}
	return list
}

func request(t *testing.T, repo, commit string) Request {
	t.Helper()
	return Request{
		Repo: repo, Commit: commit, Entries: entries(t, repo, commit), Dest: filepath.Join(t.TempDir(), "os.ociarchive"),
		Arch: "x86_64", Version: "42.1", Linux: "6.1.0-test", Created: time.Unix(1700000000, 0), Cmd: []string{"/usr/bin/bash"},
		Groups: groups(),
		Labels: map[string]string{"coreos-assembler.image-config-checksum": "abc", "nestos.stream": "a&b"},
	}
}

// An archive is read by skopeo, is the same bytes each time, and gives the commit back with every
// object.
func TestRoundTrip(t *testing.T) {
	need(t, "skopeo", "ostree")
	repo, commit := sampleRepo(t)
	for _, c := range []Compression{Gzip, Zstd} {
		t.Run("compression "+string(c), func(t *testing.T) {
			req := request(t, repo, commit)
			req.Compression = c
			img, err := Write(t.Context(), req, nil)
			if err != nil {
				t.Fatal(err)
			}
			inspect(t, req, img)
			again := req
			again.Dest += ".again"
			if _, err := Write(t.Context(), again, nil); err != nil {
				t.Fatal(err)
			}
			tool(t, "cmp", req.Dest, again.Dest)

			back := t.TempDir() + "/repo"
			tool(t, "ostree", "init", "--repo="+back, "--mode=bare-user")
			for range 2 { // the second finds all there
				got, err := Import(t.Context(), req.Dest, back, nil)
				if err != nil || got != commit {
					t.Fatalf("imported %s (%v), want %s", got, err, commit)
				}
			}
			tool(t, "ostree", "refs", "--repo="+back, "--create=os", commit)
			tool(t, "ostree", "fsck", "--repo="+back)
			if diff := cmp.Diff(describe(t, repo), describe(t, back)); diff != "" {
				t.Errorf("objects before (-) and after (+):\n%s", diff)
			}
		})
	}
}

// inspect reads the archive with skopeo.
func inspect(t *testing.T, req Request, img Image) {
	t.Helper()
	var got struct {
		Digest, Architecture, Os, Created string
		Labels                            map[string]string
		Layers                            []string
	}
	if err := json.Unmarshal([]byte(tool(t, "skopeo", "inspect", "oci-archive:"+req.Dest)), &got); err != nil {
		t.Fatal(err)
	}
	if got.Digest != img.Digest || got.Architecture != "amd64" || got.Os != "linux" || got.Created != "2023-11-14T22:13:20Z" {
		t.Errorf("image: %+v, want digest %s", got, img.Digest)
	}
	want := map[string]string{
		"coreos-assembler.image-config-checksum": "abc", "nestos.stream": "a&b", "ostree.commit": req.Commit,
		"ostree.final-diffid": img.DiffID, "version": "42.1", "org.opencontainers.image.version": "42.1",
		"ostree.bootable": "true", "containers.bootc": "1", "ostree.linux": "6.1.0-test",
	}
	if diff := cmp.Diff(want, got.Labels); diff != "" {
		t.Error(diff)
	}
	raw, err := Manifest(req.Dest)
	if err != nil || string(raw) != string(img.Manifest) {
		t.Errorf("manifest: %s (%v), want %s", raw, err, img.Manifest)
	}
	dir := t.TempDir() + "/copy"
	tool(t, "skopeo", "copy", "--insecure-policy", "oci-archive:"+req.Dest, "dir:"+dir)
	copied, err := os.ReadFile(dir + "/manifest.json")
	if err != nil || string(copied) != string(raw) {
		t.Errorf("skopeo's manifest: %s (%v), want %s", copied, err, raw)
	}
	// A second archive of skopeo's making is one that we read.
	tool(t, "skopeo", "copy", "--insecure-policy", "dir:"+dir, "oci-archive:"+dir+".ociarchive")
	if raw, err := Manifest(dir + ".ociarchive"); err != nil || string(raw) != string(copied) {
		t.Errorf("manifest of a copied archive: %s (%v), want %s", raw, err, copied)
	}
}

// describe lists the objects of a repository with all that they are.
func describe(t *testing.T, repo string) map[string]string {
	t.Helper()
	list := map[string]string{}
	names, err := filepath.Glob(repo + "/objects/*/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 4096)
		n, err := unix.Lgetxattr(name, metaXattr, buf)
		if err != nil && !errors.Is(err, unix.ENODATA) {
			t.Fatal(err)
		}
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%o %x %q", st.Mode, buf[:max(n, 0)], content)
		if strings.HasSuffix(name, ".file") {
			text += fmt.Sprint(st.Mtim.Sec)
		}
		list[strings.TrimPrefix(name, repo)] = text
	}
	return list
}

// Builds from before there were several layers, written by the program of that time, can still be
// imported.
func TestImportSingleLayer(t *testing.T) {
	need(t, "ostree")
	back, want := t.TempDir()+"/repo", "e157e0bec6009e37f4eb4f7af603dfbf4a0d21fd98edd7c28623a24971a32675"
	tool(t, "ostree", "init", "--repo="+back, "--mode=bare-user")
	got, err := Import(t.Context(), "testdata/single-layer.ociarchive", back, nil)
	if err != nil || got != want {
		t.Fatalf("imported %s (%v), want %s", got, err, want)
	}
	tool(t, "ostree", "refs", "--repo="+back, "--create=os", want)
	tool(t, "ostree", "fsck", "--repo="+back)
	list := ""
	for _, e := range entries(t, back, want) {
		list += fmt.Sprintf("%o %s%s\n", e.Mode, e.Path, e.Target)
	}
	if diff := cmp.Diff("40755 /\n120777 /binusr/bin\n40755 /sysroot\n40755 /usr\n40755 /usr/bin\n100755 /usr/bin/again\n"+
		"100755 /usr/bin/hello\n40700 /usr/etc\n100600 /usr/etc/empty\n40755 /var\n", list); diff != "" {
		t.Error(diff)
	}
}

// libostree itself reads the repository that is in the layers.
func TestLayersAsRepository(t *testing.T) {
	need(t, "ostree", "tar")
	if os.Getuid() != 0 {
		t.Skip("needs root: owners are restored from the layer")
	}
	repo, commit := sampleRepo(t)
	req := request(t, repo, commit)
	img, err := Write(t.Context(), req, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var m manifest
	if err := json.Unmarshal(img.Manifest, &m); err != nil {
		t.Fatal(err)
	}
	tool(t, "tar", "-xf", req.Dest, "-C", dir)
	for _, l := range m.Layers {
		name, err := blobName(l.Digest)
		if err != nil {
			t.Fatal(err)
		}
		tool(t, "tar", "-xzpf", dir+"/"+name, "-C", dir)
	}
	split, back := dir+"/"+repoDir, dir+"/back"
	tool(t, "ostree", "fsck", "--repo="+split)
	tool(t, "ostree", "init", "--repo="+back, "--mode=archive")
	tool(t, "ostree", "pull-local", "--untrusted", "--repo="+back, split, commit)
	tool(t, "ostree", "refs", "--repo="+back, "--create=os", commit)
	tool(t, "ostree", "fsck", "--repo="+back)
	want := tool(t, "ostree", "ls", "--repo="+repo, "-R", "-C", "-X", commit)
	if diff := cmp.Diff(want, tool(t, "ostree", "ls", "--repo="+back, "-R", "-C", "-X", commit)); diff != "" {
		t.Error(diff)
	}
}

func TestImportRefuses(t *testing.T) {
	repo, commit := sampleRepo(t)
	req := request(t, repo, commit)
	if _, err := Write(t.Context(), req, nil); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(req.Dest)
	if err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(good)
	flipped[len(good)/2] ^= 1
	plain := t.TempDir() + "/x.tar"
	if err := os.WriteFile(plain, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "has no index.json"},
		{"truncated", good[:len(good)/2], "unexpected EOF"},
		{"damaged", flipped, "importing image"},
	} {
		t.Run(c.name, func(t *testing.T) {
			name, back := t.TempDir()+"/bad", t.TempDir()+"/repo"
			if err := os.WriteFile(name, c.data, 0o644); err != nil {
				t.Fatal(err)
			}
			tool(t, "ostree", "init", "--repo="+back, "--mode=bare-user")
			_, err := Import(t.Context(), name, back, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error: %v, want %q", err, c.want)
			}
			if _, err := os.Stat(back + "/" + objectName(commit, extCommit)); err == nil {
				t.Error("the commit is there all the same")
			}
			if left, _ := os.ReadDir(back + "/tmp"); slices.ContainsFunc(left, func(d os.DirEntry) bool { return strings.HasPrefix(d.Name(), "import-") }) {
				t.Errorf("left over: %v", left)
			}
		})
	}
	missing := req
	missing.Repo = t.TempDir()
	if _, err := Write(t.Context(), missing, nil); err == nil {
		t.Error("a commit without objects was written")
	}
	if left, _ := os.ReadDir(filepath.Dir(req.Dest)); len(left) != 1 {
		t.Errorf("left over: %v", left)
	}
}

func TestParseObject(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	for in, want := range map[string]string{
		repoDir + "/objects/ab/" + sum[2:] + ".file":           "file",
		"./" + repoDir + "/objects/ab/" + sum[2:] + ".dirtree": "dirtree",
		repoDir + "/objects/ab/" + sum[2:] + ".file-xattrs":    "file-xattrs",
		repoDir + "/objects/ab/" + sum[2:]:                     "",
		repoDir + "/objects/../" + sum[2:] + ".file":           "!",
		repoDir + "/objects/ab/../../../x" + sum[2:] + ".file": "!",
		repoDir + "/objects/ab/" + sum[3:] + ".file":           "!",
		"usr/bin/bash": "!",
	} {
		got, ext, ok := parseObject(in)
		if ok != (want != "!") || ok && (got != sum || ext != want) {
			t.Errorf("%s: %s %s %v", in, got, ext, ok)
		}
	}
}
