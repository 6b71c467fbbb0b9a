package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nestos/nosa/builder/backend"
	"github.com/nestos/nosa/workspace/job"
	"github.com/nestos/nosa/workspace/lock"
)

// innerNosa is where the host's nosa is inside a container: over the image's own, so that both are the same version.
const innerNosa = "/usr/bin/nosa"

// innerPath is where programs are in every image: one that is a bare directory says nothing of it.
const innerPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// labelLock names the lock of a container that runs something: somebody holds it for as long as anybody needs it.
const labelLock = "org.nosa.lock"

// roleRun is such a container's backend.LabelRole.
const roleRun = "run"

// containerRun is a container to be started.
type containerRun struct {
	name    string // of the container, and for a person
	root    string // the workspace or other directory that it may write to, at its own path
	dir     string // what it shares with this process, in root or bound by its own; the lock in it is held
	request containerRequest
	binds   []backend.Mount
	pass    passed
	xfs     bool // with what mounting one takes
	stdin   bool
	tty     bool
	env     []string
}

// inContainer is what runs a command line in a container.
type inContainer struct {
	engine backend.Engine
	image  string
}

// command is the engine's command line for r. The caller starts it.
func (c inContainer) command(r containerRun) (*exec.Cmd, error) {
	data, err := json.Marshal(r.request)
	if err != nil {
		return nil, fmt.Errorf("starting a container: %w", err)
	}
	if err := os.WriteFile(filepath.Join(r.dir, containerRequestFile), data, 0o600); err != nil {
		return nil, fmt.Errorf("starting a container: %w", err)
	}
	binds, err := bindsOf(r)
	if err != nil {
		return nil, err
	}
	run := backend.Run{
		Name: r.name, CIDFile: filepath.Join(r.dir, containerIDFile),
		Labels: map[string]string{
			backend.LabelRole: roleRun, backend.LabelWorkspace: r.root, backend.LabelJob: r.name, backend.LabelOwner: ownerLabel(),
			labelLock: filepath.Join(r.dir, "lock"),
		},
		Mounts: binds, Stdin: r.stdin, TTY: r.tty, KVM: true, XFS: r.xfs, Dir: "/",
		Env:  append(innerEnv(os.Environ(), r.pass), append(r.env, innerPath, "HOME="+innerHome, "LANG=C.UTF-8", "NOSA_IN_CONTAINER=1", "NOSA_CONTAINER="+string(c.engine.Kind)+":"+r.name)...),
		Argv: []string{innerNosa, containerCommand, r.dir},
	}
	if root, ok := strings.CutPrefix(c.image, rootfsImage); ok {
		run.Rootfs = root
	} else {
		run.Image = c.image
	}
	argv := c.engine.RunArgv(run)
	return exec.Command(argv[0], argv[1:]...), nil //nolint:noctx,forbidigo // its end is the container's
}

// rootfsImage begins the name of an image that is a directory of this machine: its root, seen through an overlay.
const rootfsImage = "rootfs:"

// containerName is a name for a container that no other has.
func containerName() (string, error) {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("naming a container: %w", err)
	}
	return "nosa-" + hex.EncodeToString(b[:]), nil
}

// ownerLabel names who started a container, for a person who looks at the engine's list.
func ownerLabel() string {
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return fmt.Sprintf("%d:%s", os.Getpid(), strings.TrimSpace(string(boot)))
}

// alive says if the container's first process runs.
func (r containerRun) alive() bool {
	held, err := lock.Probe(filepath.Join(r.dir, "lock"), lock.Exclusive, job.InnerByte)
	return held || err != nil
}

// orphaned says of a container whose client has ended if it may still be there: the client was killed, or what stands
// between it and the container, and then podman says 126 or 127.
func (r containerRun) orphaned(client *os.ProcessState) bool {
	code := client.ExitCode()
	return code < 0 || code >= 125 && code <= 127 || r.alive()
}

// kill ends the container, by its id or, before the engine said that, by its name. One that is gone is fine.
func (c inContainer) kill(r containerRun) error {
	ctx, cancel := context.WithTimeout(context.Background(), killContainerFor)
	defer cancel()
	id := r.name
	if data, err := os.ReadFile(filepath.Join(r.dir, containerIDFile)); err == nil && len(strings.TrimSpace(string(data))) > 0 {
		id = strings.TrimSpace(string(data))
	}
	return c.engine.Kill(ctx, id)
}

// killContainerFor bounds the engine's work of killing and removing a container.
const killContainerFor = 20 * time.Second

// reapAfter keeps the engine's list out of the way of a container that is being started.
const reapAfter = time.Second

// reapSoon reaps when a container that was started is on its way.
func (c inContainer) reapSoon(root string) {
	time.AfterFunc(reapAfter, func() { c.reap(context.Background(), root) })
}

// reap removes the containers of a workspace that nobody needs any more: those whose lock nobody holds.
func (c inContainer) reap(ctx context.Context, root string) {
	list, err := c.engine.List(ctx, backend.LabelWorkspace+"="+root)
	if err != nil {
		return // the next one tries again
	}
	for _, found := range list {
		if found.Labels[backend.LabelRole] == roleRun && !neededLock(found.Labels[labelLock]) {
			_ = c.engine.Kill(ctx, found.ID)
		}
	}
}

// neededLock says if anybody holds a container's lock.
func neededLock(path string) bool {
	held, err := job.Held(path)
	return held || err != nil && !errors.Is(err, fs.ErrNotExist)
}

// innerEnv names what of the environment goes into a container: what nosa itself reads, and what was asked for. The
// engine's client has the values; on its command line everybody on the machine could read a proxy's password.
func innerEnv(environ []string, pass passed) []string {
	var env []string
	for _, v := range environ {
		name, _, _ := strings.Cut(v, "=")
		switch {
		case slices.Contains([]string{"NOSA_BACKEND", "NOSA_IMAGE", "NOSA_IN_CONTAINER", "NOSA_CONTAINER", "NOSA_PASS"}, name):
		case strings.HasPrefix(name, "NOSA_"), strings.HasPrefix(name, "COSA_"),
			slices.Contains([]string{"SOURCE_DATE_EPOCH", "TERM", "COLORTERM", "NO_COLOR", "TZ"}, name), pass.env(name):
			env = append(env, name)
		}
	}
	return env
}

// ownGroupOnly keeps the terminal's Ctrl-C from the engine's client: this process tells it.
func ownGroupOnly() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
