package backend

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Host is what of a machine decides about the flags of a container.
type Host struct {
	NoFile, NProc uint64 // hard limits of the caller: open files, processes
	PIDMax        uint64 // /proc/sys/kernel/pid_max
	// SysResource: limits can be raised. A root without CAP_SYS_RESOURCE cannot give what engines ask for.
	SysResource bool
	// HybridCgroups: version 1, and controllers in version 2 as well. crun refuses such a machine.
	HybridCgroups bool
	Runc, Crun    bool // the runtime is there
	SELinux       bool // in force, enforcing or not
	AppArmor      bool
	KVM           bool // /dev/kvm is a device and the caller may open it
	// KVMByGroup: and not by owner or for all, so that a rootless container must keep the caller's groups.
	KVMByGroup bool
	Loops      []string // /dev/loop-control and /dev/loopN, as far as they are devices; nil without both
}

// LookHost reads the facts of this machine. It runs nothing and takes less than a millisecond; what cannot be
// read counts as not there.
func LookHost() Host {
	h := Host{
		NoFile: hardLimit(unix.RLIMIT_NOFILE), NProc: hardLimit(unix.RLIMIT_NPROC), PIDMax: pidMax(),
		SysResource:   mayRaise(read("/proc/self/status"), os.Geteuid()),
		HybridCgroups: hybrid(),
		Runc:          found("runc"), Crun: found("crun"),
		SELinux:  read("/sys/fs/selinux/enforce") != "",
		AppArmor: strings.HasPrefix(read("/sys/module/apparmor/parameters/enabled"), "Y"),
		Loops:    loops(),
	}
	h.KVM, h.KVMByGroup = kvm("/dev/kvm")
	return h
}

func read(name string) string {
	data, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return string(data)
}

func hardLimit(resource int) uint64 {
	var l unix.Rlimit
	if unix.Getrlimit(resource, &l) != nil {
		return 0
	}
	return l.Max
}

func pidMax() uint64 {
	n, err := strconv.ParseUint(strings.TrimSpace(read("/proc/sys/kernel/pid_max")), 10, 64)
	if err != nil {
		return 1 << 15 // the least that kernels have (proc_sys_kernel(5))
	}
	return n
}

// mayRaise reads /proc/PID/status: CAP_SYS_RESOURCE is bit 24 (linux/capability.h). What a caller other than
// root has himself says nothing of a daemon that root runs: then the bounding set counts.
func mayRaise(status string, euid int) bool {
	field := "CapEff:"
	if euid != 0 {
		field = "CapBnd:"
	}
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			set, err := strconv.ParseUint(strings.TrimSpace(rest), 16, 64)
			return err == nil && set&(1<<unix.CAP_SYS_RESOURCE) != 0
		}
	}
	return false
}

// hybrid says whether controllers are in cgroup version 2 beside a version 1.
func hybrid() bool {
	var fs unix.Statfs_t
	if unix.Statfs("/sys/fs/cgroup", &fs) != nil || fs.Type == unix.CGROUP2_SUPER_MAGIC {
		return false
	}
	return strings.TrimSpace(read("/sys/fs/cgroup/unified/cgroup.controllers")) != ""
}

// found looks for a runtime where podman does: it is no user's program, so PATH may lack it.
func found(name string) bool {
	if _, err := exec.LookPath(name); err == nil {
		return true
	}
	return slices.ContainsFunc([]string{"/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"}, func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	})
}

// kvm says whether a node is a device that the caller may open, and whether only by a group. It is never
// opened: root would make a file where there is no device.
func kvm(node string) (usable, byGroup bool) {
	info, err := os.Stat(node)
	if err != nil || info.Mode()&os.ModeCharDevice == 0 || unix.Access(node, unix.R_OK|unix.W_OK) != nil {
		return false, false
	}
	var st unix.Stat_t
	if unix.Stat(node, &st) != nil {
		return false, false
	}
	return true, os.Geteuid() != 0 && st.Mode&0o006 != 0o006 && int(st.Uid) != os.Geteuid()
}

func loops() []string {
	list := []string{"/dev/loop-control"}
	for n := range 64 {
		list = append(list, fmt.Sprintf("/dev/loop%d", n))
	}
	list = slices.DeleteFunc(list, func(name string) bool {
		info, err := os.Stat(name)
		return err != nil || info.Mode()&os.ModeDevice == 0
	})
	if len(list) < 2 || list[0] != "/dev/loop-control" {
		return nil
	}
	return list
}
