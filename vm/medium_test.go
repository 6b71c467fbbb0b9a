package vm

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/nestos/nosa/workspace/proc"
)

// As a disk the machine sees the image without the sign of a CD, and the image stays as it is.
func TestMediumOwn(t *testing.T) {
	needPrograms(t, "qemu-img", "qemu-io")
	dir := t.TempDir()
	iso := filepath.Join(dir, "a,b.iso")
	image := bytes.Repeat([]byte("nosa"), 1<<18)
	copy(image[elTorito:], "EL TORITO SPECIFICATION")
	if err := os.WriteFile(iso, image, 0o444); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		medium Medium
		own    bool
	}{
		{"a CD", Medium{Path: iso}, false},
		{"a disk", Medium{Path: iso, Type: Stick}, true},
		{"none", Medium{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := tt.medium.own(t.Context(), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if !tt.own {
				if m.Path != tt.medium.Path || m.Format != "" {
					t.Errorf("%+v", m)
				}
				return
			}
			want := bytes.Clone(image)
			clear(want[elTorito : elTorito+elToritoSize])
			seen := filepath.Join(t.TempDir(), "seen")
			if err := proc.Run(t.Context(), proc.Cmd{Args: []string{"qemu-img", "convert", "-f", m.Format, "-O", "raw", m.Path, seen}}); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(seen); err != nil || !bytes.Equal(got, want) {
				t.Errorf("the machine sees something else: %v", err)
			}
		})
	}
	if after, err := os.ReadFile(iso); err != nil || !bytes.Equal(after, image) {
		t.Errorf("the image was changed: %v", err)
	}
	if _, err := (Medium{Path: filepath.Join(dir, "none"), Type: Stick}).own(t.Context(), dir); err == nil {
		t.Error("an image that is not there")
	}
}

func needPrograms(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
			t.Fatalf("%s is not installed", p)
		}
		t.Skipf("%s is not installed", p)
	}
}
