package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The scripts of the first boot, run by this host's sh on files of its own.
func TestFirstBootScripts(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	result := func(boot string) map[string]string {
		return map[string]string{"/proc/cmdline": "rw ignition.firstboot", "/proc/sys/kernel/random/boot_id": "b00t", "/etc/.ignition-result.json": "{\n  \"provisioningBootID\": \"" + boot + "\"\n}"}
	}
	disk := func(size, end string) map[string]string {
		return map[string]string{"/sys/class/block/vda/size": end, "/sys/class/block/vda/vda4/size": size, "/sys/class/block/vda/vda4/start": "2048", "/sys/class/block/vda/vda4/partition": "4"}
	}
	for _, tc := range []struct {
		name, script string
		files        map[string]string
		want         string
	}{
		{"Ignition ran", ignitionScript, result("b00t"), "ran in this boot"},
		{"it ran earlier", ignitionScript, result("other"), "ran in another boot: other"},
		{"stamp left", ignitionScript, map[string]string{"/boot/ignition.firstboot": ""}, "/boot/ignition.firstboot is still there"},
		{"not asked to", ignitionScript, map[string]string{"/proc/cmdline": "rw"}, "not asked to: no ignition.firstboot in the kernel's arguments"},
		{"by the journal", ignitionScript, map[string]string{"/proc/cmdline": "ignition.firstboot", "/journal": "Ignition finished successfully\n"}, "ran in this boot"},
		{"no sign", ignitionScript, map[string]string{"/proc/cmdline": "ignition.firstboot", "/journal": ""}, "no sign of it: neither /etc/.ignition-result.json nor the journal"},
		{"machine-id", machineIDScript, map[string]string{"/etc/machine-id": id + "\n"}, "32 hexadecimal digits"},
		{"no machine-id", machineIDScript, map[string]string{"/etc/machine-id": "uninitialized\n"}, "uninitialized"},
		{"short machine-id", machineIDScript, map[string]string{"/etc/machine-id": "abc\n"}, "abc"},
		{"host keys", hostKeysScript, map[string]string{"/etc/ssh/ssh_host_ed25519_key": "k", "/etc/ssh/ssh_host_ed25519_key.pub": "p"}, "made"},
		{"no host keys", hostKeysScript, nil, "no /etc/ssh/ssh_host_*_key"},
		{"half a host key", hostKeysScript, map[string]string{"/etc/ssh/ssh_host_rsa_key": "k"}, "/etc/ssh/ssh_host_rsa_key.pub is missing\nmade"},
		{"root fills the disk", rootScript, disk("2097152", "2101248"), "fills the disk"},
		{"disk larger than the partition", rootScript, disk("2097152", "20971520"), "the partition ends 9215 MiB before the disk's end"},
		{"filesystem smaller than the partition", rootScript, disk("4194304", "4198400"), "1000 of the partition's 2048 MiB"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := t.TempDir()
			for name, text := range tc.files {
				name = filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			fakes(t, map[string]string{
				"findmnt":    `case "$*" in *machine-id*) exit 1;; esac; echo /dev/vda4`,
				"readlink":   `case "$2" in /dev/*) echo "$2";; *) echo ` + root + `/sys/class/block/vda/vda4;; esac`,
				"journalctl": "cat " + root + "/journal",
				"stat":       `case "$*" in *-f*) echo 256000*4096;; *%u*) echo 0;; *) echo 600;; esac`,
			})
			var below []string
			for _, top := range []string{"/boot/", "/etc/", "/proc/", "/sys/"} {
				below = append(below, top, root+top)
			}
			script := strings.NewReplacer(below...).Replace(tc.script)
			out, err := exec.CommandContext(t.Context(), "sh", "-c", script).Output()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, strings.TrimSpace(strings.ReplaceAll(string(out), root, ""))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
