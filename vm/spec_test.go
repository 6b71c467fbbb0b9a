package vm

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestArgsGolden(t *testing.T) {
	flash := FirmwareFiles{Code: "/fw/CODE.fd", Vars: "/run/vars", Format: "raw"}
	disk := Disk{Path: "/build/nosa.qcow2"}
	for _, tc := range []struct {
		name string
		spec Spec
	}{
		{"bios", Spec{Disks: []Disk{disk}, SerialPath: "/dev/pts/4", QMPFD: 3}},
		{"uefi-metal4k", Spec{
			Firmware: UEFI, Flash: flash, SerialPath: "/dev/pts/4", QMPFD: 3,
			Disks: []Disk{{Path: "/build/a,b.raw", SectorSize: 4096, Serial: "primary-disk", Writes: Keep}},
		}},
		{"secure-kvm", Spec{Accel: KVM, Firmware: UEFISecure, Flash: flash, Disks: []Disk{disk}, CPUs: 4, MemoryMiB: 3072}},
		{"aarch64", Spec{Arch: AArch64, Flash: flash, Disks: []Disk{disk}}},
		{"disks-and-data", Spec{
			Disks: []Disk{{Path: "a.raw", Interface: NVMe}, {Path: "b.raw", Interface: VirtioSCSI}},
			Net:   Net{Restrict: true, Forwards: []Forward{{2222, 22}}, GuestForwards: []string{"tcp:10.0.2.100:80-cmd:cat"}},
			FwCfg: map[string]string{
				"opt/io.systemd.credentials/nosa.console.autologin": "root",
				"opt/com.coreos/config":                             `{"a":1,"b":2}`,
			},
			FwCfgFiles: map[string]string{"opt/file": "/tmp/x"},
			SMBIOS:     []string{"io.systemd.credential:nosa.console.autologin=root"},
		}},
		{"direct", Spec{Direct: Direct{Kernel: "/k", Initrd: "/i", Args: "console=ttyS0"}, Net: Net{None: true}, CPUs: 1, MemoryMiB: 256}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			args, err := Args(tc.spec)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "args-"+tc.name, argLines(args))
		})
	}
}

// argLines puts each option with its value on one line.
func argLines(args []string) string {
	var b strings.Builder
	for i, a := range args {
		switch {
		case i == 0:
		case strings.HasPrefix(a, "-"):
			b.WriteByte('\n')
		default:
			b.WriteByte(' ')
		}
		b.WriteString(a)
	}
	return b.String() + "\n"
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestArgsRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		spec Spec
		want string
	}{
		{"arch", Spec{Arch: "riscv64"}, `architecture "riscv64": want x86_64 or aarch64`},
		{"4k on BIOS", Spec{Firmware: BIOS, Disks: []Disk{{Path: "d", SectorSize: 4096}}}, "disk d: a BIOS boots no disk with 4096-byte sectors, use firmware uefi"},
		{"BIOS on arm", Spec{Arch: AArch64, Firmware: BIOS}, "firmware bios: aarch64 has none, use uefi"},
		{"sector size", Spec{Disks: []Disk{{Path: "d", SectorSize: 520}}}, "disk d: sector size 520: want 512 or 4096"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Args(tc.spec)
			if err == nil || err.Error() != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func TestFindFirmware(t *testing.T) {
	root := t.TempDir()
	put := func(name string) {
		t.Helper()
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := FindFirmware(root, X86_64, UEFI); err == nil || !strings.Contains(err.Error(), "looked for "+root+"/usr/share/OVMF/OVMF_CODE_4M.fd, ") {
		t.Errorf("nothing installed: got %v, want the places", err)
	}
	put("/usr/share/edk2/ovmf/OVMF_CODE.fd")
	put("/usr/share/edk2/ovmf/OVMF_VARS.fd")
	put("/usr/share/OVMF/OVMF_CODE_4M.fd") // without its variables it does not count
	got, err := FindFirmware(root, X86_64, UEFI)
	if err != nil {
		t.Fatal(err)
	}
	want := FirmwareFiles{Code: root + "/usr/share/edk2/ovmf/OVMF_CODE.fd", Vars: root + "/usr/share/edk2/ovmf/OVMF_VARS.fd", Format: "raw"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
