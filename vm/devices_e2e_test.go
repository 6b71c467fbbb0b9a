//go:build e2e

package vm

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/nestos/nosa/workspace/event"
)

// needs skips a test where a program is missing, and fails it where none may be.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}

// startPaused starts a machine whose processors do not run: what QEMU has made of
// its command line can be asked all the same.
func startPaused(t *testing.T, spec Spec) *Machine {
	t.Helper()
	needs(t, spec.Programs()...)
	spec.Paused = true
	if spec.MemoryMiB == 0 {
		spec.MemoryMiB = 256
	}
	dir := t.TempDir()
	// The test's own context ends before its cleanups run.
	m, err := Start(context.WithoutCancel(t.Context()), spec, StartOptions{Dir: dir, Line: func(s string) { t.Log(s) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Stop(); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
	})
	return m
}

// monitor runs a command of QEMU's monitor for people.
func monitor(t *testing.T, m *Machine, command string) string {
	t.Helper()
	answer, err := m.QMP(t.Context(), "human-monitor-command", map[string]string{"command-line": command})
	if err != nil {
		t.Fatal(err)
	}
	var text string
	if err := json.Unmarshal(answer, &text); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(text, "\r", "")
}

// wantAll fails for each part that is not in text.
func wantAll(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is not in:\n%s", p, text)
		}
	}
}

// Every kind of disk, as QEMU sees it.
func TestE2EDisks(t *testing.T) {
	disk := bootDisk(t)
	m := startPaused(t, Spec{Disks: []Disk{
		{Path: disk, Grow: Resize{By: 3 * event.MiB}, DriveOpts: "werror=stop"},
		{Size: event.GiB},
		{Size: event.GiB, Interface: NVMe, SectorSize: 4096, Serial: "fast"},
		{Size: 2 * event.GiB, Multipath: true},
		{Path: disk, Multipath: true},
	}})
	answer, err := m.QMP(t.Context(), "query-named-block-nodes", map[string]bool{"flat": true})
	if err != nil {
		t.Fatal(err)
	}
	var nodes []struct {
		File  string
		Drv   string
		Image struct {
			VirtualSize event.Bytes `json:"virtual-size"`
		}
	}
	if err := json.Unmarshal(answer, &nodes); err != nil {
		t.Fatal(err)
	}
	sizes := map[string]event.Bytes{}
	for _, n := range nodes {
		if n.Drv == "qcow2" {
			sizes[filepath.Base(n.File)] = n.Image.VirtualSize
		}
	}
	for i, want := range []event.Bytes{probeSize + 3*event.MiB, event.GiB, event.GiB, 2 * event.GiB, probeSize} {
		if got := sizes["disk"+strconv.Itoa(i)+".qcow2"]; got != want {
			t.Errorf("disk %d: %d bytes, want %d", i, got, want)
		}
	}
	tree := monitor(t, m, "info qtree")
	wantAll(t, tree, `serial = "primary-disk"`, `serial = "disk1"`, `serial = "fast"`, "logical_block_size = 4096")
	if got := strings.Count(tree, "wwn = "+strconv.FormatUint(0x5525400000000004, 10)); got != 2 {
		t.Errorf("paths to disk 3: %d, want 2, in:\n%s", got, tree)
	}
}

// A firmware boots from a disk with two paths.
func TestE2EMultipathBoots(t *testing.T) {
	m, err := Start(t.Context(), Spec{Disks: []Disk{{Path: bootDisk(t), Multipath: true}}}, StartOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Stop()
	readSerial(t, m, probeSays)
}

func TestE2EShrinkIsRefused(t *testing.T) {
	disk := bootDisk(t)
	_, err := Start(t.Context(), Spec{Disks: []Disk{{Path: disk, Grow: Resize{To: 512 * event.KiB}}}}, StartOptions{Dir: t.TempDir()})
	want := "preparing the machine: enlarging disk " + disk + ": size 512 KiB: the disk has 1.00 MiB already and cannot shrink"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Disks of a kept machine are made once; what was added to them is not added again.
func TestE2EKeptDisksGrowOnce(t *testing.T) {
	disk, keep := bootDisk(t), t.TempDir()
	needs(t, swtpm)
	var first string
	for range 2 {
		m, err := Start(t.Context(), Spec{Paused: true, TPM: true, Disks: []Disk{{Path: disk, Grow: Resize{By: event.MiB}}, {Size: event.GiB}}},
			StartOptions{Dir: t.TempDir(), Keep: keep})
		if err != nil {
			t.Fatal(err)
		}
		info := monitor(t, m, "info block")
		wantAll(t, info, filepath.Join(keep, "disk0.qcow2"), filepath.Join(keep, "disk1.qcow2"), "Cache mode:       writeback\n")
		if err := m.Stop(); err != nil {
			t.Error(err)
		}
		out, err := exec.CommandContext(t.Context(), "qemu-img", "info", "--output=json", filepath.Join(keep, "disk0.qcow2")).Output()
		if err != nil {
			t.Fatal(err)
		}
		wantAll(t, string(out), `"virtual-size": 2097152`)
		state, err := os.ReadFile(filepath.Join(keep, "tpm", "tpm2-00.permall"))
		if err != nil {
			t.Fatal(err)
		}
		if first != "" && len(state) == 0 {
			t.Error("the TPM has forgotten its state")
		}
		first = string(state)
	}
}

func TestE2ENet(t *testing.T) {
	bootDisk(t)
	m := startPaused(t, Spec{Net: Net{Addr: "10.0.3.0/24", Hostname: "nosa-devsh", Forwards: []Forward{{0, 22}, {0, 9090}}, More: 16}})
	ssh, err := m.ForwardedPort(t.Context(), 22)
	if err != nil {
		t.Fatal(err)
	}
	web, err := m.ForwardedPort(t.Context(), 9090)
	if err != nil || ssh == web || ssh == 0 || web == 0 {
		t.Errorf("ports %d and %d, %v", ssh, web, err)
	}
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", "127.0.0.1:"+strconv.Itoa(ssh))
	if err != nil {
		t.Error(err)
	} else {
		conn.Close()
	}
	if _, err := m.ForwardedPort(t.Context(), 80); err == nil || err.Error() != "no port of the host leads to the guest's 80" {
		t.Errorf("a port that is not forwarded: %v", err)
	}
	wantAll(t, monitor(t, m, "info network"), "net=10.0.3.0", "net16: index=0,type=user", "52:55:00:d1:56:0f")
}

// The TPM is there, in a directory whose path is too long for a socket.
func TestE2ETPM(t *testing.T) {
	bootDisk(t)
	t.Setenv("TMPDIR", t.TempDir()+"/"+strings.Repeat("long", 30))
	if err := os.Mkdir(os.Getenv("TMPDIR"), 0o755); err != nil {
		t.Fatal(err)
	}
	m := startPaused(t, Spec{TPM: true})
	answer, err := m.QMP(t.Context(), "query-tpm", nil)
	if err != nil {
		t.Fatal(err)
	}
	wantAll(t, string(answer), `"model": "tpm-tis"`, `"type": "emulator"`)
}

func TestE2EPorts(t *testing.T) {
	bootDisk(t)
	m := startPaused(t, Spec{Ports: []Port{{Name: "mantlejournal", Path: "journal"}, {Name: "agent", Type: PortSocket, Path: "agent.sock"}}})
	wantAll(t, monitor(t, m, "info qtree"), `name = "mantlejournal"`, `name = "agent"`)
	if _, err := os.Stat(filepath.Join(m.dir, "journal")); err != nil {
		t.Error(err)
	}
	if err := touch(t.Context(), m.dir, "agent.sock"); err != nil {
		t.Error(err)
	}
}

// Directories are shared both ways, where this host can.
func TestE2EShares(t *testing.T) {
	bootDisk(t)
	host, err := ShareProber{}.Probe(t.Context(), X86_64)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("this host: %+v", host)
	dir := filepath.Join(t.TempDir(), "a,b")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	binds := []Bind{{Source: dir, Dest: "/mnt/rw"}, {Source: dir, Dest: "/mnt/ro", ReadOnly: true}}
	for typ, there := range map[ShareType]bool{Virtiofs: host.Virtiofs, NineP: host.NineP} {
		if !there {
			t.Logf("%s: %s", typ, host.Why[typ])
			continue
		}
		binds := binds
		if typ == Virtiofs && host.Daemon.ReadOnly == "" {
			binds = binds[:1]
		}
		shares, err := PlanShares(binds, []ShareType{typ}, host)
		if err != nil {
			t.Fatal(err)
		}
		m := startPaused(t, Spec{Shares: shares})
		tree := monitor(t, m, "info qtree")
		if typ == Virtiofs {
			wantAll(t, tree, `tag = "share0"`)
		} else {
			wantAll(t, tree, `mount_tag = "share0"`, `mount_tag = "share1"`)
		}
	}
}

// Counted instructions: the same guest gets as far in the same guest time.
func TestE2EIcount(t *testing.T) {
	m, err := Start(t.Context(), Spec{Icount: Icount{Shift: 3}, Disks: []Disk{{Path: bootDisk(t)}}}, StartOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Stop()
	readSerial(t, m, probeSays)
	if m.Spec.CPUs != 1 {
		t.Errorf("%d processors", m.Spec.CPUs)
	}
}

// The other architecture starts: its firmware prints, its devices are there.
func TestE2EAArch64(t *testing.T) {
	spec := Spec{
		Arch: AArch64, MemoryMiB: 512, TPM: true,
		Disks: []Disk{{Path: bootDisk(t)}, {Size: event.GiB, Interface: NVMe}, {Size: event.GiB, Multipath: true}},
		Net:   Net{Forwards: []Forward{{0, 22}}},
		Ports: []Port{{Name: "mantlejournal", Path: "journal"}},
	}
	needs(t, spec.Programs()...)
	m, err := Start(t.Context(), spec, StartOptions{Dir: t.TempDir(), Line: func(s string) { t.Log(s) }})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Stop()
	readSerial(t, m, "UEFI firmware")
	answer, err := m.QMP(t.Context(), "query-tpm", nil)
	if err != nil {
		t.Fatal(err)
	}
	wantAll(t, string(answer), `"type": "emulator"`)
	wantAll(t, monitor(t, m, "info qtree"), "dev: tpm-tis-device", "dev: virtio-blk-pci", "dev: virtio-net-pci", "dev: virtserialport", "dev: nvme")
}
