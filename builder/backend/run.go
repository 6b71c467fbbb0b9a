package backend

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nestos/nosa/builder/tool"
)

// Mount is a file or directory of the host that a container sees.
type Mount struct {
	Source, Target string // absolute; engines refuse a source that is not there
	ReadOnly       bool
}

// Run is one container to be run to its end.
type Run struct {
	Name  string
	Image string
	// Rootfs is a directory instead of an image, of which the container sees a copy-on-write view. Of podman only.
	Rootfs  string
	CIDFile string // where the engine writes the container's id; must not exist
	Dir     string // working directory
	Labels  map[string]string
	Mounts  []Mount
	// Env has KEY=VALUE, or KEY for what the environment of the engine's client has: that is how a secret stays
	// off its command line.
	Env   []string
	Stdin bool // the client's standard input is the container's
	TTY   bool // and both are a terminal; wants Stdin
	KVM   bool // with /dev/kvm, where Host has it
	// XFS: with what a disk image with an explicit xfs root needs more than all else (xfsCapabilities, the loop
	// devices). Root in there is as good as the machine's. A rootless engine cannot give it and is not asked for it.
	XFS  bool
	Caps []string // capabilities beside capabilities(), without CAP_
	Argv []string // the program in the container and its arguments
}

// capabilities are what a container starts with: five of the fourteen that engines give by default. The sandbox makes a
// user namespace in which it has all of them, so only what making that takes is needed, and no build works with less
// (cmd/nosa, TestFullCapabilities).
func capabilities() []string {
	return []string{
		"SETUID", "SETGID", // a user namespace with 65,536 ids (user_namespaces(7))
		"SETFCAP",      // root's id in it
		"SYS_CHROOT",   // rpm's scriptlets
		"DAC_OVERRIDE", // a workspace of somebody else, whose files may be theirs alone
	}
}

// xfsCapabilities are what a job with an xfs root wants beside: the kernel mounts xfs only outside of any user
// namespace, so the job has none, and what it does as that one's root takes capabilities of the container's.
func xfsCapabilities() []string {
	return []string{
		"SYS_ADMIN",                 // mount, the sandbox's namespaces, security.selinux
		"NET_ADMIN",                 // the loopback of the sandbox's network namespace
		"LINUX_IMMUTABLE",           // the flag of the deployment's root
		"CHOWN", "FOWNER", "FSETID", // owners and modes of the files of a tree
		"KILL", // programs that a scriptlet started as another user
	}
}

// RunArgv is the command line that runs r. It is to be started with the caller's whole environment.
// Its exit status is that of the program; 125 is the engine's own failure, 126 and 127 a program that cannot be
// started or found.
func (e Engine) RunArgv(r Run) []string {
	args := append(e.command(), "run",
		"--rm",
		// Mirrors and proxies on the host's loopback, and ports of guests, are where the host has them; and no
		// bridge, address or firewall rule has to be made.
		"--network=host",
		// Records of jobs and machines name the machine, not a container that is gone.
		"--uts=host",
		// The engine would copy everything that is printed to its disk.
		"--log-driver=none",
	)
	if e.Kind == Podman || tool.CompareVersions(e.Version, "20.10") >= 0 { // openEuler's docker is 18.09
		// The image is looked for here only: a name of localhost is otherwise asked from registries, for seconds.
		args = append(args, "--pull=never")
	}
	args = append(args, e.streams(r)...)
	args = append(args, "--name", r.Name, "--cidfile", r.CIDFile)
	for _, key := range slices.Sorted(maps.Keys(r.Labels)) {
		args = append(args, "--label", key+"="+r.Labels[key])
	}
	args = append(args, e.confinement(r)...)
	args = append(args, e.limits()...)
	args = append(args, e.devices(r)...)
	for _, m := range r.Mounts {
		args = append(args, "--mount", m.option())
	}
	args = append(args, "--workdir", r.Dir)
	if e.Kind == Podman {
		// Only what r.Env says: podman gives the caller's proxies to every container by itself.
		args = append(args, "--http-proxy=false")
	}
	for _, v := range r.Env {
		args = append(args, "--env", v)
	}
	return append(args, e.program(r)...)
}

// command is the engine's program with what must stand before the subcommand.
func (e Engine) command() []string {
	if e.Kind == Podman && e.Host.HybridCgroups && e.Host.Runc {
		// crun refuses hybrid cgroups: "cgroups in hybrid mode not supported" (1.8.1); runc does not.
		return []string{e.Program, "--runtime", "runc"}
	}
	return []string{e.Program}
}

func (e Engine) streams(r Run) []string {
	var args []string
	if r.Stdin {
		args = append(args, "--interactive")
	}
	if r.TTY {
		args = append(args, "--tty")
		// All keys are for the program: Ctrl-P Ctrl-Q would leave it. Podman takes nothing for "no keys"; for docker
		// that is the default, so it gets bytes that UTF-8 does not have.
		if e.Kind == Podman {
			args = append(args, "--detach-keys=")
		} else {
			args = append(args, "--detach-keys=\xff,\xff")
		}
	}
	return args
}

// confinement is what the container may do. It is never --privileged.
func (e Engine) confinement(r Run) []string {
	// What an engine's settings give by default differs (podman of Debian and of Fedora, docker): the list is ours.
	args := []string{"--cap-drop=ALL"}
	caps := append(capabilities(), r.Caps...)
	if r.XFS && !e.Rootless {
		caps = append(caps, xfsCapabilities()...)
	}
	for _, c := range caps {
		args = append(args, "--cap-add="+c)
	}
	if e.Host.SELinux {
		// A container may else touch only files that are labelled for it; relabelling the workspace (:Z) takes
		// it away from everything else.
		args = append(args, "--security-opt", "label=disable")
	}
	if e.Host.AppArmor && (e.Kind == Docker || !e.Rootless) {
		// The engines' profiles deny mount, which the sandbox does in its own namespace. Rootless podman has none.
		args = append(args, "--security-opt", "apparmor=unconfined")
	}
	if e.Kind == Docker {
		// Docker's filter denies unshare and clone with a user namespace without CAP_SYS_ADMIN: that is the sandbox.
		// Podman's allows them.
		args = append(args, "--security-opt", "seccomp=unconfined")
	}
	if e.Rootless {
		// With all of /proc to be seen the kernel lets a pid namespace have its own, so that each job has a fence
		// that ends with it. Root of a rootless engine may write none of what is masked by default. Root of the
		// machine may, without any capability (sysctls, sysrq), so there it stays masked and the fence is weaker:
		// what a killed job left ends with the container.
		args = append(args, "--security-opt", e.unmask())
	}
	return args
}

func (e Engine) unmask() string {
	if e.Kind == Podman {
		return "unmask=ALL"
	}
	return "systempaths=unconfined"
}

// manyFiles is as many open files as anything here wants. Engines give a million and more, and programs that
// close all possible ones before they start another (rpm, dnf, Python 2) take seconds for that.
const manyFiles = 65536

func (e Engine) limits() []string {
	var args []string
	if e.Kind == Podman && !e.Rootless {
		// Podman's default is 2048 processes, all of a build's and its guests' together. A rootless one may
		// be unable to set any limit, and says so each time.
		args = append(args, "--pids-limit=-1")
	}
	return append(args, e.ulimits()...)
}

func (e Engine) ulimits() []string {
	args := []string{fmt.Sprintf("--ulimit=nofile=%[1]d:%[1]d", e.files())}
	if e.Kind == Podman && !e.Rootless && !e.Host.SysResource {
		// Podman asks for 1048576 processes, and has lowered its own limit to pid_max before. Rootless it asks
		// for what it has; docker asks for nothing.
		args = append(args, fmt.Sprintf("--ulimit=nproc=%[1]d:%[1]d", min(e.Host.NProc, e.Host.PIDMax)))
	}
	return args
}

// files is how many open files a container gets. More than the hard limit cannot be set without
// CAP_SYS_RESOURCE: "setrlimit RLIMIT_NOFILE: Operation not permitted".
func (e Engine) files() uint64 {
	if !e.Host.SysResource || e.Rootless {
		return min(manyFiles, e.Host.NoFile)
	}
	return manyFiles
}

func (e Engine) devices(r Run) []string {
	var args []string
	if r.KVM && e.Host.KVM {
		args = append(args, "--device=/dev/kvm")
		if e.Kind == Podman && e.Rootless && e.Host.KVMByGroup {
			// In the container the group is nobody's; the caller's membership counts only if it is kept (crun; runc
			// ignores it).
			args = append(args, "--group-add=keep-groups")
		}
	}
	if r.XFS && !e.Rootless {
		for _, name := range e.Host.Loops {
			args = append(args, "--device="+name)
		}
	}
	return args
}

// option is the mount as --mount has it: -v cannot have a colon in a name, and docker makes a missing source.
func (m Mount) option() string {
	fields := []string{"type=bind", field("source", m.Source), field("target", m.Target)}
	if m.ReadOnly {
		fields = append(fields, "readonly")
	}
	return strings.Join(fields, ",")
}

// field quotes as encoding/csv does, by which the engines read the option.
func field(key, value string) string {
	text := key + "=" + value
	if strings.ContainsAny(text, "\",\n\r") {
		return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
	}
	return text
}

// program is the image and the command line in it, whatever entry point the image has.
func (e Engine) program(r Run) []string {
	if len(r.Argv) == 0 {
		return []string{r.Image}
	}
	args := []string{"--entrypoint", r.Argv[0]}
	if r.Rootfs != "" && e.Kind == Podman {
		args = append(args, "--rootfs", r.Rootfs+":O")
	} else {
		args = append(args, r.Image)
	}
	return append(args, r.Argv[1:]...)
}
