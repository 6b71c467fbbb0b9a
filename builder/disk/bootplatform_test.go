package disk

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/event"
)

// The platforms of the sample.
func qemuPlatform() BootPlatform {
	return BootPlatform{ID: "qemu", Kargs: []string{"console=tty0 console=ttyS0,115200n8", "no_timer_check"}, Console: []string{"serial --speed=115200"}}
}

func cloudPlatform() BootPlatform {
	return BootPlatform{ID: "cloud", Kargs: []string{"console=ttyS0", "console=tty0"}, Console: []string{"serial --unit=1", "terminal_output serial"}}
}

func TestSetPlatform(t *testing.T) {
	const qemu = "console=tty0 console=ttyS0,115200n8 no_timer_check"
	for _, tt := range []struct {
		name     string
		options  string
		from, to BootPlatform
		want     string // the new options, or what the error has
	}{
		{
			"as an image has them", "options quiet ignition.platform.id=qemu " + qemu + " $ignition_firstboot ostree=/o", qemuPlatform(), cloudPlatform(),
			"options quiet $ignition_firstboot ostree=/o ignition.platform.id=cloud console=ttyS0 console=tty0\n",
		},
		{"nothing to remove", "options a ignition.platform.id=metal b", BootPlatform{ID: "metal"}, BootPlatform{ID: "x"}, "options a b ignition.platform.id=x\n"},
		{"nothing left", "options ignition.platform.id=metal", BootPlatform{ID: "metal"}, BootPlatform{ID: "x"}, "options ignition.platform.id=x\n"},
		{
			"the user's own console stays", "options console=tty0 ignition.platform.id=qemu " + qemu, qemuPlatform(),
			BootPlatform{ID: "x"},
			"options console=tty0 ignition.platform.id=x\n",
		},
		{"of another platform", "options ignition.platform.id=metal", qemuPlatform(), cloudPlatform(), "not for platform qemu"},
		{"not as a whole", "options ignition.platform.id=qemu console=tty0 no_timer_check console=ttyS0,115200n8", qemuPlatform(), cloudPlatform(), "which is platform qemu's"},
		{"syntax", "options ignition.platform.id=metal", BootPlatform{ID: "metal"}, BootPlatform{ID: "x", Kargs: []string{"a;b"}}, "ends a command"},
		{"two lines", "options ignition.platform.id=metal\noptions b", BootPlatform{ID: "metal"}, cloudPlatform(), "not one line"},
		{"none", "linux ignition.platform.id=metal", BootPlatform{ID: "metal"}, cloudPlatform(), "not one line"},
		{"an empty one", "options", BootPlatform{ID: "metal"}, cloudPlatform(), "not one line"},
	} {
		got, err := SetPlatform([]byte("title T\n"+tt.options+"\nlinux /l\n"), tt.from, tt.to)
		want := "title T\n" + tt.want + "linux /l\n"
		if err == nil && string(got) != want || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v\n%s", tt.name, err, cmp.Diff(want, string(got)))
		}
	}
}

// Nothing but the boot partition of an image changes, and twice the same image gives the same bytes.
func TestPlatformEdits(t *testing.T) {
	im := bootImage(t, 512)
	config, err := GrubConfig(GrubRequest{BLSCFG: true, ConsoleCommands: qemuPlatform().Console})
	if err != nil {
		t.Fatal(err)
	}
	entry := "title T\noptions ignition.platform.id=qemu " + strings.Join(qemuPlatform().Kargs, " ") + " ostree=/o\n"
	if err := os.MkdirAll(filepath.Join(im.Boot.Dir, "grub2"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{bootEntry: entry, grubConfig: config} {
		if err := os.WriteFile(filepath.Join(im.Boot.Dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := Write(t.Context(), im, nil); err != nil {
		t.Fatal(err)
	}
	qcow2 := filepath.Join(t.TempDir(), "base.qcow2")
	if err := QCOW2(t.Context(), im.Path, qcow2, Uncompressed); err != nil {
		t.Fatal(err)
	}
	var sums []string
	for range 2 {
		made := filepath.Join(t.TempDir(), "cloud.qcow2")
		copyFile(t, qcow2, made)
		b := BootEdit{Image: made, Format: "qcow2", SectorSize: 512}
		err := b.Edit(t.Context(), func(ctx context.Context, files *BootFiles) ([]FileEdit, error) {
			return PlatformEdits(ctx, files, qemuPlatform(), cloudPlatform())
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckQCOW2(t.Context(), made); err != nil {
			t.Error(err)
		}
		sums = append(sums, checksum(t, made))
		for name, want := range map[string]string{
			bootEntry:  "title T\noptions ostree=/o ignition.platform.id=cloud console=ttyS0 console=tty0\n",
			grubConfig: strings.Replace(config, "START\nserial --speed=115200\n", "START\nserial --unit=1\nterminal_output serial\n", 1),
		} {
			got, err := b.Read(t.Context(), name)
			if diff := cmp.Diff(want, string(got)); err != nil || diff != "" {
				t.Errorf("%s: %v\n%s", name, err, diff)
			}
		}
		plain := im
		plain.Path = made + ".raw"
		output(t, "qemu-img", "convert", "-f", "qcow2", "-O", "raw", made, plain.Path)
		for _, part := range im.Layout.Partitions {
			same := checksum(t, partition(t, im, part.Name)) == checksum(t, partition(t, plain, part.Name))
			if same == (part.Name == Boot) {
				t.Errorf("partition %s: changed %v", part.Name, !same)
			}
		}
	}
	if sums[0] != sums[1] {
		t.Error("made twice, it differs")
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestPlatformEditsRefuse(t *testing.T) {
	im := bootImage(t, 512)
	for name, want := range map[string]string{"": "not for platform qemu", grubConfig: "there is no boot loader entry"} {
		b := BootEdit{Image: overlay(t, im), Format: "qcow2", SectorSize: event.Bytes(512)}
		if name != "" {
			if err := b.Apply(t.Context(), []FileEdit{{Path: bootEntry, Remove: true}}); err != nil {
				t.Fatal(err)
			}
		}
		err := b.Edit(t.Context(), func(ctx context.Context, files *BootFiles) ([]FileEdit, error) {
			return PlatformEdits(ctx, files, qemuPlatform(), cloudPlatform())
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
