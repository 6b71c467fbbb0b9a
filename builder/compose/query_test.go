package compose

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nestos/nosa/workspace/rpmmd"
)

// garden is a repository with all kinds of requirements.
func garden(t *testing.T) string {
	t.Helper()
	return makeRepo(
		t,
		testPackage{name: "podman", requires: []string{"containers-common >= 1", "crun-api"}},
		testPackage{name: "containers-common", requires: []string{"crun", "libcrun.so.1()(64bit)"}},
		testPackage{name: "crun", provides: []string{"crun-api", "libcrun.so.1()(64bit)"}, requires: []string{"/bin/sh"}},
		testPackage{name: "bash", files: map[string]string{"/bin/sh": "x", "/opt/odd/file": "x"}},
		testPackage{name: "egg", requires: []string{"hen"}},
		testPackage{name: "hen", requires: []string{"egg"}},
		testPackage{name: "rich", requires: []string{"(egg or zebra)", "(podman if zebra)", "(notes if hen else zebra)", "(editor with editor(plain))"}},
		testPackage{name: "notes", requires: []string{"/opt/odd/file"}},
		testPackage{name: "editor", provides: []string{"editor(plain)"}, recommends: []string{"speller", "bash"}},
		testPackage{name: "speller", requires: []string{"words"}},
		testPackage{name: "words"},
		testPackage{name: "words-de", supplements: []string{"(words and german)"}},
		testPackage{name: "german"},
		testPackage{name: "old", version: "1-1"},
		testPackage{name: "old", version: "2-1"},
	)
}

// fetchedRequest is one whose metadata is there.
func fetchedRequest(t *testing.T, dir string, install ...string) QueryRequest {
	t.Helper()
	r := request(t, dir, install...)
	fetchMetadata(t, r)
	return QueryRequest{ResolveRequest: r}
}

// fetchMetadata leaves the metadata of the request's repositories in its cache.
func fetchMetadata(t testing.TB, r ResolveRequest) {
	t.Helper()
	r.Install, r.Exclude, r.Lock = items("no-such-package"), nil, rpmmd.Lockfile{}
	refused[*NotFoundError](t, r)
}

func asked(t testing.TB, r QueryRequest) Answer {
	t.Helper()
	a, err := Query(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestQueryChain(t *testing.T) {
	r := fetchedRequest(t, garden(t), "podman", "rich", "german", "old")
	for _, tt := range []struct {
		name, ask, want string
		change          func(*QueryRequest)
	}{
		{name: "requested", ask: "podman", want: "podman"},
		{name: "by a version test", ask: "containers-common", want: "podman requires containers-common"},
		{name: "the shorter of two", ask: "crun", want: "podman requires crun"},
		{name: "a file", ask: "bash", want: "podman requires crun requires bash"},
		{name: "asked for by a file", ask: "/opt/odd/file", want: "podman requires crun requires bash"},
		{name: "asked for by what it provides", ask: "libcrun.so.1()(64bit)", want: "podman requires crun"},
		{name: "asked for by version and architecture", ask: "crun-1-1.noarch", want: "podman requires crun"},
		{name: "one of two", ask: "egg", want: "rich requires egg"},
		{name: "a circle", ask: "hen", want: "rich requires egg requires hen"},
		{name: "a condition", ask: "notes", want: "rich requires notes"},
		{name: "an intersection", ask: "editor", want: "rich requires editor"},
		{name: "weak", ask: "words", want: "rich requires editor recommends speller requires words"},
		{name: "supplements", ask: "words-de", want: "german is supplemented by words-de"},
		{name: "not weak", ask: "words", change: func(r *QueryRequest) { r.NoWeak = true }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := r
			r.Package = tt.ask
			if tt.change != nil {
				tt.change(&r)
			}
			if diff := cmp.Diff(tt.want, ChainText(asked(t, r).Why.Chain)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestQueryWhy(t *testing.T) {
	r := fetchedRequest(t, garden(t), "podman", "crun", "old")
	r.Package = "crun"
	got := asked(t, r).Why
	want := &Why{
		Package:  WhyPackage{NEVRA: rpmmd.NEVRA{Name: "crun", Version: "1", Release: "1", Arch: "noarch"}, Repo: "base"},
		Chain:    []Link{{Kind: LinkRequested, Text: "crun", Name: "crun", Package: "crun-1-1.noarch", Origin: origin(2)}},
		Requests: r.Install[1:2],
		RequiredBy: []Link{
			{Kind: LinkRequires, Text: "crun", Name: "containers-common", Package: "containers-common-1-1.noarch"},
			{Kind: LinkRequires, Text: "crun-api", Name: "podman", Package: "podman-1-1.noarch"},
		},
		RequiredCount: 2,
		Needs:         []Link{{Kind: LinkRequires, Text: "/bin/sh", Name: "bash", Package: "bash-1-1.noarch"}},
		NeedsCount:    1,
	}
	sizes := cmp.FilterPath(func(p cmp.Path) bool { return strings.HasSuffix(p.String(), "Size") }, cmp.Ignore())
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), sizes); diff != "" {
		t.Error(diff)
	}
	if got.Package.Size == 0 {
		t.Error("the size is not known")
	}

	r.Package = "editor"
	r.Exclude = items("editor")
	if diff := cmp.Diff([]Found{{Package: "editor-1-1.noarch", Repo: "base", Hidden: []string{"exclude"}}}, asked(t, r).Why.Available); diff != "" {
		t.Error(diff)
	}
	r.Package = "crum"
	if diff := cmp.Diff([]string{"crun"}, asked(t, r).Why.Near); diff != "" {
		t.Error(diff)
	}
	r.Package, r.NoWeak, r.Install = "speller", true, items("editor")
	r.Exclude = nil
	if got := asked(t, r).Why; len(got.WantedBy) != 1 || got.WantedBy[0].Name != "editor" {
		t.Errorf("got %+v", got)
	}
}

// TestQuerySet explains the set that was fetched, not what would be chosen now.
func TestQuerySet(t *testing.T) {
	r := fetchedRequest(t, garden(t), "old")
	r.Package = "old"
	for _, tt := range []struct{ fetched, want string }{{"1", "old-1-1.noarch"}, {"7", "old-2-1.noarch"}} {
		r.Set = []rpmmd.FetchedPackage{{NEVRA: rpmmd.NEVRA{Name: "old", Version: tt.fetched, Release: "1", Arch: "noarch"}, Repo: "base"}}
		if got := asked(t, r).Why.Package.NEVRA.String(); got != tt.want {
			t.Errorf("fetched version %s: got %s, want %s", tt.fetched, got, tt.want)
		}
	}
}

// TestQueryProblems finds all of them in one run.
func TestQueryProblems(t *testing.T) {
	r := fetchedRequest(t, garden(t), "podmann", "podman", "old >= 3", "rich", "old = 1-1")
	r.Exclude = append(items("crun", "notes", "bahs"), Item{Text: "zzzzzz", Origin: origin(9)})
	r.Lock = rpmmd.Lockfile{Packages: map[string]rpmmd.Locked{"old": {EVRA: "2-1.noarch"}}}
	got := asked(t, r)
	var missing, needed, unknown []string
	for _, m := range got.NotFound.Items {
		missing = append(missing, m.Text+": "+m.Why())
	}
	for _, g := range got.Conflict.Groups {
		for _, n := range g.Needed {
			needed = append(needed, n.Text())
		}
	}
	for _, u := range got.Unknown {
		unknown = append(unknown, fmt.Sprint(u.Text, u.Near))
	}
	for _, tt := range []struct {
		what      string
		want, got []string
	}{
		{"missing", []string{"podmann: near: podman", "old >= 3: there is old-2-1.noarch in base, old-1-1.noarch in base", "old = 1-1: hidden by lock"}, missing},
		{"needed", []string{"podman requires crun, which is excluded at m.yaml:1:3", "rich requires notes, which is excluded at m.yaml:2:3"}, needed},
		{"unknown", []string{"bahs[bash]", "zzzzzz[]"}, unknown},
	} {
		less := func(a, b string) bool { return a < b }
		if diff := cmp.Diff(tt.want, tt.got, cmpopts.SortSlices(less)); diff != "" {
			t.Errorf("%s: %s", tt.what, diff)
		}
	}
}

// TestNeeded names the shortest chain to what is hidden and needed, once for each such package.
func TestNeeded(t *testing.T) {
	dir := makeRepo(
		t,
		testPackage{name: "app", requires: []string{"lib >= 2"}}, testPackage{name: "top", requires: []string{"app", "extra"}},
		testPackage{name: "lib", version: "1-1"}, testPackage{name: "lib", version: "2-1"},
		testPackage{name: "engine", requires: []string{"(runc or crun)"}, recommends: []string{"toy"}}, testPackage{name: "runc"}, testPackage{name: "crun"},
		testPackage{name: "long", requires: []string{"middle"}}, testPackage{name: "middle", requires: []string{"engine"}}, testPackage{name: "toy"},
		testPackage{name: "red", conflicts: []string{"blue"}, requires: []string{"toy"}}, testPackage{name: "blue"},
		testPackage{name: "broken", requires: []string{"nothing", "toy"}},
		testPackage{name: "half", requires: []string{"broken"}},
	)
	pool := makeRepo(t, testPackage{name: "extra"})
	lock := func(pins ...string) rpmmd.Lockfile {
		l := rpmmd.Lockfile{Packages: map[string]rpmmd.Locked{}}
		for _, pin := range pins {
			name, evra, _ := strings.Cut(pin, "-")
			l.Packages[name] = rpmmd.Locked{EVRA: evra}
		}
		return l
	}
	for _, tt := range []struct {
		name    string
		install string
		exclude []Item
		lock    rpmmd.Lockfile
		strict  bool
		want    string // what must stand in the error
		groups  int
	}{
		{name: "excluded, for several", install: "middle long engine", exclude: items("runc", "crun"), groups: 1, want: `^cannot install m.yaml:3:3: engine
  package .* is filtered out by exclude filtering
  engine requires (runc|crun), which is excluded at m.yaml:[12]:3; middle and long need it too$`},
		{name: "only recommended", install: "engine", exclude: items("toy", "runc", "crun"), groups: 1, want: `engine requires (runc|crun), which is excluded`},
		{name: "locked", install: "top", lock: lock("lib-1-1.noarch", "extra-1-1.noarch"), groups: 1, want: `top requires app requires lib, which is locked to another version$`},
		{name: "only to be locked", install: "top", lock: lock("lib-2-1.noarch"), groups: 1, want: `top requires extra, which only lockfile-repos have, and no lock names it$`},
		{name: "strict", install: "top", lock: lock("top-1-1.noarch"), strict: true, groups: 3, want: `top requires app requires lib, which is not in the lock$`},
		{name: "beside what nothing provides", install: "half", exclude: items("broken"), groups: 1, want: `(?s)nothing provides nothing.*m.yaml:1:3: excluded: broken$`},
		{name: "beside a conflict", install: "red blue broken", exclude: items("toy"), groups: 3, want: `(?s)red requires toy, which is excluded at m.yaml:1:3\n.*red together with .*nothing provides nothing`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := request(t, "", strings.Fields(tt.install)...)
			r.RepoDirs = []string{repoFile(t, section("base", "file://"+dir), section("pool", "file://"+pool))}
			r.Repos, r.LockfileRepos = []string{"base"}, []string{"pool"}
			r.Exclude, r.Lock, r.Strict = tt.exclude, tt.lock, tt.strict
			got := refused[*ConflictError](t, r)
			if !regexp.MustCompile(tt.want).MatchString(got.Error()) || len(got.Groups) != tt.groups || got.More {
				t.Errorf("%d groups, want %d:\n%v", len(got.Groups), tt.groups, got)
			}
		})
	}
}

// TestQueryOnlyReads takes a cache that nobody may write, with metadata that dnf has not indexed.
func TestQueryOnlyReads(t *testing.T) {
	r := fetchedRequest(t, garden(t), "podman")
	indexes, err := filepath.Glob(filepath.Join(r.CacheDir, "*.solv*"))
	if err != nil || len(indexes) == 0 {
		t.Fatal("no index", err)
	}
	for _, name := range indexes {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	before := listing(t, r.CacheDir)
	r.Package = "crun"
	if got := asked(t, r); got.Why == nil {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff(before, listing(t, r.CacheDir)); diff != "" {
		t.Error(diff)
	}
	r.Package = ""
	if got := asked(t, r); got.NotFound != nil || got.Conflict != nil || got.Unknown != nil {
		t.Errorf("nothing is wrong with it: got %+v", got)
	}
	r.CacheDir = t.TempDir()
	if _, err := Query(t.Context(), r); err == nil || !strings.Contains(err.Error(), "repository base") {
		t.Errorf("without metadata: %v", err)
	}
}

// listing is every file below dir with its time of change.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err == nil {
			list = append(list, fmt.Sprint(path, " ", info.Mode(), " ", info.ModTime()))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
