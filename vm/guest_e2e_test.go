//go:build e2e

package vm

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nestos/nosa/workspace/event"
)

// guestModules are what the guest below needs of its kernel, in the order in
// which they can be loaded.
var guestModules = []string{
	"virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_ring", "virtio", "virtio_pci", "virtio_blk",
	"scsi_common", "scsi_mod", "virtio_scsi", "failover", "net_failover", "virtio_net", "virtio_console", "sd_mod",
	"fuse", "virtiofs",
}

// guestInit is the guest: it prints what devices it has and tries the shares.
const guestInit = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
for m in /m/*; do insmod $m; done
until [ -e /dev/sdb ] && [ -e /dev/vdb ] && [ -e /dev/nvme0n1 ]; do sleep 1; done
for d in /sys/block/[vsn]*; do echo "block ${d##*/} $(cat $d/size $d/queue/logical_block_size $d/serial $d/device/serial 2>/dev/null | xargs)"; done
for d in /sys/block/sd*; do echo "path ${d##*/} $(cat $d/device/wwid)"; done
echo "tpm $(cat /sys/class/tpm/tpm0/tpm_version_major)"
for p in /sys/class/virtio-ports/*; do [ -s $p/name ] && echo "port $(cat $p/name)" && echo hello >/dev/${p##*/}; done
for n in /sys/class/net/e*; do echo "card $(cat $n/address)"; done
printf '#!/bin/sh\n[ "$1" = bound ] && echo "dhcp $ip $hostname"\n' >/dhcp; chmod +x /dhcp
ip link set eth0 up; udhcpc -n -q -i eth0 -s /dhcp -O hostname
mount -t virtiofs share0 /rw; mount -t virtiofs share1 /ro
echo "rw $(cat /rw/host)"; echo guest >/rw/guest
echo "ro $(cat /ro/host)"; echo bad >/ro/bad; rm /ro/host; chmod 0 /ro/host; ln /ro/host /ro/bad
poweroff -f
`

// guestFiles makes the kernel and the initramfs of the guest from the kernel's
// package in the sample pool.
func guestFiles(t *testing.T) Direct {
	t.Helper()
	pool := os.Getenv("NOSA_TEST_POOL")
	if pool == "" {
		t.Skip("NOSA_TEST_POOL names no sample pool")
	}
	needs(t, "rpm2cpio", "cpio", "busybox")
	rpms, err := filepath.Glob(filepath.Join(pool, "linux-image-6*cloud-amd64-*.rpm"))
	if err != nil || len(rpms) == 0 {
		t.Fatalf("no kernel in %s (%v)", pool, err)
	}
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	for _, d := range []string{"bin", "m", "dev", "proc", "sys", "rw", "ro"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "init"), []byte(guestInit), 0o755); err != nil {
		t.Fatal(err)
	}
	run := func(script string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-ec", script, "sh"}, args...)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
	}
	run(`rpm2cpio "$1" | cpio -id --quiet --no-absolute-filenames '*boot/vmlinuz*' '*lib/modules/*'`, rpms[0])
	run(`mv boot/vmlinuz-* vmlinuz; cp "$(command -v busybox)" root/bin/busybox
		i=100; for m; do cp "$(find . -name "$m.ko" -o -name "$(echo $m | tr _ -).ko" | head -n1)" root/m/$i-$m.ko; i=$((i+1)); done`, guestModules...)
	run(`cd root; find . | cpio -o -H newc --quiet >../initrd`)
	// no_timer_check: emulated on a busy host, the timer's ticks come too late for
	// the kernel's check of it, which panics then.
	return Direct{Kernel: filepath.Join(dir, "vmlinuz"), Initrd: filepath.Join(dir, "initrd"), Args: "console=ttyS0 quiet panic=-1 no_timer_check"}
}

// A guest has all that its spec says, and what is shared read-only is so on the
// host's side: the guest mounts it for writing.
func TestFullGuestDevices(t *testing.T) {
	host, err := ShareProber{}.Probe(t.Context(), X86_64)
	if err != nil {
		t.Fatal(err)
	}
	if !host.Virtiofs || host.Daemon.ReadOnly == "" {
		t.Skipf("this host shares no directory read-only by virtiofs: %+v", host)
	}
	dir := filepath.Join(t.TempDir(), "a,b c")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "host"), []byte("of the host"), 0o644); err != nil {
		t.Fatal(err)
	}
	shares, err := PlanShares([]Bind{{Source: dir, Dest: "/rw"}, {Source: dir, Dest: "/ro", ReadOnly: true}}, []ShareType{Virtiofs}, host)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	journal := filepath.Join(t.TempDir(), "journal")
	m, err := Start(ctx, Spec{
		MemoryMiB: 512, TPM: true, Shares: shares, Direct: guestFiles(t),
		Disks: []Disk{
			{Size: event.GiB},
			{Size: event.GiB},
			{Size: event.GiB, Interface: NVMe, SectorSize: 4096, Serial: "fast"},
			{Size: 2 * event.GiB, Multipath: true},
		},
		Net:   Net{Addr: "10.0.3.0/24", Hostname: "nosa-devsh", More: 2},
		Ports: []Port{{Name: "mantlejournal", Path: journal}},
	}, StartOptions{Dir: t.TempDir(), Line: func(s string) { t.Log(s) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Wait(); err != nil {
		t.Error(err)
	}
	data, _, _, err := m.Serial().Read(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	wantAll(
		t, strings.ReplaceAll(string(data), "\r", ""),
		"block vda 2097152 512 primary-disk\n", "block vdb 2097152 512 disk1\n", "block nvme0n1 2097152 4096 fast\n",
		"path sda naa.5525400000000004\n", "path sdb naa.5525400000000004\n", "tpm 2\n", "port mantlejournal\n",
		"card 52:54:00:12:34:56\ncard 52:55:00:d1:56:00\ncard 52:55:00:d1:56:01\n", "dhcp 10.0.3.15 nosa-devsh\n",
		"rw of the host\n", "ro of the host\n", "/ro/bad: Read-only file system", "'/ro/host': Read-only file system",
	)
	for name, want := range map[string]string{journal: "hello\n", filepath.Join(dir, "guest"): "guest\n", filepath.Join(dir, "host"): "of the host"} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "bad")); err == nil {
		t.Error("the guest wrote to what is read-only")
	}
}
