//go:build e2e && amd64

package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestFullLiveBoots boots what TestE2E does not: each way and firmware of the ISO, over the network,
// the installation to a usual disk, OpenStack's image.
func TestFullLiveBoots(t *testing.T) {
	needLive(t)
	n := sample(t)
	n.run(0, "build", "-q", "--version", "12.1", "openstack")
	n.run(0, "buildextend-live", "-q")
	for _, tt := range []struct {
		args  string
		boots int
	}{
		{"live-iso --firmware bios", 2},
		{"live-iso --firmware uefi", 4}, // with those of the BIOS
		{"live-pxe", 2},
		{"install-512", 1},
		{"install-512 --firmware uefi", 2},
		{"openstack", 2},
	} {
		t.Run(tt.args, func(t *testing.T) {
			n := nosa{t: t, dir: n.dir}
			args := strings.Fields(tt.args)
			n.run(0, append([]string{"check", "--artifact"}, args...)...)
			assertResult(t, n, args[0], tt.boots)
		})
	}
}

// TestFullLiveRun is in live systems by every way of nosa run.
func TestFullLiveRun(t *testing.T) {
	needLive(t)
	n := sample(t)
	n.run(0, "build", "-q", "--version", "12.1", "ostree")
	n.run(0, "buildextend-live", "-q")
	commit, dir := n.meta("latest").Commit, filepath.Join(n.dir, "builds/latest/x86_64")
	iso := filepath.Join(dir, n.meta("latest").Images["live-iso"].Path)
	const script = "ostree admin status; cat /proc/cmdline; lsblk -rdno NAME,SIZE"
	for _, tt := range []struct {
		name, args string
		want       []string
	}{
		{"live", "--live --kargs nosa.mark=1", []string{"nosa.mark=1", "nestos.liveiso="}},
		{"iso", "--qemu-iso " + iso, []string{"nestos.liveiso="}},
		{"stick", "--live --qemu-iso-as-disk", []string{"nestos.liveiso=", "vda 12G"}},
		{"pxe", "--artifact live-pxe --kargs nosa.mark=1", []string{"nosa.mark=1", "nestos.live.rootfs_url=http://10.0.2.2:"}},
		{"netboot", "--netboot " + dir, []string{"nestos.live.rootfs_url=http://10.0.2.2:"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := nosa{t: t, dir: n.dir}
			out := n.run(0, append(append([]string{"run"}, strings.Fields(tt.args)...), "-x", script)...)
			for _, want := range append(tt.want, commit) {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
		})
	}
}
