package vm

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeQEMU puts a shell script first in PATH that is QEMU for every architecture.
func fakeQEMU(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"qemu-system-x86_64", "qemu-system-aarch64"} {
		text := "#!/bin/bash\n[ \"$1\" = --version ] && { echo 'QEMU emulator version 7.2'; exit; }\n" + script
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func native() Spec {
	if runtime.GOARCH == "arm64" {
		return Spec{Arch: AArch64}
	}
	return Spec{Arch: X86_64}
}

func TestProbe(t *testing.T) {
	device := filepath.Join(t.TempDir(), "kvm")
	if err := os.WriteFile(device, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := Spec{Arch: AArch64}
	if runtime.GOARCH == "arm64" {
		foreign.Arch = X86_64
	}
	for _, tc := range []struct {
		name   string
		prober Prober
		spec   Spec
		script string
		want   Choice
	}{
		{"runs", Prober{Device: device}, native(), "echo 'SeaBIOS'; echo 'nosa probe ok'; exec sleep 60", Choice{KVM, "KVM works"}},
		{
			"aborts",
			Prober{Device: device},
			native(), "echo 'qemu: error: failed to set MSR 0x10a to 0x69' >&2; exit 134",
			Choice{TCG, "KVM is there but does not work: qemu-system: exit status 134 (SIGABRT): qemu: error: failed to set MSR 0x10a to 0x69"},
		},
		{"hangs", Prober{Device: device}, native(), "exec sleep 60", Choice{TCG, "KVM is there but does not work: guest code did not run within 3s"}},
		{"switched off", Prober{Device: device, NoKVM: true}, native(), "exit 1", Choice{TCG, "KVM is switched off by the environment"}},
		{"no device", Prober{Device: device + "x"}, native(), "exit 1", Choice{TCG, "this host has no " + device + "x"}},
		{"foreign", Prober{Device: device}, foreign, "exit 1", Choice{TCG, "a " + string(foreign.Arch) + " guest on another architecture"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fakeQEMU(t, tc.script)
			got, err := tc.prober.Probe(t.Context(), tc.spec)
			if err != nil {
				t.Fatal(err)
			}
			got.Reason = strings.ReplaceAll(got.Reason, "qemu-system-"+string(native().Arch), "qemu-system")
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// An answer holds for one boot of the host; what a real guest showed overrides it.
func TestProbeRemembers(t *testing.T) {
	dir := t.TempDir()
	p := Prober{Cache: filepath.Join(dir, "accel.json"), Device: filepath.Join(dir, "kvm"), BootID: filepath.Join(dir, "boot")}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	probe := func() Choice {
		t.Helper()
		c, err := p.Probe(t.Context(), native())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	write(p.Device, "")
	write(p.BootID, "first")
	runs := filepath.Join(dir, "runs")
	fakeQEMU(t, "echo run >>"+runs+"; echo 'nosa probe ok'; exec sleep 60")
	probe()
	if c := probe(); c.Accel != KVM {
		t.Errorf("got %v, want KVM", c)
	}
	if text, _ := os.ReadFile(runs); string(text) != "run\n" {
		t.Errorf("QEMU ran %q, want once for two probes", text)
	}
	if err := p.Distrust(t.Context(), native(), "Linux hung"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Choice{TCG, "Linux hung"}, probe()); diff != "" {
		t.Error(diff)
	}
	write(p.BootID, "second")
	if c := probe(); c.Accel != KVM {
		t.Errorf("after a reboot of the host: got %v, want KVM", c)
	}
}

func TestNoKVM(t *testing.T) {
	for _, tc := range []struct {
		env  string
		want bool
	}{{"COSA_NO_KVM=1", true}, {"NOSA_NO_KVM=yes", true}, {"NOSA_NO_KVM=", false}, {"OTHER=1", false}} {
		if got := NoKVM([]string{"A=b", tc.env}); got != tc.want {
			t.Errorf("NoKVM(%s) = %v, want %v", tc.env, got, tc.want)
		}
	}
}
