package compose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/rpmpack"

	"github.com/nestos/nosa/workspace/manifest"
)

// need skips, or fails where skipping is not allowed, when something is not there.
func need(t testing.TB, programs ...string) {
	t.Helper()
	missing := ""
	for _, p := range programs {
		if p == "root" && os.Getuid() != 0 {
			missing = "uid 0"
		}
		if _, err := exec.LookPath(p); err != nil && p != "root" {
			missing = p
		}
	}
	if _, err := python(); err != nil {
		missing = err.Error()
	}
	if missing == "" {
		return
	}
	if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
		t.Fatalf("needs %s", missing)
	}
	t.Skipf("needs %s", missing)
}

// sh runs a program of a test.
func sh(t testing.TB, argv ...string) string {
	t.Helper()
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// testPackage is a package that a test makes. Relations are as in a spec file.
type testPackage struct {
	name, version                             string // version is "1-1" when empty
	provides, requires, recommends, conflicts []string
	supplements                               []string          // names or rich, without a version
	files                                     map[string]string // path → content; "-> target" is a link
	docs                                      []string          // paths of files
	pre, post, posttrans                      string
	trigger                                   string   // name that a %triggerin is on
	fileTrigger                               string   // %transfiletriggerin on /usr
	langs                                     []string // of the files, by name; "" is none
	sign                                      func([]byte) ([]byte, error)
}

func relations(t testing.TB, list []string) rpmpack.Relations {
	t.Helper()
	set := rpmpack.Relations{}
	for _, text := range list {
		if err := set.Set(text); err != nil {
			t.Fatal(err)
		}
	}
	return set
}

func (p testPackage) write(t testing.TB, dir string) {
	t.Helper()
	version, release := "1", "1"
	if p.version != "" {
		version, release, _ = strings.Cut(p.version, "-")
	}
	r, err := rpmpack.NewRPM(rpmpack.RPMMetaData{
		Name: p.name, Version: version, Release: release, Arch: "noarch", Epoch: rpmpack.NoEpoch,
		Provides: relations(t, p.provides), Requires: relations(t, p.requires),
		Recommends: relations(t, p.recommends), Conflicts: relations(t, p.conflicts),
		BuildTime: time.Unix(1700000000, 0), Compressor: "gzip:1",
	})
	if err != nil {
		t.Fatal(err)
	}
	r.AddPrein(p.pre)
	r.AddPostin(p.post)
	r.AddPosttrans(p.posttrans)
	for name, content := range p.files {
		f := rpmpack.RPMFile{Name: name, Body: []byte(content), Mode: 0o100755, Owner: "root", Group: "root", MTime: 1700000000}
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			f.Body, f.Mode = []byte(target), 0o120777
		}
		if content == "/" {
			f.Body, f.Mode = nil, 0o40755
		}
		for _, doc := range p.docs {
			if doc == name {
				f.Type = rpmpack.DocFile
			}
		}
		r.AddFile(f)
	}
	if p.trigger != "" {
		const triggerIn = 1 << 16 // RPMSENSE_TRIGGERIN
		r.AddCustomTag(1065, rpmpack.EntryStringSlice([]string{"true"}))
		r.AddCustomTag(1066, rpmpack.EntryStringSlice([]string{p.trigger}))
		r.AddCustomTag(1067, rpmpack.EntryStringSlice([]string{""}))
		r.AddCustomTag(1068, rpmpack.EntryInt32([]int32{triggerIn}))
		r.AddCustomTag(1069, rpmpack.EntryInt32([]int32{0}))
		r.AddCustomTag(1092, rpmpack.EntryStringSlice([]string{"/bin/sh"}))
	}
	if p.fileTrigger != "" {
		const triggerIn = 1 << 16                                               // RPMSENSE_TRIGGERIN
		r.AddCustomTag(5076, rpmpack.EntryStringSlice([]string{p.fileTrigger})) // TRANSFILETRIGGERSCRIPTS
		r.AddCustomTag(5077, rpmpack.EntryStringSlice([]string{"/bin/sh"}))
		r.AddCustomTag(5079, rpmpack.EntryStringSlice([]string{"/usr"}))
		r.AddCustomTag(5080, rpmpack.EntryInt32([]int32{0}))
		r.AddCustomTag(5081, rpmpack.EntryStringSlice([]string{""}))
		r.AddCustomTag(5082, rpmpack.EntryInt32([]int32{triggerIn}))
		r.AddCustomTag(5085, rpmpack.EntryInt32([]int32{1000000}))
	}
	if p.supplements != nil {
		r.AddCustomTag(5052, rpmpack.EntryStringSlice(p.supplements)) // SUPPLEMENTNAME
		r.AddCustomTag(5053, rpmpack.EntryStringSlice(make([]string, len(p.supplements))))
		r.AddCustomTag(5054, rpmpack.EntryUint32(make([]uint32, len(p.supplements))))
	}
	if p.langs != nil {
		r.AddCustomTag(1097, rpmpack.EntryStringSlice(p.langs))
	}
	if p.sign != nil {
		r.SetPGPSigner(p.sign)
	}
	var out bytes.Buffer
	if err := r.Write(&out); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("%s-%s-%s.noarch.rpm", p.name, version, release)
	if err := os.WriteFile(filepath.Join(dir, name), out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// makeRepo writes packages and their metadata and gives the directory.
func makeRepo(t testing.TB, packages ...testPackage) string {
	t.Helper()
	need(t, "createrepo_c")
	dir := t.TempDir()
	for _, p := range packages {
		p.write(t, dir)
	}
	sh(t, "createrepo_c", "-q", "--no-database", dir)
	return dir
}

// repoFile writes a .repo file: its sections by id, with baseurl=URL and further lines.
func repoFile(t testing.TB, sections ...string) string {
	t.Helper()
	dir := t.TempDir()
	text := strings.Join(sections, "\n")
	if err := os.WriteFile(filepath.Join(dir, "test.repo"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func section(id, url string, more ...string) string {
	return fmt.Sprintf("[%s]\nname=%s\nbaseurl=%s\n%s\n", id, id, url, strings.Join(more, "\n"))
}

func items(texts ...string) []Item {
	var list []Item
	for i, text := range texts {
		list = append(list, Item{Text: text, Origin: origin(i + 1)})
	}
	return list
}

// origin is a place in a manifest.
func origin(line int) manifest.Origin {
	return manifest.Origin{File: "m.yaml", Line: line, Column: 3}
}

// request is one that resolves from the repository in dir.
func request(t testing.TB, dir string, install ...string) ResolveRequest {
	t.Helper()
	return ResolveRequest{
		Arch: "x86_64", ReleaseVer: "12", RepoDirs: []string{repoFile(t, section("base", "file://"+dir))},
		Install: items(install...), CacheDir: t.TempDir(),
	}
}

// resolved gives "NEVRA REPO" of what Resolve chose.
func resolved(t *testing.T, r ResolveRequest) []string {
	t.Helper()
	s, err := Resolve(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, p := range s.Packages {
		list = append(list, strings.TrimSuffix(p.String(), ".noarch")+" "+p.Repo)
	}
	return list
}

// refused is the error of Resolve, as the type that the test wants.
func refused[E error](t testing.TB, r ResolveRequest) E {
	t.Helper()
	s, err := Resolve(t.Context(), r)
	var want E
	if !errors.As(err, &want) {
		t.Fatalf("got %v and %d packages, want a %T", err, len(s.Packages), want)
	}
	return want
}
