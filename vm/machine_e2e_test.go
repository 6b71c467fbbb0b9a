//go:build e2e

package vm

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// bootDisk is a disk whose boot sector is the probe's.
func bootDisk(t *testing.T) string {
	t.Helper()
	for _, tool := range []string{"qemu-system-x86_64", "qemu-img"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	disk := filepath.Join(t.TempDir(), "disk,1.raw")
	if err := os.WriteFile(disk, probeCode(X86_64), 0o400); err != nil {
		t.Fatal(err)
	}
	return disk
}

// readSerial reads until text has come.
func readSerial(t *testing.T, m *Machine, text string) {
	t.Helper()
	var all strings.Builder
	for off := int64(0); !strings.Contains(all.String(), text); {
		data, next, _, err := m.Serial().Read(t.Context(), off)
		if err != nil {
			t.Fatalf("%v after %q", err, all.String())
		}
		all.Write(data)
		off = next
	}
}

// Real QEMU: a guest runs from a disk whose file is not written, resets, and
// leaves nothing behind; each interface and both sector sizes are accepted.
func TestE2EMachine(t *testing.T) {
	disk := bootDisk(t)
	before, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	m, err := Start(t.Context(), Spec{
		Disks:  []Disk{{Path: disk}, {Path: disk, Interface: VirtioSCSI}, {Path: disk, Interface: NVMe}},
		FwCfg:  map[string]string{"opt/x": `{"a":1,"b":2}`},
		SMBIOS: []string{"a=b,c"},
	}, StartOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Stop()
	readSerial(t, m, probeSays)
	status, err := m.QMP(t.Context(), "query-status", nil)
	if err != nil || !bytes.Contains(status, []byte(`"running": true`)) {
		t.Errorf("status %s, %v", status, err)
	}
	if err := m.Reset(t.Context()); err != nil {
		t.Error(err)
	}
	readSerial(t, m, probeSays+"\n"+probeSays)
	if err := m.Stop(); err != nil {
		t.Error(err)
	}
	if after, err := os.ReadFile(disk); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the disk's file was written (%v)", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// The firmware that is found starts, with 4096-byte sectors, and looks for
// something to boot.
func TestE2EFirmware(t *testing.T) { firmwareStarts(t, UEFI) }

// The same with the system management mode that Secure Boot needs, which TCG is
// slow at.
func TestFirmwareSecure(t *testing.T) { firmwareStarts(t, UEFISecure) }

func firmwareStarts(t *testing.T, fw Firmware) {
	t.Helper()
	m, err := Start(t.Context(), Spec{Firmware: fw, Disks: []Disk{{Path: bootDisk(t), SectorSize: 4096}}}, StartOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Stop()
	readSerial(t, m, "BdsDxe: ")
}

// The probe's code is what it says, on an accelerator that is always there.
func TestE2EProbeCode(t *testing.T) {
	bootDisk(t)
	spec, plat, err := Spec{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if err := runProbe(t.Context(), spec, plat); err != nil {
		t.Errorf("under TCG: %v", err)
	}
}
