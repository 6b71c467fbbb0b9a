package snapshot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/workspace/proc"
)

// ConfigName is where a guest finds its Ignition config in fw_cfg; what stands
// there is in Origin.Config.
const ConfigName = "opt/com.coreos/config"

// Origin is what a snapshot depends on beside the machine.
type Origin struct {
	Image string // sha256 of the first disk's image
	Host  string // from Host
	// Config is a digest of the config that the guest's first boot got, without
	// what Renew makes anew: the user's key and the host name.
	Config string
}

// Unfit says why a machine can have no snapshots; "" is that it can.
func Unfit(spec vm.Spec) string {
	var disk vm.Disk
	if len(spec.Disks) == 1 {
		disk = spec.Disks[0]
	}
	switch {
	case len(spec.Disks) != 1:
		return "it has not one disk alone"
	case disk.Path == "" || disk.Writes == vm.Keep:
		return "what it writes to its disk is kept"
	case disk.Multipath:
		return "its disk has two paths"
	case len(spec.Shares) > 0:
		return "it shares directories with the host, and their state is in another program"
	case spec.TPM:
		return "it has a TPM, whose state is in another program"
	case spec.Direct.Kernel != "":
		return "it boots a kernel from outside its image"
	case spec.Medium.Path != "" || spec.Netboot != (vm.Netboot{}) || spec.ConfigDrive != nil || len(spec.Serve) > 0:
		return "it has more than its disk"
	case spec.Icount.Shift != 0:
		return "it counts instructions"
	case len(spec.Extra) > 0:
		return "it has QEMU options of its own"
	case len(spec.FwCfgFiles) > 1 || len(spec.FwCfgFiles) == 1 && spec.FwCfgFiles[ConfigName] == "":
		return "it gets files by fw_cfg"
	}
	return ""
}

// Host is what a saved state depends on in this host: QEMU's version and, where
// the host's processor is the guest's, that.
func Host(ctx context.Context, spec vm.Spec) (string, error) {
	args, err := vm.Args(anonymous(spec))
	if err != nil {
		return "", err
	}
	out, err := proc.Output(ctx, proc.Cmd{Args: []string{args[0], "--version"}})
	if err != nil {
		return "", fmt.Errorf("asking for QEMU's version: %w", err)
	}
	version, _, _ := strings.Cut(string(out), "\n")
	if spec.Accel != vm.KVM {
		return version, nil
	}
	cpu, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "", fmt.Errorf("asking for the host's processor: %w", err)
	}
	return version + processor(string(cpu)), nil
}

// processor is the model and the features of the first processor.
func processor(cpuinfo string) string {
	first, _, _ := strings.Cut(cpuinfo, "\n\n")
	var found []string
	for line := range strings.Lines(first) {
		name, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(name) {
		case "model name", "flags", "microcode", "Features", "CPU part", "CPU implementer":
			found = append(found, strings.TrimSpace(value))
		}
	}
	return "\n" + strings.Join(found, "\n")
}

// Key is the name of the snapshot for a machine of that origin: a digest of all
// that the guest could see of the machine, and of what its state depends on.
// Paths and ports of the host, and what Renew makes anew, are not in it.
func Key(spec vm.Spec, o Origin) (string, error) {
	spec = anonymous(base(spec))
	args, err := vm.Args(spec)
	if err != nil {
		return "", fmt.Errorf("key of a snapshot: %w", err)
	}
	text, err := json.Marshal(struct {
		Format int
		Agent  string
		Origin Origin
		Args   []string
		Spec   vm.Spec // also what is not in the command line
	}{format, agent, o, args, spec})
	if err != nil {
		return "", fmt.Errorf("key of a snapshot: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// anonymous is the machine without what differs from run to run.
func anonymous(s vm.Spec) vm.Spec {
	s.SerialPath, s.QMPFD, s.Memory, s.State, s.Paused = "serial", 0, vm.MemoryFile{}, "", false
	s.Disks = slices.Clone(s.Disks)
	for i := range s.Disks {
		s.Disks[i].Path = "image"
	}
	if s.Flash.Vars != "" {
		s.Flash.Vars = "vars"
	}
	s.Net.Forwards = slices.Clone(s.Net.Forwards)
	for i := range s.Net.Forwards {
		s.Net.Forwards[i].Host = 0
	}
	s.FwCfg, s.FwCfgFiles = maps.Clone(s.FwCfg), maps.Clone(s.FwCfgFiles)
	for _, m := range []map[string]string{s.FwCfg, s.FwCfgFiles} {
		if _, ok := m[ConfigName]; ok {
			m[ConfigName] = "config"
		}
	}
	if s.Boot.Ignition != nil {
		s.Boot.Ignition = []byte("config")
	}
	return s
}

// base is the machine with what a snapshot needs in it, both when it is made and
// in a fork. vmgenid tells the guest's kernel (since 5.18) that it was forked, so
// that no two draw the same random numbers even before Renew; QEMU has it on x86.
func base(s vm.Spec) vm.Spec {
	s.Disks = slices.Clone(s.Disks)
	if s.Arch == "" || s.Arch == vm.X86_64 {
		s.Extra = append(slices.Clone(s.Extra), "-device", "vmgenid,guid=auto")
	}
	return s
}
