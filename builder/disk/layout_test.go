package disk

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/event"
)

func TestNewLayout(t *testing.T) {
	const mib = event.MiB
	tests := []struct {
		name string
		in   LayoutRequest
		want []string // NAME START+SIZE in MiB
	}{
		{
			"root grows on first boot",
			LayoutRequest{Arch: "x86_64", DiskSize: 10 * event.GiB, RootSize: 1500*mib + 1},
			[]string{"BIOS-BOOT 1+1", "EFI-SYSTEM 2+127", "boot 129+384", "root 513+1501"},
		},
		{
			"metal: root is the rest",
			LayoutRequest{Arch: "x86_64", SectorSize: 4096, DiskSize: MinimumDisk(1500 * mib)},
			[]string{"BIOS-BOOT 1+1", "EFI-SYSTEM 2+127", "boot 129+384", "root 513+1500"},
		},
		{
			"metal, size from the root",
			LayoutRequest{Arch: "aarch64", RootSize: 100 * mib},
			[]string{"reserved 1+1", "EFI-SYSTEM 2+127", "boot 129+384", "root 513+100"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := NewLayout(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range l.Partitions {
				got = append(got, strings.Join([]string{p.Name, mibs(p.Start) + "+" + mibs(p.Size)}, " "))
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
			if l.GUID != "00000000-0000-4000-a000-000000000001" {
				t.Errorf("disk GUID %s: first boot looks for another", l.GUID)
			}
		})
	}
}

func mibs(n event.Bytes) string { return strconv.FormatInt(int64(n/event.MiB), 10) }

func TestNewLayoutErrors(t *testing.T) {
	tests := []struct {
		name string
		in   LayoutRequest
		want string
	}{
		{"architecture", LayoutRequest{Arch: "s390x", DiskSize: event.GiB}, "s390x"},
		{"sector size", LayoutRequest{Arch: "x86_64", SectorSize: 520, DiskSize: event.GiB}, "520"},
		{"no size", LayoutRequest{Arch: "x86_64"}, "neither"},
		{"disk without room for a root", LayoutRequest{Arch: "x86_64", DiskSize: 514 * event.MiB}, "too small"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := NewLayout(tt.in); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestTooSmall(t *testing.T) {
	_, err := NewLayout(LayoutRequest{Arch: "x86_64", DiskSize: 2 * event.GiB, RootSize: 3 * event.GiB})
	var small *TooSmallError
	if !errors.As(err, &small) {
		t.Fatalf("error %v, want a TooSmallError", err)
	}
	want := TooSmallError{Root: 3 * event.GiB, Needed: 3*event.GiB + 514*event.MiB, Given: 2 * event.GiB}
	if d := cmp.Diff(want, *small); d != "" {
		t.Error(d)
	}
	text := `the disk is too small: its root filesystem needs 3.00 GiB and with the boot partitions the disk needs 3.50 GiB, but its size is 2.00 GiB: set "size: 4" or more in image.yaml`
	if d := cmp.Diff(text, err.Error()); d != "" {
		t.Error(d)
	}
}

func TestEstimateRoot(t *testing.T) {
	files := make([]int64, 10_000)
	for i := range files {
		files[i] = 48 << 10 // 13 blocks with the one that the estimate adds
	}
	// 10,000 × 13 × 4 KiB = 508 MiB, 13,000 × 512 B = 7 MiB, 1 MiB: 516 × 1.4 + 1
	if got, want := EstimateRoot(files, 13_000), 723*event.MiB; got != want {
		t.Errorf("EstimateRoot = %s, want %s", got, want)
	}
}
