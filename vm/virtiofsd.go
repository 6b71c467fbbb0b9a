package vm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/proc"
)

// Flavour is which program calls itself virtiofsd.
type Flavour string

// The one that came with QEMU up to 7.2, and its successor.
const (
	FlavourC    Flavour = "c"
	FlavourRust Flavour = "rust"
)

// ReadOnlyBy is what refuses the writes to a share.
type ReadOnlyBy string

// The zero value is nothing: such a share cannot be had.
const (
	ByOption ReadOnlyBy = "option" // virtiofsd itself
	ByMount  ReadOnlyBy = "mount"  // a read-only mount that only virtiofsd sees, made by bubblewrap
)

// Virtiofsd is a program that serves a directory to a vhost-user-fs device.
type Virtiofsd struct {
	Path     string
	Flavour  Flavour
	Sandbox  string // namespace or chroot: how it locks itself into the directory
	ReadOnly ReadOnlyBy
}

// args serves a directory on the listening socket that is descriptor 3.
func (v Virtiofsd) args(b Bind) []string {
	var args []string
	if b.ReadOnly && v.ReadOnly == ByMount {
		// It drops the capability to mount before the guest can ask anything of it.
		args = []string{bwrap, "--die-with-parent", "--cap-add", "ALL", "--dev-bind", "/", "/", "--ro-bind", b.Source, b.Source, "--"}
	}
	if v.Flavour == FlavourC {
		// The comma is quoted as libfuse's options have it.
		dir := strings.NewReplacer(`\`, `\\`, `,`, `\,`).Replace(b.Source)
		return append(args, v.Path, "-f", "--fd=3", "-o", "source="+dir+",sandbox="+v.Sandbox)
	}
	args = append(args, v.Path, "--fd=3", "--shared-dir="+b.Source, "--sandbox="+v.Sandbox, "--announce-submounts")
	if b.ReadOnly && v.ReadOnly == ByOption {
		args = append(args, "--readonly")
	}
	return args
}

// bwrap is the program that makes a mount for one process.
const bwrap = "bwrap"

// quiet keeps it from telling of each step. The C version warns of what it has not
// implemented at every end.
func (v Virtiofsd) quiet() []string {
	if v.Flavour == FlavourC {
		return []string{"-o", "log_level=err"}
	}
	return []string{"--log-level=warn"}
}

// ShareProber finds out what this host can share directories with.
type ShareProber struct {
	// Daemons are the places to look for virtiofsd; nil is where distributions
	// put it, which is not in PATH.
	Daemons []string
}

// daemons: Fedora, openEuler and Debian from 13 on; Debian 12; Arch.
func (p ShareProber) daemons() []string {
	if p.Daemons != nil {
		return p.Daemons
	}
	return []string{"/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/lib/virtiofsd"}
}

// Probe asks QEMU for its devices and really starts virtiofsd: it needs rights
// that only a trial shows. It takes some 0.2 s; an error is a QEMU that does not
// run or a context that is done.
func (p ShareProber) Probe(ctx context.Context, arch Arch) (ShareHost, error) {
	_, plat, err := Spec{Arch: arch}.withDefaults()
	if err != nil {
		return ShareHost{}, err
	}
	out, err := proc.Output(ctx, proc.Cmd{Args: []string{plat.binary, "-machine", "none", "-device", "help"}})
	if err != nil {
		return ShareHost{}, fmt.Errorf("asking %s for its devices: %w", plat.binary, err)
	}
	h := ShareHost{NineP: strings.Contains(string(out), `"virtio-9p-pci"`), Why: map[ShareType]string{}}
	if !h.NineP {
		h.Why[NineP] = "this QEMU has no virtio-9p-pci"
	}
	if !strings.Contains(string(out), `"vhost-user-fs-pci"`) {
		h.Why[Virtiofs] = "this QEMU has no vhost-user-fs-pci"
		return h, nil
	}
	h.Why[Virtiofs] = "virtiofsd is not installed (package virtiofsd, in Debian 12 qemu-system-common); looked for " + strings.Join(p.daemons(), ", ")
	found := slices.DeleteFunc(slices.Clone(p.daemons()), func(path string) bool { return !isFile(path) })
	for _, path := range found {
		v, err := try(ctx, path)
		if ctx.Err() != nil {
			return h, context.Cause(ctx)
		}
		if err == nil {
			h.Virtiofs, h.Daemon = true, v
			delete(h.Why, Virtiofs)
			return h, nil
		}
		h.Why[Virtiofs] = "virtiofsd does not run here: " + err.Error()
	}
	return h, nil
}

// try finds the first sandbox that a virtiofsd can set up here. Without one it
// is not used: a guest could leave the shared directory.
func try(ctx context.Context, path string) (Virtiofsd, error) {
	help, err := proc.Output(ctx, proc.Cmd{Args: []string{path, "--help"}})
	if err != nil {
		return Virtiofsd{}, err
	}
	v := Virtiofsd{Path: path, Flavour: FlavourC}
	if strings.Contains(string(help), "--shared-dir") {
		v.Flavour = FlavourRust
	}
	var first error
	for _, v.Sandbox = range []string{"namespace", "chroot"} {
		err := v.trial(ctx, Bind{})
		if err == nil {
			return v.refusesWrites(ctx, string(help)), nil
		}
		if first == nil {
			first = err
		}
	}
	return v, first
}

// refusesWrites finds out by what.
func (v Virtiofsd) refusesWrites(ctx context.Context, help string) Virtiofsd {
	if strings.Contains(help, "--readonly") {
		v.ReadOnly = ByOption
		return v
	}
	mounted := v
	mounted.ReadOnly = ByMount
	if find(bwrap, "bubblewrap") != nil || mounted.trial(ctx, Bind{ReadOnly: true}) != nil {
		return v
	}
	return mounted
}

// trialTime bounds a trial.
const trialTime = 5 * time.Second

// trial lets it serve an empty directory to a client that leaves at once: it
// locks itself in only when a client has come.
func (v Virtiofsd) trial(ctx context.Context, b Bind) error {
	dir, err := os.MkdirTemp("", "nosa-share-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.Source = filepath.Join(dir, "shared")
	if err := os.Mkdir(b.Source, 0o700); err != nil {
		return err
	}
	l, err := listenIn(dir, "s")
	if err != nil {
		return err
	}
	defer l.Close()
	if err := touch(ctx, dir, "s"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	served := false
	err = proc.Run(ctx, proc.Cmd{
		Args: v.args(b), ExtraFiles: []*os.File{l},
		Line: func(line string) { served = served || strings.Contains(line, "Client connected") },
	})
	if served || err == nil {
		return nil
	}
	return err
}

// listenIn makes a listening socket in a directory whose path may be longer than
// the 108 bytes that a socket's address has room for.
func listenIn(dir, name string) (*os.File, error) {
	if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) { // of an earlier run
		return nil, err
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: socketIn(d, name)})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	f, err := l.File()
	return f, errors.Join(err, l.Close())
}

// touch connects to a socket of a directory and leaves.
func touch(ctx context.Context, dir, name string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	c, err := new(net.Dialer).DialContext(ctx, "unix", socketIn(d, name))
	if err != nil {
		return err
	}
	return c.Close()
}

// socketIn is a short name of a socket in a directory.
func socketIn(dir *os.File, name string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), name)
}

// find looks for a program in PATH.
func find(name, pkg string) error {
	if _, err := exec.LookPath(name); err != nil {
		return fmt.Errorf("%s is not installed (package %s)", name, pkg)
	}
	return nil
}
