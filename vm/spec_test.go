package vm

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/event"
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
		{"cd", Spec{Medium: Medium{Path: "/build/live,1.iso"}, SerialPath: "/dev/pts/4", QMPFD: 3}},
		{"cd-and-target", Spec{
			Disks:  []Disk{{Size: 12 * event.GiB, Path: "disk0.qcow2"}, {Size: event.GiB, Path: "disk1.qcow2"}},
			Medium: Medium{Path: "/run/medium.qcow2", Format: "qcow2", Ignition: []byte("{}")}, Net: Net{None: true},
		}},
		{"cd-and-4k-target", Spec{Flash: flash, Disks: []Disk{{Size: 12 * event.GiB, Path: "disk0.qcow2", SectorSize: 4096}}, Medium: Medium{Path: "/live.iso"}, Net: Net{None: true}}},
		{"stick", Spec{Medium: Medium{Path: "/run/medium.qcow2", Format: "qcow2", Type: Stick}, Net: Net{None: true}}},
		{"stick-and-target", Spec{
			Disks:  []Disk{{Size: 12 * event.GiB, Path: "disk0.qcow2"}},
			Medium: Medium{Path: "/run/medium.qcow2", Format: "qcow2", Type: Stick}, Net: Net{None: true},
		}},
		{"stick-and-target-uefi", Spec{
			Flash: flash, Disks: []Disk{{Size: 12 * event.GiB, Path: "disk0.qcow2"}},
			Medium: Medium{Path: "/run/medium.qcow2", Format: "qcow2", Type: Stick}, Net: Net{None: true},
		}},
		{"cd-aarch64", Spec{Arch: AArch64, Flash: flash, Medium: Medium{Path: "/live.iso"}, Net: Net{None: true}}},
		{"netboot", Spec{Netboot: Netboot{Dir: "/srv/tftp,1", File: "pxelinux.0"}, MemoryMiB: 1024}},
		{"netboot-and-target", Spec{
			Disks: []Disk{{Size: 12 * event.GiB, Path: "disk0.qcow2"}}, Medium: Medium{Path: "/live.iso"},
			Netboot: Netboot{Dir: "/run/tftp", File: "boot.ipxe"}, Net: Net{Forwards: []Forward{{0, 22}}, More: 1},
		}},
		{"size", Spec{CPUs: 6, MemoryMiB: 512, Net: Net{None: true}}},
		{"nvme", Spec{Disks: []Disk{{Path: "a.qcow2", Interface: NVMe}}, Net: Net{None: true}}},
		{"native-4k", Spec{Flash: flash, Disks: []Disk{{Path: "a.qcow2", SectorSize: 4096, Interface: NVMe}}, Net: Net{None: true}}},
		{"multipath", Spec{Disks: []Disk{{Path: "a,b.qcow2", Multipath: true}, {Size: event.GiB, Path: "disk1.qcow2", Multipath: true, SectorSize: 4096, Writes: Keep}}, Net: Net{None: true}}},
		{"drive-opts", Spec{Disks: []Disk{{Path: "a.raw", DriveOpts: "cache=none,aio=native"}}, Net: Net{None: true}}},
		{"added-disks", Spec{
			Disks: []Disk{disk, {Size: event.GiB, Path: "disk1.qcow2"}, {Size: event.GiB, Path: "disk2.qcow2", Serial: "data", SectorSize: 4096}},
			Net:   Net{None: true},
		}},
		{"secure", Spec{Firmware: UEFISecure, Flash: flash, Disks: []Disk{disk}, TPM: true, TPMState: "/vm/tpm"}},
		{"tpm-aarch64", Spec{Arch: AArch64, Flash: flash, TPM: true, TPMState: "/vm/tpm", Net: Net{None: true}}},
		{"net", Spec{Net: Net{
			Addr: "10.0.3.0/24", Hostname: "nosa-devsh", Forwards: []Forward{{0, 22}}, More: 2,
		}}},
		{"shares", Spec{Net: Net{None: true}, Shares: []Share{
			{Bind: Bind{Source: "/src,1", ReadOnly: true}, Tag: "share0", Type: NineP},
			{Bind: Bind{Source: "/work"}, Tag: "share1", Type: Virtiofs},
		}}},
		{"9p-alone", Spec{Net: Net{None: true}, Shares: []Share{{Bind: Bind{Source: "/src"}, Tag: "share0", Type: NineP}}}},
		{"ports", Spec{Net: Net{None: true}, Ports: []Port{{Name: "mantlejournal", Path: "journal"}, {Name: "agent", Type: PortSocket, Path: "agent.sock"}}}},
		{"icount", Spec{Net: Net{None: true}, CPUs: 4, Icount: Icount{Shift: 3}}},
		{"icount-sleep", Spec{Net: Net{None: true}, Icount: Icount{Shift: 1, Sleep: true}}},
		{"incoming", Spec{Net: Net{None: true}, State: "/snap/state", Paused: true}},
		{"memory-kept", Spec{Net: Net{None: true}, Memory: MemoryFile{Path: "/snap,1/mem", Writes: Keep}, MemoryMiB: 512}},
		{"memory-forked", Spec{Net: Net{None: true}, Memory: MemoryFile{Path: "/snap/mem"}, State: "/snap/state"}},
		{"extra", Spec{Net: Net{None: true}, Extra: []string{"-device", "usb-ehci"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			args, err := Args(tc.spec)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("args", tc.name+".txt"), argLines(args))
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
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
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
		{"firmware", Spec{Firmware: "coreboot"}, `firmware "coreboot": want bios, uefi or uefi-secure`},
		{"secure on arm", Spec{Arch: AArch64, Firmware: UEFISecure}, "firmware uefi-secure: not supported on aarch64"},
		{"no disk at all", Spec{Disks: []Disk{{}}}, "disk primary-disk: neither a file nor a size"},
		{"serial", Spec{Disks: []Disk{{Path: "d", Serial: "123456789012345678901"}}}, `disk d: serial "123456789012345678901": want at most 20 bytes`},
		{"multipath nvme", Spec{Disks: []Disk{{Path: "d", Multipath: true, Interface: NVMe}}}, "disk d: two paths (mpath) need virtio-scsi, not nvme"},
		{"multipath drive options", Spec{Disks: []Disk{{Path: "d", Multipath: true, DriveOpts: "aio=native"}}}, "disk d: drive options do not go with two paths: both lead to one -blockdev"},
		{"interface", Spec{Disks: []Disk{{Path: "d", Interface: "ide"}}}, `disk d: interface "ide": want virtio-blk, virtio-scsi or nvme`},
		{"cards", Spec{Net: Net{More: 17}}, "17 additional network cards: want 0 to 16"},
		{"no card", Spec{Net: Net{None: true, Forwards: []Forward{{0, 22}}}}, "network: without a network card there are no forwarded ports and no further cards"},
		{"address", Spec{Net: Net{Addr: "10.0.3.0"}}, `network address "10.0.3.0": want an IPv4 network of 8 to 27 bits, as 10.0.3.0/24`},
		{"address 6", Spec{Net: Net{Addr: "fd00::/64"}}, `network address "fd00::/64": want an IPv4 network of 8 to 27 bits, as 10.0.3.0/24`},
		{"host name", Spec{Net: Net{Hostname: "a,restrict=off"}}, `host name "a,restrict=off": want letters, digits, dots and dashes, at most 64`},
		{"port", Spec{Net: Net{Forwards: []Forward{{0, 70000}}}}, "forwarding port 0 to the guest's 70000: want ports up to 65535"},
		{"icount and KVM", Spec{Accel: KVM, Icount: Icount{Shift: 3}}, "icount: KVM does not count instructions, use tcg"},
		{"icount", Spec{Icount: Icount{Shift: 11}}, "icount shift 11: want 1 to 10"},
		{"virtio port", Spec{Ports: []Port{{Name: "a", Path: "a"}, {Name: "a", Path: "b"}}}, "virtio serial port a: there are two of them"},
		{"medium", Spec{Medium: Medium{Path: "a.iso", Type: "floppy"}}, `medium a.iso: type "floppy": want stick or nothing`},
		{"no medium", Spec{Medium: Medium{Kargs: "quiet"}}, "medium: no file"},
		{"netboot without a card", Spec{Net: Net{None: true}, Netboot: Netboot{Dir: "/d", File: "f"}}, "booting over the network: there is no network card"},
		{"netboot out of its directory", Spec{Netboot: Netboot{Dir: "/d", File: "../f"}}, "booting over the network: ../f is not below the directory that is served"},
		{"netboot twice", Spec{Netboot: Netboot{Dir: "/d", File: "f", Script: "#!ipxe"}}, "booting over the network: a script and f"},
		{"files without a card", Spec{Net: Net{None: true}, Serve: map[string]string{"a": "/a"}}, "serving files: there is no network card"},
		{"names of files", Spec{Serve: map[string]string{"a b": "/a"}}, `serving file "a b": want letters, digits, dots and dashes`},
		{"share", Spec{Shares: []Share{{Bind: Bind{Source: "src"}, Tag: "s", Type: NineP}}}, "sharing src: want an absolute path"},
		{
			"read-only",
			Spec{Shares: []Share{{Bind: Bind{Source: "/src", ReadOnly: true}, Tag: "s", Type: Virtiofs, Daemon: Virtiofsd{Path: "/virtiofsd"}}}},
			"sharing /src: /virtiofsd cannot share read-only",
		},
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
