package builder

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/manifest"
)

func TestImages(t *testing.T) {
	at := map[string]manifest.Origin{"container": {File: "manifest.yaml", Line: 3, Column: 1}}
	for _, tt := range []struct {
		name      string
		container bool
		targets   []string
		want      []string
		fails     string
	}{
		{name: "usual", want: []string{"qemu"}},
		{name: "none", targets: []string{}, want: []string{}},
		{name: "some", targets: []string{"metal"}, want: []string{"metal"}},
		{name: "usual of a container", container: true},
		{name: "none of a container", container: true, targets: []string{}, want: []string{}},
		{name: "some of a container", container: true, targets: []string{"qemu", "metal"}, fails: "there can be no qemu and no metal image of a container"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := BuildRequest{Targets: tt.targets}.images(&manifest.Manifest{Container: tt.container, Origins: at})
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("got %v, want %s", err, tt.fails)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	}
}

func TestIsContainer(t *testing.T) {
	for text, want := range map[string]bool{`{"container": true}`: true, `{"container": false}`: false, `{}`: false, `{`: false, "": false} {
		dir := t.TempDir()
		if text != "" {
			if err := os.WriteFile(filepath.Join(dir, workspace.FlatManifestFile), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := isContainer(dir); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
