package pool

import (
	"archive/tar"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"github.com/nestos/nosa/workspace/proc"
)

// testArchive is a small Debian archive in memory, signed with a key of its own.
type testArchive struct {
	files    map[string][]byte // by path below the server's root
	keyring  string
	gpg      gpg
	mu       sync.Mutex
	requests []string
	url      string
}

func newTestArchive(t *testing.T) *testArchive {
	t.Helper()
	need(t, "gpg", "gpgv", "gpgconf", "createrepo_c")
	a := &testArchive{files: map[string][]byte{}, keyring: filepath.Join(t.TempDir(), "keyring.gpg")}
	home, err := os.MkdirTemp("", "nosa-test-gpg-") //nolint:usetesting // the path of the agent's socket must be short
	if err != nil {
		t.Fatal(err)
	}
	a.gpg = gpg{home}
	t.Cleanup(func() {
		_ = proc.Run(context.WithoutCancel(t.Context()), proc.Cmd{Args: []string{"gpgconf", "--homedir", home, "--kill", "all"}})
		_ = os.RemoveAll(home)
	})
	for _, args := range [][]string{{"--quick-generate-key", "archive", "ed25519", "sign", "never"}, {"--output", a.keyring, "--export"}} {
		if err := a.gpg.run(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.requests = append(a.requests, path.Base(r.URL.Path))
		a.mu.Unlock()
		body, ok := a.files[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(srv.Close)
	a.url = srv.URL
	return a
}

// publish makes the three suites; packages are in the first one.
func (a *testArchive) publish(t *testing.T, debs ...testDeb) {
	t.Helper()
	var index strings.Builder
	for i, d := range debs {
		file := filepath.Join(t.TempDir(), "x.deb")
		d.write(t, file)
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("pool/main/d/%d.deb", i)
		a.files["debian/"+name] = body
		fmt.Fprintf(&index, "%sFilename: %s\nSize: %d\nSHA256: %s\n\n", d.control, name, len(body), sha(string(body)))
	}
	a.suite(t, "debian/dists/bookworm", "bookworm", index.String())
	a.suite(t, "debian/dists/bookworm-updates", "bookworm-updates", "")
	a.suite(t, "security/dists/bookworm-security", "bookworm-security", "")
}

func (a *testArchive) suite(t *testing.T, dir, codename, index string) {
	t.Helper()
	packed := string(packText(t, index))
	a.files[dir+"/main/binary-amd64/by-hash/SHA256/"+sha(packed)] = []byte(packed)
	a.sign(t, dir, fmt.Sprintf("Codename: %s\nValid-Until: Sat, 02 Mar 2024 00:00:00 UTC\nSHA256:\n %s %d main/binary-amd64/Packages.gz\n", codename, sha(packed), len(packed)))
}

func (a *testArchive) sign(t *testing.T, dir, release string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "Release")
	if err := os.WriteFile(file, []byte(release), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := a.gpg.run(t.Context(), "--clear-sign", "--output", file+".asc", file); err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(file + ".asc")
	if err != nil {
		t.Fatal(err)
	}
	a.files[dir+"/InRelease"] = body
}

// packText is text as a .gz.
func packText(t *testing.T, text string) []byte {
	t.Helper()
	var out strings.Builder
	z := gzip.NewWriter(&out)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return []byte(out.String())
}

func testTables(t *testing.T) *Tables {
	t.Helper()
	fsys := fstest.MapFS{
		"pool/roots.txt":             {Data: []byte("# roots\ndemo\n")},
		"pool/dropped.txt":           {Data: []byte("debconf * no questions are asked\naa * not in this test\n")},
		"pool/filesystem.txt":        {Data: []byte("link usr/bin - /bin\ndir 755 root /usr\nghost 555 root /proc\n")},
		"pool/posttrans/demo.sh":     {Data: []byte("# Package: demo\n# Why: a test\ntrue\n")},
		"pool/add/demo/etc/demo.d/x": {Data: []byte("x\n")},
	}
	for _, name := range []string{"passwd", "group", "shadow", "gshadow"} {
		fsys["pool/accounts/"+name] = &fstest.MapFile{Data: []byte("root:x:0:\n")}
	}
	tables, err := ReadTables(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

func libc() testDeb {
	return testDeb{
		control: "Package: libc6\nVersion: 2.36-9\nArchitecture: amd64\nDescription: c\n",
		files:   []tar.Header{{Name: "./lib/libc.so.6", Mode: 0o755, Typeflag: tar.TypeReg, Uname: "root", Gname: "root"}},
		bodies:  map[string]string{"./lib/libc.so.6": "c"},
	}
}

func (a *testArchive) options(t *testing.T) Options {
	return Options{
		Dir: t.TempDir(), Mirror: a.url + "/debian/", SecurityMirror: a.url + "/security", Keyring: a.keyring,
		Now: testTime, Tables: testTables(t),
	}
}

// TestCreate makes a pool, again with nothing new, offline, after a loss and from a new version.
func TestCreate(t *testing.T) {
	a := newTestArchive(t)
	a.publish(t, demoDeb(), libc())
	o := a.options(t)
	sum := mustCreate(t, o)
	want := []string{"demo-1:1.2-3~deb12u1.x86_64", "filesystem-12-1.noarch", "libc6-2.36-9.x86_64", "setup-12-1.noarch"}
	if diff := cmp.Diff(want, nevras(sum)); diff != "" {
		t.Error(diff)
	}
	if sum.Fetched != 2 || sum.Converted != 2 || sum.Reused != 0 || sum.Unchanged {
		t.Errorf("first run: %+v", sum)
	}
	checkRepo(t, sum.Repo)
	before := contents(t, sum.Repo)

	a.requests = nil
	if again := mustCreate(t, o); !again.Unchanged || !cmp.Equal(nevras(again), want) {
		t.Errorf("second run: %+v", again)
	}
	if len(a.requests) != 3 {
		t.Errorf("second run asked for %v", a.requests)
	}

	a.requests = nil
	off := o
	off.Offline = true
	if again := mustCreate(t, off); !again.Unchanged || len(a.requests) > 0 {
		t.Errorf("offline: %+v, asked for %v", again, a.requests)
	}

	// A package lost from the repository comes back from the cache, byte for byte.
	if err := os.Remove(filepath.Join(sum.Repo, "libc6-2.36-9.x86_64.rpm")); err != nil {
		t.Fatal(err)
	}
	if again := mustCreate(t, off); again.Unchanged || again.Converted != 0 || again.Reused != 2 {
		t.Errorf("after a loss: %+v", again)
	}
	if diff := cmp.Diff(before, contents(t, sum.Repo)); diff != "" {
		t.Errorf("the same input gave another repository: %s", diff)
	}

	newer := libc()
	newer.control = strings.Replace(newer.control, "2.36-9", "2.36-9+deb12u1", 1)
	a.publish(t, demoDeb(), newer)
	again := mustCreate(t, o)
	if again.Converted != 1 || again.Reused != 1 || !slices.Contains(nevras(again), "libc6-2.36-9+deb12u1.x86_64") || slices.Contains(nevras(again), "libc6-2.36-9.x86_64") {
		t.Errorf("with a new version: %+v", again)
	}
	checkRepo(t, sum.Repo)
}

func TestCreateRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		corrupt    func(*testArchive, *Options)
	}{
		{"tampered release", "BAD signature", func(a *testArchive, _ *Options) {
			f := a.files["debian/dists/bookworm/InRelease"]
			a.files["debian/dists/bookworm/InRelease"] = []byte(strings.Replace(string(f), "Codename", "CodeName", 1))
		}},
		{"unsigned release", "signature", func(a *testArchive, _ *Options) {
			a.files["debian/dists/bookworm/InRelease"] = []byte("Codename: bookworm\n")
		}},
		{"another suite's release", `codename is "bookworm-updates", want "bookworm"`, func(a *testArchive, _ *Options) {
			a.files["debian/dists/bookworm/InRelease"] = a.files["debian/dists/bookworm-updates/InRelease"]
		}},
		{"another key", "Can't check signature", func(_ *testArchive, o *Options) {
			o.Keyring = filepath.Join(t.TempDir(), "empty.gpg")
			_ = os.WriteFile(o.Keyring, nil, 0o644)
		}},
		{"no keyring", "package debian-archive-keyring", func(_ *testArchive, o *Options) { o.Keyring = filepath.Join(o.Dir, "none.gpg") }},
		{"expired", "expired at 2024-03-02", func(_ *testArchive, o *Options) { o.Now = testTime.AddDate(0, 1, 0) }},
		{"a missing package", "pool/main/d/1.deb: server says 404", func(a *testArchive, _ *Options) { delete(a.files, "debian/pool/main/d/1.deb") }},
		{"a changed package", "checksum mismatch", func(a *testArchive, _ *Options) { a.files["debian/pool/main/d/1.deb"][70] ^= 1 }},
		{"never fetched", "offline, and the release file", func(_ *testArchive, o *Options) { o.Offline = true }},
		{"another release", "only bookworm is known", func(_ *testArchive, o *Options) { o.Suite = "trixie" }},
		{"another architecture", "only amd64 is known", func(_ *testArchive, o *Options) { o.Arch = "arm64" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := newTestArchive(t)
			a.publish(t, demoDeb(), libc())
			o := a.options(t)
			tc.corrupt(a, &o)
			c := testClient()
			_, err := createWith(t.Context(), o, c)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if _, err := os.Stat(filepath.Join(o.Dir, "repo")); err == nil {
				t.Error("a repository was made")
			}
		})
	}
}

// createWith is Create with a client that does not wait for long.
func createWith(ctx context.Context, o Options, cl *client) (Summary, error) {
	c, err := newCreator(o, nil)
	if err != nil {
		return Summary{}, err
	}
	c.client = cl
	err = c.create(ctx)
	return c.sum, err
}

func mustCreate(t *testing.T, o Options) Summary {
	t.Helper()
	sum, err := Create(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func nevras(s Summary) []string {
	var out []string
	for _, p := range s.Packages {
		out = append(out, p.NEVRA)
	}
	return out
}

// contents gives the checksum of every file but the signature, which has a time in it.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, pattern := range []string{"*.rpm", "repodata/*"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if filepath.Ext(name) == ".asc" {
				continue
			}
			if out[filepath.Base(name)], err = fileSHA256(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	return out
}

// checkRepo verifies the signature with the key that lies in the repository,
// and that the agent which made it is gone.
func checkRepo(t *testing.T, repo string) {
	t.Helper()
	for _, name := range []string{"repodata/repomd.xml", "repodata/repomd.xml.asc", KeyFile} {
		if _, err := os.Stat(filepath.Join(repo, name)); err != nil {
			t.Error(err)
		}
	}
	ring := filepath.Join(t.TempDir(), "ring.gpg")
	if err := proc.Run(t.Context(), proc.Cmd{Args: []string{"gpg", "--dearmor", "--output", ring, filepath.Join(repo, KeyFile)}}); err != nil {
		t.Fatal(err)
	}
	repomd := filepath.Join(repo, "repodata", "repomd.xml")
	if err := proc.Run(t.Context(), proc.Cmd{Args: []string{"gpgv", "--keyring", ring, repomd + ".asc", repomd}}); err != nil {
		t.Errorf("signature of the repository: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "nosa-gpg-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestRepoFile(t *testing.T) {
	got := RepoFile("/srv/my pool/repo")
	for _, line := range []string{
		"[nosa-sample]", "baseurl=file:///srv/my%20pool/repo", "repo_gpgcheck=1", "gpgcheck=0",
		"gpgkey=file:///srv/my%20pool/repo/RPM-GPG-KEY-nosa-sample",
	} {
		if !slices.Contains(strings.Split(got, "\n"), line) {
			t.Errorf("no line %q in\n%s", line, got)
		}
	}
}

// TestSyntheticOrder makes sure that accounts come before directories and those before all else.
func TestSyntheticOrder(t *testing.T) {
	need(t, "rpm")
	dir := t.TempDir()
	list, err := writeSynthetic(realTables(t), dir, testTime)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, p := range list {
		got[p.NEVRA] = strings.Fields(query(t, filepath.Join(dir, p.File), "[%{requires} ]"))[0]
	}
	want := map[string]string{"setup-12-1.noarch": "rpmlib(CompressedFileNames)", "filesystem-12-1.noarch": "setup"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	files := query(t, filepath.Join(dir, list[1].File), "[%{filenames} %{filemodes:perms} %{fileflags:fflags}\n]")
	for _, line := range []string{"/bin lrwxrwxrwx ", "/proc dr-xr-xr-x g", "/tmp drwxrwxrwt ", "/root drwx------ "} {
		if !strings.Contains(files, line) {
			t.Errorf("no %q in\n%s", line, files)
		}
	}
}
