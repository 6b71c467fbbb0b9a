package disk

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/event"
)

func TestFAT(t *testing.T) {
	need(t, "mkfs.fat", "fsck.fat", "mcopy", "mmd", "mdir")
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, bytes.Repeat([]byte("0123456789"), 700<<10), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		files []File
		size  event.Bytes
	}{
		{"small", []File{{Path: "EFI/BOOT/BOOTX64.EFI", Data: []byte("efi")}, {Path: "EFI/debian/grub.cfg", Data: []byte("cfg")}}, 4 * event.MiB},
		{"large", []File{{Path: "EFI/BOOT/BOOTX64.EFI", Source: large}}, 15 * 512 * event.KiB},
	} {
		var images [][]byte
		for _, at := range []string{"one", "two"} {
			name := filepath.Join(t.TempDir(), at)
			if err := WriteFAT(t.Context(), FAT{Path: name, Files: tt.files, Epoch: time.Unix(1700000000, 0)}, nil); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), "fsck.fat", "-n", name).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", tt.name, err, out)
			}
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			images = append(images, data)
		}
		if !bytes.Equal(images[0], images[1]) {
			t.Errorf("%s: two runs differ", tt.name)
		}
		if got := event.Bytes(len(images[0])); got != tt.size {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.size)
		}
		if !strings.Contains(string(images[0][:64]), "EFI-SYSTEM ") {
			t.Errorf("%s: no label", tt.name)
		}
	}
}

// Every size fits FAT16.
func TestFATCluster(t *testing.T) {
	for _, size := range []event.Bytes{fatLeast, 31 * event.MiB, 32 * event.MiB, 33 * event.MiB, 200 * event.MiB} {
		clusters := size / biosSector / fatCluster(size)
		if clusters < 4085 || clusters > 65524 {
			t.Errorf("%s: %d clusters", size, clusters)
		}
	}
	want := "mkfs.fat --invariant -i 4e4f5341 -n EFI-SYSTEM -F 16 -s 2 -S 512 x"
	if diff := cmp.Diff(want, strings.Join(FAT{}.args("x", 33*event.MiB), " ")); diff != "" {
		t.Error(diff)
	}
}

func TestFATRefuses(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x")
	for want, im := range map[string]FAT{
		"FAT has no time 1970-01-01":   {Path: name, Epoch: time.Unix(0, 0)},
		"cannot be part of its name":   {Path: name, Epoch: time.Unix(1700000000, 0), Files: []File{{Path: "a*"}}},
		"no such file":                 {Path: name, Epoch: time.Unix(1700000000, 0), Files: []File{{Path: "a", Source: name + ".none"}}},
		"want a clean path without":    {Path: name, Epoch: time.Unix(1700000000, 0), Files: []File{{Path: "/a"}}},
		"there are two of it (FAT kno": {Path: name, Epoch: time.Unix(1700000000, 0), Files: []File{{Path: "a"}, {Path: "A"}}},
	} {
		if err := WriteFAT(t.Context(), im, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if _, err := os.Stat(name); err == nil {
			t.Errorf("%s: it is there", want)
		}
	}
}
