package builder

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/builder/rpmostree"
	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/manifest"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// What nosa adds to a config's manifest disables nothing that the config has.
func TestComposeOverride(t *testing.T) {
	overrides := &compose.Overrides{URL: "file:///o", Packages: []rpmmd.NEVRA{
		{Name: "bash", Version: "6", Release: "1", Arch: "x86_64"}, {Name: "ignition", Version: "3", Release: "1", Arch: "x86_64"},
	}}
	lock := rpmmd.Lockfile{Packages: map[string]rpmmd.Locked{"zlib": {EVRA: "1-1.x86_64"}}}
	repos := []rpmostree.Repo{{ID: "base", Enabled: true}, {ID: "debug"}, {ID: "updates", Enabled: true}}
	layers := []tree.Layer{{Name: "overlay/05core"}, {Name: imageLayerName}, {Name: overridesLayerName, Override: true}}
	for _, tt := range []struct {
		name    string
		named   []string // ostree-layers
		resolve compose.ResolveRequest
		want    rpmostree.Override
		foreign []string
	}{
		{
			name: "nothing of one's own", named: []string{"overlay/05core"},
			want: rpmostree.Override{Layers: []string{imageLayerName}, OverrideLayers: []string{overridesLayerName}},
		},
		{
			name: "a manifest that names no layers",
			want: rpmostree.Override{Layers: []string{"overlay/05core", imageLayerName}, OverrideLayers: []string{overridesLayerName}},
		},
		{
			name: "packages, and all repositories", named: []string{"overlay/05core"}, resolve: compose.ResolveRequest{Overrides: overrides, Install: []compose.Item{{Text: "bash"}}},
			want: rpmostree.Override{
				Repos: []string{compose.OverridesID, "base", "updates"}, Layers: []string{imageLayerName}, OverrideLayers: []string{overridesLayerName},
			},
		},
		{
			name: "packages that are pinned to a repository", named: []string{"overlay/05core"},
			resolve: compose.ResolveRequest{Overrides: overrides, Repos: []string{"base"}, Install: []compose.Item{{Text: "ignition", Repo: "base"}, {Text: "bash"}}},
			want: rpmostree.Override{
				Repos: []string{compose.OverridesID}, RepoPackages: []rpmostree.RepoPackages{{Repo: compose.OverridesID, Packages: []string{"ignition"}}},
				Layers: []string{imageLayerName}, OverrideLayers: []string{overridesLayerName},
			},
		},
		{
			name: "a released config: lockfile-repos without a lockfile", named: []string{"overlay/05core"},
			resolve: compose.ResolveRequest{Overrides: overrides, LockfileRepos: []string{"base", "NestOS-For-Container"}},
			want: rpmostree.Override{
				Repos: []string{compose.OverridesID, "base", "updates"}, Layers: []string{imageLayerName}, OverrideLayers: []string{overridesLayerName},
			},
			foreign: []string{"NestOS-For-Container"},
		},
		{
			name: "a lockfile of the config's", named: []string{"overlay/05core"},
			resolve: compose.ResolveRequest{Overrides: overrides, LockfileRepos: []string{"base", "gone"}, Lock: lock},
			want: rpmostree.Override{
				Repos: []string{compose.OverridesID, "base", "updates"}, Layers: []string{imageLayerName}, OverrideLayers: []string{overridesLayerName},
			},
			foreign: []string{"gone"},
		},
		{
			name: "a lockfile alone", named: []string{"overlay/05core"}, resolve: compose.ResolveRequest{LockfileRepos: []string{"debug"}, Lock: lock},
			want: rpmostree.Override{Repos: []string{"base", "updates"}, Layers: []string{imageLayerName}, OverrideLayers: []string{overridesLayerName}},
		},
		{
			name: "a lockfile and repos", named: []string{"overlay/05core"},
			resolve: compose.ResolveRequest{LockfileRepos: []string{"debug"}, Repos: []string{"base"}, Lock: lock},
			want:    rpmostree.Override{Layers: []string{imageLayerName}, OverrideLayers: []string{overridesLayerName}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &manifest.Manifest{}
			for _, name := range tt.named {
				m.Layers = append(m.Layers, manifest.Item{Text: name})
			}
			env := &Env{WS: &workspace.Workspace{Dir: "/ws"}}
			f := composeFiles{config: &Config{Manifest: m}, resolve: tt.resolve, layers: layers, repos: repos}
			tt.want.Manifest = "/ws/src/config/manifest.yaml"
			if diff := cmp.Diff(tt.want, f.override(env)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.foreign, f.strangers()); diff != "" && len(tt.foreign)+len(f.strangers()) > 0 {
				t.Error(diff)
			}
		})
	}
}

// The packages of overrides/rpm are pinned with those of the config, and win.
func TestComposeLock(t *testing.T) {
	f := composeFiles{resolve: compose.ResolveRequest{
		Lock:      rpmmd.Lockfile{Packages: map[string]rpmmd.Locked{"bash": {EVRA: "5-1.x86_64"}, "zlib": {EVR: "1-1"}}},
		Overrides: &compose.Overrides{Packages: []rpmmd.NEVRA{{Name: "bash", Version: "6", Release: "1", Arch: "x86_64"}}},
	}}
	want := map[string]rpmmd.Locked{"bash": {EVRA: "6-1.x86_64"}, "zlib": {EVR: "1-1"}}
	if diff := cmp.Diff(want, f.lock().Packages); diff != "" {
		t.Error(diff)
	}
}

func TestFetchedAs(t *testing.T) {
	known := rpmmd.FetchedPackage{NEVRA: rpmmd.NEVRA{Name: "glibc", Version: "2", Release: "1", Arch: "x86_64"}, SHA256: "ab"}
	other := rpmmd.NEVRA{Name: "glibc", Version: "2", Release: "1", Arch: "i686"}
	got := fetchedAs(rpmmd.Fetched{Input: "x", Packages: []rpmmd.FetchedPackage{known, {NEVRA: rpmmd.NEVRA{Name: "left-out"}}}}, []rpmmd.NEVRA{known.NEVRA, other})
	want := rpmmd.Fetched{Input: "x", Packages: []rpmmd.FetchedPackage{{NEVRA: other}, known}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
