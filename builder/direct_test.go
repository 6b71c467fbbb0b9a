package builder

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/workspace"
)

func TestDirectArgs(t *testing.T) {
	got := directArgs([]string{"root=LABEL=root", "rw", "$ignition_firstboot", "ostree=/ostree/boot.1/os/sum/0"})
	if want := "root=LABEL=root rw ignition.firstboot ostree=/ostree/boot.1/os/sum/0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// That a module is in the tree does not mean that dracut was asked for it.
func TestHasIgnition(t *testing.T) {
	tree := ostree.Tree{Entries: []ostree.Entry{{Path: "/usr/lib/dracut/modules.d/30ignition/module-setup.sh"}}}
	for manifest, want := range map[string]bool{
		`{}`: false,
		`{"initramfs-args": ["--modules=bash ostree"]}`:                false,
		`{"initramfs-args": ["--zstd", "--modules=bash os-ignition"]}`: true,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, workspace.FlatManifestFile), []byte(manifest), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := hasIgnition(dir, ostree.Repo{}, tree)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", manifest, got, err, want)
		}
	}
}
