// Package sandbox runs programs in a tree, or on the host, behind bubblewrap: own pid, net, ipc and
// uts namespaces, a private /dev, few capabilities and an environment that is the same everywhere.
//
// It makes no user namespace: bubblewrap's own maps a single id, and then every chown in a
// scriptlet fails. The caller is uid 0 already, either really or in a user namespace with an
// identity map (proc.StartFenced).
package sandbox

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/proc"
)

// Mode says whether what lies below Root can be changed.
type Mode int

// The modes.
const (
	Writable Mode = iota
	ReadOnly
)

// Network is what of the network a program sees.
type Network int

// The kinds of network.
const (
	NoNetwork   Network = iota // a namespace of its own with only lo
	HostNetwork                // the caller's
)

// Proc is where the /proc of a sandbox comes from. Probe finds out which works.
type Proc int

// The kinds of /proc.
const (
	ProcNew  Proc = iota // a new one: only the sandbox's processes are seen; the kernel's settings are read-only
	ProcBind             // the caller's, its settings read-only: where a container's masked /proc forbids a new one
)

// Bind shows a file or directory of the host in the sandbox.
type Bind struct {
	Source   string // absolute path on the host
	Target   string // absolute path in the sandbox; empty is Source
	Writable bool
}

// Sandbox describes what a program sees. The zero value is the host's root, read-only.
//
// /dev, /proc, an empty /sys, /run and /tmp (tmpfs) are always the sandbox's own.
type Sandbox struct {
	// Root is the directory whose entries become /. Its dev, proc, sys, run and tmp are not shown,
	// usr/etc becomes /etc where there is no etc, and what a program puts directly into / is lost.
	// Empty is the host's root, always read-only.
	Root string
	// Top are the entries of Root. Run reads them when it is nil.
	Top []Entry
	// Mode is that of Root's entries.
	Mode Mode
	// ReadOnly are absolute paths below a writable Root that must not be changed.
	ReadOnly []string
	// Tmpfs are further directories that are empty, writable and lost at the end.
	Tmpfs []string
	// Binds come after all of the above, in this order.
	Binds []Bind
	// Chroots are directories in the sandbox that get a /dev and /proc too, for programs that
	// chroot into them (dnf --installroot). They must be writable or have both directories.
	Chroots []string
	// Env is KEY=VALUE, added to the environment that Args sets.
	Env []string
	// Epoch is SOURCE_DATE_EPOCH; the zero time sets none.
	Epoch time.Time
	// Network is none unless asked for.
	Network Network
	// Proc is what Probe found.
	Proc Proc
	// Capabilities are kept, all others dropped; nil is DefaultCapabilities.
	Capabilities []string
	// Dir is the working directory; empty is /.
	Dir string
	// Shim is a static program on the host that hands its arguments behind TraceCommand to
	// TraceShim, and those behind TerminalCommand to TerminalShim, as nosa does; without one there is
	// no Trace, and AttachTerminal gives no terminal for jobs.
	Shim string
}

// DefaultCapabilities are the ones that package scripts get, as rpm-ostree grants them.
func DefaultCapabilities() []string {
	return []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
		"CAP_SETUID", "CAP_SETPCAP", "CAP_SYS_CHROOT", "CAP_SETFCAP",
	}
}

// Entry is one name directly below a root.
type Entry struct {
	Name   string
	Link   string // target, if it is a symbolic link
	Source string // path below the root, if it is not Name
}

// ReadTop lists the entries of root that a sandbox shows, sorted by name.
func ReadTop(root string) ([]Entry, error) {
	list, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("reading root: %w", err)
	}
	top := []Entry{}
	hasEtc := false
	for _, item := range list {
		switch name := item.Name(); name {
		case "dev", "proc", "sys", "run", "tmp":
			continue
		case "etc":
			hasEtc = true
		}
		e := Entry{Name: item.Name()}
		if item.Type()&os.ModeSymlink != 0 {
			if e.Link, err = os.Readlink(filepath.Join(root, e.Name)); err != nil {
				return nil, fmt.Errorf("reading root: %w", err)
			}
		}
		top = append(top, e)
	}
	// Not a link: it would be followed on the host.
	if info, err := os.Lstat(filepath.Join(root, "usr/etc")); err == nil && info.IsDir() && !hasEtc {
		top = append(top, Entry{Name: "etc", Source: "usr/etc"})
	}
	return top, nil
}

// Args is the command line that runs argv in the sandbox. It needs bubblewrap 0.5 (--clearenv).
func (s Sandbox) Args(argv ...string) []string {
	args := []string{
		"bwrap", "--die-with-parent", "--new-session",
		"--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
	}
	if s.Proc == ProcNew { // a container that masks /proc filters sethostname(2) too (podman, docker)
		args = append(args, "--hostname", "localhost")
	}
	if s.Network == NoNetwork {
		args = append(args, "--unshare-net")
	}
	args = append(args, s.env()...)
	args = append(args, "--cap-drop", "ALL")
	capabilities := s.Capabilities
	if capabilities == nil {
		capabilities = DefaultCapabilities()
	}
	for _, c := range capabilities {
		args = append(args, "--cap-add", c)
	}
	args = append(args, s.mounts()...)
	dir := s.Dir
	if dir == "" {
		dir = "/"
	}
	args = append(args, "--chdir", dir, "--")
	return append(args, argv...)
}

func (s Sandbox) env() []string {
	args := []string{
		"--clearenv", "--setenv", "PATH", "/usr/sbin:/usr/bin", "--setenv", "LANG", "C.UTF-8",
		"--setenv", "HOME", "/root", "--setenv", "TZ", "UTC", "--setenv", "SYSTEMD_OFFLINE", "1",
	}
	if !s.Epoch.IsZero() {
		args = append(args, "--setenv", "SOURCE_DATE_EPOCH", strconv.FormatInt(s.Epoch.Unix(), 10))
	}
	for _, kv := range s.Env {
		key, value, _ := strings.Cut(kv, "=")
		args = append(args, "--setenv", key, value)
	}
	return args
}

func (s Sandbox) mounts() []string {
	var args []string
	if s.Root == "" {
		args = append(args, "--ro-bind", "/", "/")
	}
	for _, e := range s.Top {
		target := "/" + e.Name
		if e.Link != "" {
			args = append(args, "--symlink", e.Link, target)
			continue
		}
		args = append(args, s.bindFlag(), s.source(target), target)
	}
	for _, p := range s.ReadOnly {
		args = append(args, "--ro-bind", s.source(p), p)
	}
	args = append(args, "--dev", "/dev")
	args = append(args, s.procAt("/proc")...)
	args = append(args, "--tmpfs", "/sys", "--tmpfs", "/run", "--tmpfs", "/tmp")
	for _, p := range s.Tmpfs {
		args = append(args, "--tmpfs", p)
	}
	for _, b := range s.Binds {
		flag, target := "--ro-bind", b.Target
		if b.Writable {
			flag = "--bind"
		}
		if target == "" {
			target = b.Source
		}
		args = append(args, flag, b.Source, target)
	}
	for _, p := range s.Chroots {
		args = append(args, "--dev", path.Join(p, "dev"))
		args = append(args, s.procAt(path.Join(p, "proc"))...)
	}
	return args
}

// source is where the host has what the sandbox shows at p.
func (s Sandbox) source(p string) string {
	for _, e := range s.Top {
		if rest, ok := strings.CutPrefix(p, "/"+e.Name); ok && e.Source != "" && (rest == "" || rest[0] == '/') {
			return path.Join(s.Root, e.Source, rest)
		}
	}
	return path.Join(s.Root, p)
}

func (s Sandbox) bindFlag() string {
	if s.Mode == ReadOnly {
		return "--ro-bind"
	}
	return "--bind"
}

// procAt mounts a /proc in which the kernel's settings cannot be changed: uid 0 may write to them
// without any capability, in every user namespace with an identity map, and bubblewrap (measured
// with 0.8.0) does not cover them.
func (s Sandbox) procAt(target string) []string {
	args := []string{"--proc", target}
	settings := []string{"fs", "sysrq-trigger"}
	if s.Proc == ProcBind {
		// Its top can be written to: the package that owns /proc is unpacked there, and rpm gives it owner and mode.
		args = []string{"--bind", "/proc", target}
		settings = append(settings, "bus", "irq") // as the engines do
	}
	args = append(args, "--ro-bind", "/proc/sys", path.Join(target, "sys"))
	for _, name := range settings { // not every kernel has them
		args = append(args, "--ro-bind-try", path.Join("/proc", name), path.Join(target, name))
	}
	return args
}

// Run runs c.Args in the sandbox to its end. c.Env is seen by the program, c.Dir must be empty
// (Sandbox.Dir is the one inside). Errors are those of proc.Run, with the program's own name.
func (s Sandbox) Run(ctx context.Context, c proc.Cmd) error {
	if c.Dir != "" {
		return fmt.Errorf("sandbox: %q is a directory of the host", c.Dir)
	}
	if s.Root != "" && s.Top == nil {
		top, err := ReadTop(s.Root)
		if err != nil {
			return err
		}
		s.Top = top
	}
	s.Env = append(append([]string(nil), s.Env...), c.Env...)
	argv := c.Args
	c.Args, c.Env = s.Args(argv...), nil
	return named(proc.Run(ctx, c), argv)
}

// named makes an exit status that of argv, not of what ran it.
func named(err error, argv []string) error {
	if exit, ok := err.(*proc.ExitError); ok && len(argv) > 0 { //nolint:errorlint // proc.Run returns it unwrapped
		exit.Args = argv
	}
	return err
}
