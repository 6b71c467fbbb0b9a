package builder

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/workspace/rpmmd"
)

func explained(t *testing.T, env *Env, c *Config, name string) PackageWhy {
	t.Helper()
	why, err := ExplainPackage(t.Context(), env, c, name)
	if err != nil {
		t.Fatal(err)
	}
	return why
}

func TestExplainPackage(t *testing.T) {
	env := packageWorkspace(t)
	c := packageConfig(t, env, "packages:\n  - podman\n  - editor\nexclude-packages:\n  - speller\n")
	crun := explained(t, env, c, "crun")
	crun.Package.Size, crun.Package.InstalledSize = 7, 8
	data, err := json.MarshalIndent(crun, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want := `{
 "asked": "crun",
 "state": "chosen",
 "fetched": false,
 "package": {
  "name": "crun",
  "version": "1",
  "release": "1",
  "arch": "noarch",
  "nevra": "crun-1-1.noarch",
  "repo": "base",
  "size": 7,
  "installed_size": 8
 },
 "chain": [
  {
   "kind": "requested",
   "text": "podman",
   "name": "podman",
   "package": "podman-1-1.noarch",
   "origin": {
    "file": "src/config/manifest.yaml",
    "line": 2,
    "column": 5
   }
  },
  {
   "kind": "requires",
   "text": "containers-common \u003e= 1",
   "name": "containers-common",
   "package": "containers-common-1-1.noarch"
  },
  {
   "kind": "requires",
   "text": "crun",
   "name": "crun",
   "package": "crun-1-1.noarch"
  }
 ],
 "required_by": [
  {
   "kind": "requires",
   "text": "crun",
   "name": "containers-common",
   "package": "containers-common-1-1.noarch"
  }
 ],
 "required_by_count": 1,
 "needs_count": 0
}`
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Error(diff)
	}
	if podman := explained(t, env, c, "podman"); len(podman.Requests) != 1 || podman.Requests[0].Line != 2 || podman.NeedsCount != 1 {
		t.Errorf("got %+v", podman)
	}
	speller := explained(t, env, c, "speller")
	if speller.State != PackageAvailable || len(speller.Excluded) != 1 || speller.Excluded[0].Line != 5 || len(speller.RecommendedBy) != 1 {
		t.Errorf("got %+v", speller)
	}
	if gdb := explained(t, env, c, "gdb"); gdb.State != PackageUnknown || strings.Join(gdb.Unused, " ") != "debug" {
		t.Errorf("got %+v", gdb)
	}
	if slip := explained(t, env, c, "podmam"); slip.State != PackageUnknown || strings.Join(slip.Near, " ") != "podman" {
		t.Errorf("got %+v", slip)
	}
}

// TestExplainPackageFetched explains what was fetched even when the metadata has
// something newer.
func TestExplainPackageFetched(t *testing.T) {
	env := packageWorkspace(t)
	c := packageConfig(t, env, "packages: [old]\n")
	set := []rpmmd.FetchedPackage{{NEVRA: rpmmd.NEVRA{Name: "old", Version: "1", Release: "1", Arch: "noarch"}, Repo: "base"}}
	if _, err := (rpmmd.Fetched{Input: inputDigest(packageRequest(env, c)), Packages: set}).Write(fetchedFile(env.WS)); err != nil {
		t.Fatal(err)
	}
	if why := explained(t, env, c, "old"); !why.Fetched || why.Package.Version != "1" {
		t.Errorf("got %+v", why)
	}
	c = packageConfig(t, env, "packages: [old, crun]\n")
	if why := explained(t, env, c, "old"); why.Fetched || why.Package.Version != "2" {
		t.Errorf("after an edit: got %+v", why)
	}
}

// TestExplainPackageErrors has no tree to explain.
func TestExplainPackageErrors(t *testing.T) {
	env := packageWorkspace(t)
	_, err := ExplainPackage(t.Context(), env, packageConfig(t, env, "packages: [podman]\nexclude-packages: [crun]\n"), "podman")
	if _, ok := errors.AsType[*compose.ConflictError](err); !ok || !strings.Contains(err.Error(), "podman requires containers-common requires crun, which is excluded at") || !IsConfigError(err) {
		t.Errorf("got %v", err)
	}
	configFile(t, env.Dir, "test.repo", "[new]\nname=new\nbaseurl=file:///new\n")
	_, err = ExplainPackage(t.Context(), env, packageConfig(t, env, "packages: [podman]\n"), "podman")
	if _, ok := errors.AsType[*NotFetchedError](err); !ok {
		t.Errorf("got %v", err)
	}
}
