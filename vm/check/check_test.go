package check

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/guest"
	"github.com/nestos/nosa/vm/milestone"
)

// fakeMachine is a QEMU that runs the probe's code, speaks QMP, says nothing
// under KVM and is a shell of this host otherwise. The shell finds fakes only
// for what would reach out of it.
const fakeMachine = `
[ "$1" = --version ] && { echo 'QEMU emulator version 7.2'; exit; }
case "$*" in *"-serial stdio"*) echo 'nosa probe ok'; exec sleep 60;; esac
for a; do case $a in serial,id=serial0,path=*) tty=${a#*path=};; esac; done
case "$*" in
*"-accel kvm"*) printf 'GRUB\r\n' >"$tty" ;;
*)
	stty sane <"$tty"
	echo "$@" >"${0%/bin/*}/argv"
	printf '[    0.000000] Linux version 6.1\r\nguest login: root (automatic login)\r\n' >"$tty"
	PS1='# ' bash --norc --noprofile --noediting -i <"$tty" >"$tty" 2>&1 3>&- &
	;;
esac
echo '{"QMP":{}}' >&3
while read -r line <&3; do
	id=${line##*\"id\":}
	echo "{\"return\":{},\"id\":${id%\}*}}" >&3
	case $line in *quit*) exit 0;; esac
done
`

// A KVM guest that goes silent is tried again with TCG; the next check does not
// try KVM at all.
func TestBootFallsBackFromSilentKVM(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"qemu-system-x86_64": fakeMachine, "qemu-system-aarch64": fakeMachine,
		"dmesg": "exit 0", "kill": "exit 0", "systemctl": "case $* in *is-sys*) echo running;; esac", "findmnt": "echo ro",
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/bash\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	device := filepath.Join(dir, "kvm")
	if err := os.WriteFile(device, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	pace := quick()
	pace.Silence = time.Second
	o := Options{
		Spec:   vm.Spec{Arch: vm.X86_64},
		Prober: vm.Prober{Cache: filepath.Join(dir, "accel.json"), Device: device},
		Now:    time.Unix(0, 0).UTC(), Dir: dir, Log: filepath.Join(dir, "console.log"), Pace: &pace,
	}
	if runtime.GOARCH != "amd64" {
		t.Skip("the fake machine is of x86_64, for which this host has no KVM")
	}
	for _, silent := range []bool{true, false} {
		run, err := Boot(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(run)
		if err != nil {
			t.Fatal(err)
		}
		if !run.OK || run.Accel != "tcg" || run.Reason != "a KVM guest printed nothing for 1s" {
			t.Errorf("after silence %v: %s", silent, text)
		}
		var names []string
		for _, a := range run.Assertions {
			names = append(names, a.Name)
		}
		if diff := cmp.Diff([]string{"login prompt", "root shell", "no failed units", "read-only /usr"}, names); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]milestone.Kind{milestone.Kernel, milestone.Login}, kinds(run.Timeline)); diff != "" {
			t.Error(diff)
		}
	}
	argv, err := os.ReadFile(filepath.Join(dir, "argv"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"name=opt/com.coreos/config,string={", "--autologin root"} {
		if !strings.Contains(string(argv), want) || strings.Contains(string(argv), Credential) {
			t.Errorf("QEMU was not given %s, or the credential too: %s", want, argv)
		}
	}
	log, err := os.ReadFile(o.Log)
	if err != nil || !strings.Contains(string(log), "automatic login") {
		t.Errorf("console log: %q, %v", log, err)
	}
}

func TestWayInByCredential(t *testing.T) {
	before := vm.Spec{FwCfg: map[string]string{"opt/a": "b"}, SMBIOS: []string{"c"}}
	got, err := withWayIn(before, ByCredential)
	if err != nil {
		t.Fatal(err)
	}
	want := vm.Spec{
		FwCfg:  map[string]string{"opt/a": "b", "opt/io.systemd.credentials/nosa.console.autologin": "root"},
		SMBIOS: []string{"c", "io.systemd.credential:nosa.console.autologin=root"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(before.FwCfg) != 1 {
		t.Error("the caller's machine was changed")
	}
}

// A metal image's Ignition asks no hypervisor: its config lies on the disk.
func TestWayInByBootPartition(t *testing.T) {
	got, err := withWayIn(vm.Spec{FwCfg: map[string]string{"opt/a": "b"}}, ByBootPartition)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"opt/a": "b"}, got.FwCfg); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(string(got.Boot.Ignition), "--autologin root") {
		t.Errorf("the config on the disk: %s", got.Boot.Ignition)
	}
}

// OpenStack's Ignition looks for a disk; a live system needs nothing.
func TestOtherWaysIn(t *testing.T) {
	got, err := withWayIn(vm.Spec{}, ByConfigDrive)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(got.ConfigDrive), "--autologin root") || len(got.FwCfg) > 0 || got.Boot.Ignition != nil {
		t.Errorf("%+v", got)
	}
	before := vm.Spec{Medium: vm.Medium{Path: "x.iso"}}
	if got, err = withWayIn(before, ByItself); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, got); diff != "" {
		t.Error(diff)
	}
}

// A live system logs its user in, who becomes root; its runs say what it was booted from.
func TestBootByItself(t *testing.T) {
	bin := t.TempDir()
	script := strings.Replace(fakeMachine, "guest login: root (automatic login)", "guest login: nest (automatic login)", 1)
	for name, text := range map[string]string{
		"qemu-system-x86_64": script, "dmesg": "exit 0", "kill": "exit 0", "systemctl": "case $* in *is-sys*) echo running;; esac",
		"findmnt": "case $* in *FSTYPE*/sysroot) echo squashfs;; *FSTYPE*) echo tmpfs;; *SOURCE*) echo tmpfs;; *) echo ro;; esac",
		"sudo":    "SUDO_USER=nest exec \"$@\"",
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/bash\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	pace := quick()
	run, err := Boot(t.Context(), Options{
		Spec: vm.Spec{Accel: vm.TCG}, Want: Want{Live: true, LiveUser: "nest"}, WayIn: ByItself, Become: "sudo bash --norc --noprofile --noediting -i",
		Way: "as CD", Pace: &pace, Dir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, a := range run.Assertions {
		got[a.Name] = a.Got
	}
	for name, want := range map[string]string{
		"root shell": "a shell", "live system": "no /run/ostree-live", "root filesystem": "squashfs", "automatic login": "nest", "writable /var": "in memory",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	if run.Way != "as CD" || run.OK {
		t.Errorf("way %q, ok %v: this host is no live system", run.Way, run.OK)
	}
}

// A system whose first console is another may be silent for as long as it boots.
func TestQuietPace(t *testing.T) {
	pace := quick()
	if got := (Options{Pace: &pace}).pace(vm.TCG).Silence; got != pace.Silence {
		t.Errorf("silence %s, want %s", got, pace.Silence)
	}
	if got := (Options{Pace: &pace, Quiet: true}).pace(vm.TCG).Silence; got != pace.Boot {
		t.Errorf("silence %s of a quiet one, want %s", got, pace.Boot)
	}
}

func kinds(list []milestone.Milestone) []milestone.Kind {
	var kinds []milestone.Kind
	for _, m := range list {
		kinds = append(kinds, m.Kind)
	}
	return kinds
}

// A guest that does not boot is a finding, not an error.
func TestBootReportsTrouble(t *testing.T) {
	bin := t.TempDir()
	script := strings.Replace(fakeMachine, `*"-accel kvm"*)`, "*)", 1)
	if err := os.WriteFile(filepath.Join(bin, "qemu-system-x86_64"), []byte("#!/bin/bash\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	pace := quick()
	run, err := Boot(t.Context(), Options{Spec: vm.Spec{Accel: vm.TCG}, Pace: &pace, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if run.OK || run.Trouble != guest.Silence || len(run.Assertions) != 1 || run.Assertions[0].OK {
		t.Errorf("got %+v, want a failed login prompt", run)
	}
	if diff := cmp.Diff([]string{"GRUB"}, run.Console); diff != "" {
		t.Error(diff)
	}
}
