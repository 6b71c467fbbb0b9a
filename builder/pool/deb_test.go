package pool

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/nestos/nosa/assets"
	"github.com/nestos/nosa/workspace/proc"
)

// testTime is the newest file of every package that these tests make.
var testTime = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)

// testDeb is a .deb to be written.
type testDeb struct {
	control   string
	conffiles string
	ext       string // of data.tar: .xz, .gz, .zst or empty
	files     []tar.Header
	bodies    map[string]string
}

func (d testDeb) write(t testing.TB, path string) {
	t.Helper()
	var out bytes.Buffer
	out.WriteString(arMagic)
	member := func(name string, body []byte) {
		fmt.Fprintf(&out, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, 0, 0, 0, "100644", len(body))
		out.Write(body)
		if len(body)%2 == 1 {
			out.WriteByte('\n')
		}
	}
	member("debian-binary", []byte("2.0\n"))
	control := []tar.Header{{Name: "./control", Mode: 0o644, Typeflag: tar.TypeReg}, {Name: "./conffiles", Mode: 0o644, Typeflag: tar.TypeReg}}
	member("control.tar.gz", packTar(t, ".gz", control, map[string]string{"./control": d.control, "./conffiles": d.conffiles}))
	ext := d.ext
	if ext == "" {
		ext = ".xz"
	}
	member("data.tar"+ext, packTar(t, ext, d.files, d.bodies))
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func packTar(t testing.TB, ext string, files []tar.Header, bodies map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	var z io.WriteCloser
	var err error
	switch ext {
	case ".xz":
		z, err = xz.NewWriter(&out)
	case ".zst":
		z, err = zstd.NewWriter(&out)
	default:
		z = gzip.NewWriter(&out)
	}
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for _, h := range files {
		if h.ModTime.IsZero() {
			h.ModTime = testTime
		}
		h.Size = int64(len(bodies[h.Name]))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, bodies[h.Name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// demoDeb has what is special: usrmerge, a setgid file of another group, a hard
// link, links that move, a configuration file, documentation, an empty directory.
func demoDeb() testDeb {
	return testDeb{
		control: "Package: demo\nVersion: 1:1.2-3~deb12u1\nArchitecture: amd64\nMaintainer: A B <a@example.org>\nSource: demo-src (1.2-3)\n" +
			"Depends: libc6 (>= 2.36), aa | bb (>= 2~), debconf\nSection: admin\nHomepage: https://example.org/demo\n" +
			"Description: does things\n First line.\n .\n After an empty one.\n",
		conffiles: "/etc/demo.conf\n",
		files: []tar.Header{
			{Name: "./", Mode: 0o755, Typeflag: tar.TypeDir, Uname: "root", Gname: "root"},
			{Name: "./bin/", Mode: 0o755, Typeflag: tar.TypeDir, Uname: "root", Gname: "root"},
			{Name: "./bin/demo", Mode: 0o755, Typeflag: tar.TypeReg, Uname: "root", Gname: "root"},
			{Name: "./bin/demo2", Mode: 0o755, Typeflag: tar.TypeLink, Linkname: "./bin/demo", Uname: "root", Gname: "root"},
			{Name: "./bin/sh", Mode: 0o777, Typeflag: tar.TypeSymlink, Linkname: "demo", Uname: "root", Gname: "root"},
			{Name: "./lib/demo.so", Mode: 0o777, Typeflag: tar.TypeSymlink, Linkname: "../usr/lib/demo.so.1", Uname: "root", Gname: "root"},
			{Name: "./usr/lib/demo.so.1", Mode: 0o644, Typeflag: tar.TypeReg, Uname: "root", Gname: "root"},
			{Name: "./usr/bin/keeper", Mode: 0o2755, Typeflag: tar.TypeReg, Uname: "root", Gname: "shadow", ModTime: testTime.Add(-time.Hour)},
			{Name: "./etc/demo.conf", Mode: 0o640, Typeflag: tar.TypeReg, Uname: "root", Gname: "root"},
			{Name: "./usr/share/doc/demo/", Mode: 0o755, Typeflag: tar.TypeDir, Uname: "root", Gname: "root"},
			{Name: "./usr/share/doc/demo/NEWS", Mode: 0o644, Typeflag: tar.TypeReg, Uname: "root", Gname: "root"},
			{Name: "./usr/share/doc/demo/copyright", Mode: 0o644, Typeflag: tar.TypeReg, Uname: "root", Gname: "root"},
			{Name: "./usr/share/locale/de/LC_MESSAGES/demo.mo", Mode: 0o644, Typeflag: tar.TypeReg, Uname: "root", Gname: "root"},
		},
		bodies: map[string]string{
			"./bin/demo": "program", "./usr/lib/demo.so.1": "library", "./usr/bin/keeper": "k", "./etc/demo.conf": "x=1\n",
			"./usr/share/doc/demo/NEWS": "news", "./usr/share/locale/de/LC_MESSAGES/demo.mo": "mo",
			"./usr/share/doc/demo/copyright": "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: MIT\n\nFiles: x\nLicense: GPL-2+\n\nLicense: MIT\n text\n",
		},
	}
}

func realTables(t testing.TB) *Tables {
	t.Helper()
	tables, err := ReadTables(assets.Pool())
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

func convertDemo(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	demoDeb().write(t, filepath.Join(dir, "demo.deb"))
	p, err := Convert(filepath.Join(dir, "demo.deb"), filepath.Join(dir, "demo.rpm"), realTables(t))
	if err != nil {
		t.Fatal(err)
	}
	want := Package{NEVRA: "demo-1:1.2-3~deb12u1.x86_64", File: "demo-1.2-3~deb12u1.x86_64.rpm", Built: testTime, Size: p.Size}
	if diff := cmp.Diff(want, p, cmp.AllowUnexported(Package{})); diff != "" {
		t.Error(diff)
	}
	return filepath.Join(dir, "demo.rpm")
}

func query(t *testing.T, rpm, format string) string {
	t.Helper()
	out, err := proc.Output(t.Context(), proc.Cmd{Args: []string{"rpm", "-qp", "--qf", format, rpm}})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// TestConvertReadByRPM lets rpm say what it sees in the package.
func TestConvertReadByRPM(t *testing.T) {
	need(t, "rpm")
	rpm := convertDemo(t)
	if out, err := proc.Output(t.Context(), proc.Cmd{Args: []string{"rpm", "-K", rpm}}); err != nil || !strings.Contains(string(out), "digests OK") {
		t.Errorf("rpm -K: %s %v", out, err)
	}
	for _, tc := range []struct{ name, format, want string }{
		{"nevra", "%{nevra}", "demo-1:1.2-3~deb12u1.x86_64"},
		{"source", "%{sourcerpm}", "demo-src-1.2-3.src.rpm"},
		{"built", "%{buildtime}", fmt.Sprint(testTime.Unix())},
		{"licence", "%{license}", "GPL-2+ AND MIT"},
		{"url", "%{url}", "https://example.org/demo"},
		{"summary", "%{summary}", "does things"},
		{"description", "%{description}", "First line.\n\nAfter an empty one."},
		{"requires", "[%{requires} %{requireflags:depflags} %{requireversion};]", "filesystem  ;libc6 >= 2.36;(aa or bb >= 2~)  ;rpmlib(CompressedFileNames) <= 3.0.4-1;rpmlib(PayloadIsZstd) <= 5.4.18-1;rpmlib(RichDependencies) <= 4.12.0-1;rpmlib(TildeInVersions) <= 4.10.0-1;"},
		{"provides", "[%{provides} %{provideversion};]", "demo 1:1.2-3~deb12u1;/bin/sh ;"},
		{"files", "[%{filenames}|%{filemodes:perms}|%{filegroupname}|%{filelinktos}|%{fileflags:fflags}|%{filelangs}\n]", strings.Join([]string{
			"/etc/demo.conf|-rw-r-----|root||cn|",
			"/usr/bin/demo|-rwxr-xr-x|root|||",
			"/usr/bin/demo2|-rwxr-xr-x|root|||",
			"/usr/bin/keeper|-rwxr-sr-x|shadow|||",
			"/usr/bin/sh|lrwxrwxrwx|root|demo||",
			"/usr/lib/demo.so|lrwxrwxrwx|root|demo.so.1||",
			"/usr/lib/demo.so.1|-rw-r--r--|root|||",
			"/usr/share/doc/demo|drwxr-xr-x|root|||",
			"/usr/share/doc/demo/NEWS|-rw-r--r--|root||d|",
			"/usr/share/doc/demo/copyright|-rw-r--r--|root||l|",
			"/usr/share/locale/de/LC_MESSAGES/demo.mo|-rw-r--r--|root|||de",
		}, "\n")},
	} {
		if diff := cmp.Diff(tc.want, query(t, rpm, tc.format)); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
}

func TestConvertIsDeterministic(t *testing.T) {
	a, err := os.ReadFile(convertDemo(t))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(convertDemo(t))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Error("the same .deb became two different RPMs")
	}
}

func TestConvertRefuses(t *testing.T) {
	control := "Package: demo\nVersion: 1\nArchitecture: all\nDescription: x\n"
	for _, tc := range []struct {
		name, want string
		deb        testDeb
	}{
		{"a path out of the root", "leaves the root", testDeb{control: control, files: []tar.Header{{Name: "./usr/../../etc/x", Typeflag: tar.TypeReg, Mode: 0o644}}}},
		{"a device", "cannot be packaged", testDeb{control: control, files: []tar.Header{{Name: "./dev/null", Typeflag: tar.TypeChar, Mode: 0o666}}}},
		{"a name that is a path", "is not allowed", testDeb{control: strings.Replace(control, "demo", "../demo", 1)}},
		{"a link to nothing", "not before it", testDeb{control: control, files: []tar.Header{{Name: "./a", Linkname: "./b", Typeflag: tar.TypeLink}}}},
		{"twins that differ", "twin below /usr differ", testDeb{
			control: control,
			files:   []tar.Header{{Name: "./bin/x", Typeflag: tar.TypeReg, Mode: 0o755}, {Name: "./usr/bin/x", Typeflag: tar.TypeReg, Mode: 0o755}},
			bodies:  map[string]string{"./bin/x": "1", "./usr/bin/x": "2"},
		}},
	} {
		dir := t.TempDir()
		tc.deb.write(t, filepath.Join(dir, "x.deb"))
		_, err := Convert(filepath.Join(dir, "x.deb"), filepath.Join(dir, "x.rpm"), realTables(t))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %q", tc.name, err, tc.want)
		}
		if _, err := os.Stat(filepath.Join(dir, "x.rpm")); err == nil {
			t.Errorf("%s: a file was left", tc.name)
		}
	}
}

func TestDebCompressions(t *testing.T) {
	for _, ext := range []string{".xz", ".gz", ".zst"} {
		dir := t.TempDir()
		d := demoDeb()
		d.ext = ext
		d.write(t, filepath.Join(dir, "x.deb"))
		got, err := readDeb(filepath.Join(dir, "x.deb"))
		if err != nil {
			t.Errorf("%s: %v", ext, err)
			continue
		}
		if len(got.files) != len(d.files)-1 || string(got.files[2].body) != "program" { // "/" is left out
			t.Errorf("%s: %d files, hard link with %q", ext, len(got.files), got.files[2].body)
		}
	}
}

func FuzzReadDeb(f *testing.F) {
	path := filepath.Join(f.TempDir(), "x.deb")
	demoDeb().write(f, path)
	seed, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, b []byte) {
		name := filepath.Join(t.TempDir(), "x.deb")
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := readDeb(name)
		if err != nil {
			return
		}
		for _, file := range d.files {
			if !filepath.IsAbs(file.path) || filepath.Clean(file.path) != file.path {
				t.Errorf("path %q", file.path)
			}
		}
	})
}
