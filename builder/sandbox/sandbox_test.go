package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// common is what every argv begins with, up to the variable parts.
const (
	masked = "bwrap --die-with-parent --new-session --unshare-pid --unshare-ipc --unshare-uts --unshare-cgroup-try"
	common = masked + " --hostname localhost"
)

const (
	env  = " --clearenv --setenv PATH /usr/sbin:/usr/bin --setenv LANG C.UTF-8 --setenv HOME /root --setenv TZ UTC --setenv SYSTEMD_OFFLINE 1"
	caps = " --cap-drop ALL --cap-add CAP_CHOWN --cap-add CAP_DAC_OVERRIDE --cap-add CAP_FOWNER --cap-add CAP_FSETID --cap-add CAP_KILL" +
		" --cap-add CAP_SETGID --cap-add CAP_SETUID --cap-add CAP_SETPCAP --cap-add CAP_SYS_CHROOT --cap-add CAP_SETFCAP"
	own = " --dev /dev --proc /proc --ro-bind /proc/sys /proc/sys --ro-bind-try /proc/fs /proc/fs" +
		" --ro-bind-try /proc/sysrq-trigger /proc/sysrq-trigger --tmpfs /sys --tmpfs /run --tmpfs /tmp"
)

func TestArgs(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   Sandbox
		want string
	}{
		{
			name: "host, read-only",
			want: common + " --unshare-net" + env + caps + " --ro-bind / /" + own + " --chdir / -- true",
		},
		{
			name: "root",
			in: Sandbox{
				Root:  "/r",
				Top:   []Entry{{Name: "bin", Link: "usr/bin"}, {Name: "usr"}, {Name: "var"}, {Name: "etc", Source: "usr/etc"}},
				Epoch: time.Unix(12, 0), Env: []string{"A=b=c"},
				ReadOnly: []string{"/etc", "/usr/lib"},
				Tmpfs:    []string{"/var/tmp"},
			},
			want: common + " --unshare-net" + env + " --setenv SOURCE_DATE_EPOCH 12 --setenv A b=c" + caps +
				" --symlink usr/bin /bin --bind /r/usr /usr --bind /r/var /var --bind /r/usr/etc /etc" +
				" --ro-bind /r/usr/etc /etc --ro-bind /r/usr/lib /usr/lib" + own + " --tmpfs /var/tmp --chdir / -- true",
		},
		{
			name: "dnf on the host",
			in: Sandbox{
				Proc: ProcBind, Network: HostNetwork, Capabilities: []string{"CAP_CHOWN"}, Dir: "/w",
				Binds:   []Bind{{Source: "/w", Writable: true}, {Source: "/cfg", Target: "/etc/dnf"}},
				Chroots: []string{"/w/root"},
			},
			want: masked + env + " --cap-drop ALL --cap-add CAP_CHOWN --ro-bind / /" +
				" --dev /dev --bind /proc /proc --ro-bind /proc/sys /proc/sys --ro-bind-try /proc/fs /proc/fs" +
				" --ro-bind-try /proc/sysrq-trigger /proc/sysrq-trigger --ro-bind-try /proc/bus /proc/bus --ro-bind-try /proc/irq /proc/irq" +
				" --tmpfs /sys --tmpfs /run --tmpfs /tmp --bind /w /w --ro-bind /cfg /etc/dnf --dev /w/root/dev" +
				" --bind /proc /w/root/proc --ro-bind /proc/sys /w/root/proc/sys --ro-bind-try /proc/fs /w/root/proc/fs" +
				" --ro-bind-try /proc/sysrq-trigger /w/root/proc/sysrq-trigger --ro-bind-try /proc/bus /w/root/proc/bus" +
				" --ro-bind-try /proc/irq /w/root/proc/irq --chdir /w -- true",
		},
		{
			name: "read-only root",
			in:   Sandbox{Root: "/r", Mode: ReadOnly, Top: []Entry{{Name: "usr"}}},
			want: common + " --unshare-net" + env + caps + " --ro-bind /r/usr /usr" + own + " --chdir / -- true",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, strings.Join(tt.in.Args("true"), " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadTop(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"usr/etc", "dev", "proc", "run", "sys", "tmp", "var"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("usr/lib", filepath.Join(root, "lib")); err != nil {
		t.Fatal(err)
	}
	got, err := ReadTop(root)
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{{Name: "lib", Link: "usr/lib"}, {Name: "usr"}, {Name: "var"}, {Name: "etc", Source: "usr/etc"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err = ReadTop(root); err != nil {
		t.Fatal(err)
	}
	want = []Entry{{Name: "etc"}, {Name: "lib", Link: "usr/lib"}, {Name: "usr"}, {Name: "var"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
