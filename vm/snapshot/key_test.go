package snapshot

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/workspace/event"
)

// plain is a machine that can have snapshots.
func plain() vm.Spec {
	return vm.Spec{
		Disks:      []vm.Disk{{Path: "/builds/1/nestos.qcow2"}},
		Net:        vm.Net{Forwards: []vm.Forward{{Host: 2222, Guest: 22}}},
		FwCfgFiles: map[string]string{ConfigName: "/vms/1/config.ign"},
		Ports:      []vm.Port{{Name: "journal", Path: "journal.txt"}},
	}
}

var given = Origin{Image: "1234", Host: "QEMU emulator version 7.2", Config: "abcd"}

// What the guest or its state depends on makes another key; what is the host's
// own business does not, and neither does what a fork gets anew.
func TestKey(t *testing.T) {
	want, err := Key(plain(), given)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		change func(*vm.Spec, *Origin)
		same   bool
	}{
		{"another path of the image", func(s *vm.Spec, _ *Origin) { s.Disks[0].Path = "/elsewhere/nestos.qcow2" }, true},
		{"another port", func(s *vm.Spec, _ *Origin) { s.Net.Forwards[0].Host = 0 }, true},
		{"another file with the config", func(s *vm.Spec, _ *Origin) { s.FwCfgFiles[ConfigName] = "/vms/2/config.ign" }, true},
		{"a running one", func(s *vm.Spec, _ *Origin) { s.SerialPath, s.QMPFD = "/dev/pts/9", 3 }, true},
		{"a paused one", func(s *vm.Spec, _ *Origin) { s.Paused = true }, true},
		{"another image", func(_ *vm.Spec, o *Origin) { o.Image = "5678" }, false},
		{"another QEMU", func(_ *vm.Spec, o *Origin) { o.Host = "QEMU emulator version 8.2" }, false},
		{"another config", func(_ *vm.Spec, o *Origin) { o.Config = "ef" }, false},
		{"memory", func(s *vm.Spec, _ *Origin) { s.MemoryMiB = 1024 }, false},
		{"processors", func(s *vm.Spec, _ *Origin) { s.CPUs = 4 }, false},
		{"accelerator", func(s *vm.Spec, _ *Origin) { s.Accel = vm.KVM }, false},
		{"firmware", func(s *vm.Spec, _ *Origin) { s.Firmware = vm.UEFI }, false},
		{"network", func(s *vm.Spec, _ *Origin) { s.Net.Addr = "10.0.3.0/24" }, false},
		{"another guest's port", func(s *vm.Spec, _ *Origin) { s.Net.Forwards[0].Guest = 80 }, false},
		{"a larger disk", func(s *vm.Spec, _ *Origin) { s.Disks[0].Grow = vm.Resize{To: 20 * event.GiB} }, false},
		{"kernel arguments", func(s *vm.Spec, _ *Origin) { s.Boot.Kargs = "quiet" }, false},
		{"a credential", func(s *vm.Spec, _ *Origin) { s.FwCfg = map[string]string{"opt/x": "1"} }, false},
	} {
		spec, origin := plain(), given
		tc.change(&spec, &origin)
		before := cmp.Diff(plain(), spec)
		got, err := Key(spec, origin)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if (got == want) != tc.same {
			t.Errorf("%s: same key: %v, want %v", tc.name, got == want, tc.same)
		}
		if after := cmp.Diff(plain(), spec); after != before {
			t.Errorf("%s: Key changed the machine: %s", tc.name, after)
		}
	}
}

func TestUnfit(t *testing.T) {
	if why := Unfit(plain()); why != "" {
		t.Errorf("a plain machine: %s", why)
	}
	for _, tc := range []struct {
		name   string
		change func(*vm.Spec)
		want   string
	}{
		{"no disk", func(s *vm.Spec) { s.Disks = nil }, "it has not one disk alone"},
		{"two disks", func(s *vm.Spec) { s.Disks = append(s.Disks, vm.Disk{Size: event.GiB}) }, "it has not one disk alone"},
		{"kept disk", func(s *vm.Spec) { s.Disks[0].Writes = vm.Keep }, "what it writes to its disk is kept"},
		{"share", func(s *vm.Spec) { s.Shares = []vm.Share{{}} }, "it shares directories with the host, and their state is in another program"},
		{"TPM", func(s *vm.Spec) { s.TPM = true }, "it has a TPM, whose state is in another program"},
		{"kernel", func(s *vm.Spec) { s.Direct.Kernel = "/boot/vmlinuz" }, "it boots a kernel from outside its image"},
		{"medium", func(s *vm.Spec) { s.Medium.Path = "/live.iso" }, "it has more than its disk"},
		{"served files", func(s *vm.Spec) { s.Serve = map[string]string{"a": "/a"} }, "it has more than its disk"},
		{"icount", func(s *vm.Spec) { s.Icount.Shift = 1 }, "it counts instructions"},
		{"own options", func(s *vm.Spec) { s.Extra = []string{"-device", "x"} }, "it has QEMU options of its own"},
		{"another file", func(s *vm.Spec) { s.FwCfgFiles["opt/y"] = "/y" }, "it gets files by fw_cfg"},
	} {
		spec := plain()
		tc.change(&spec)
		if got := Unfit(spec); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestProcessor(t *testing.T) {
	const text = "processor\t: 0\nmodel name\t: Some CPU\ncpu MHz\t\t: 1234.5\nflags\t\t: fpu sse\n\nprocessor\t: 1\nmodel name\t: Other\n"
	if got, want := processor(text), "\nSome CPU\nfpu sse"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
