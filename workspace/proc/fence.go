package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Fence says what keeps the programs of a job together: all of them die when
// the first process inside dies, by kill -9 too.
type Fence string

// The fences, strongest first.
const (
	// FenceUser is a user, pid and mount namespace in which the caller's ids
	// mean the same (identity map): root there needs no capability outside.
	FenceUser Fence = "user+pid+mount namespaces"
	// FencePID is a pid and mount namespace, for a real root where user
	// namespaces are refused or unwanted (an xfs cannot be mounted in one).
	FencePID Fence = "pid+mount namespaces"
	// FenceMounts is FenceUser without the pid namespace, for containers whose
	// masked /proc keeps the kernel from mounting one for a new pid namespace
	// (bubblewrap looks its children up in /proc by number: measured). The
	// container's own end is what ends orphans there.
	FenceMounts Fence = "user+mount namespaces and a sub-reaper"
	// FenceReaper is a process that adopts orphans and kills them at its end, where no
	// namespace can be had or is wanted. A kill -9 of it leaves its children alive.
	FenceReaper Fence = "sub-reaper"
)

// MappedIDs is how many user and group ids a FenceUser maps when root makes it.
const MappedIDs = 65536

// pids says if the fence has a pid namespace.
func (f Fence) pids() bool { return f == FenceUser || f == FencePID }

// StartFenced starts cmd as the first process behind the strongest of the
// given fences that the kernel grants (all, when none is given) and says which
// that is. cmd must run Init with the descriptors that it finds as
// ExtraFiles, and Init's handshake pipe is the last of them. cmd gets SIGKILL
// when the calling thread's process dies, so the caller must be on a locked OS
// thread until cmd has ended, and must Wait for it.
//
// Identity map and pid namespace were measured to work with a container's
// default capabilities, and to leave nothing behind after kill -9.
func StartFenced(cmd func() *exec.Cmd, fences ...Fence) (*exec.Cmd, Fence, error) {
	if len(fences) == 0 {
		fences = []Fence{FenceUser, FenceMounts, FencePID, FenceReaper}
	}
	var errs []error
	for _, fence := range fences {
		c, err := startFence(cmd(), fence)
		if err == nil {
			return c, fence, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", fence, err))
	}
	return nil, "", fmt.Errorf("starting a fenced process: %w", errors.Join(errs...))
}

// errRefused is a fence that was made and found to be of no use.
var errRefused = errors.New("its first process gave up")

func startFence(c *exec.Cmd, fence Fence) (*exec.Cmd, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	c.SysProcAttr = fenceAttr(fence, os.Geteuid())
	c.Env = append(c.Env, "NOSA_FENCE="+string(fence))
	c.ExtraFiles = append(c.ExtraFiles, w)
	err = c.Start()
	_ = w.Close()
	if err != nil {
		return nil, err
	}
	if n, _ := r.Read(make([]byte, 1)); n == 0 {
		return nil, errors.Join(errRefused, c.Wait())
	}
	return c, nil
}

func fenceAttr(fence Fence, euid int) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if fence.pids() {
		attr.Cloneflags = unix.CLONE_NEWPID | unix.CLONE_NEWNS
	}
	if fence == FenceUser || fence == FenceMounts {
		attr.Cloneflags |= unix.CLONE_NEWUSER | unix.CLONE_NEWNS
		// Without a sub-id range the kernel maps only the caller.
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: euid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
		if euid == 0 {
			attr.UidMappings, attr.GidMappings = ownMap("/proc/self/uid_map"), ownMap("/proc/self/gid_map")
		}
		attr.GidMappingsEnableSetgroups = euid == 0
	}
	return attr
}

// ownMap reads a map of ours and gives the identity map below it.
func ownMap(name string) []syscall.SysProcIDMap {
	data, err := os.ReadFile(name)
	if err != nil {
		data = nil
	}
	return identityMap(string(data))
}

// identityMap maps MappedIDs ids to themselves in a namespace whose own map (user_namespaces(7)) is text. The kernel
// refuses a line that is not within one line of that, and rootless podman's has two: the caller, and his range.
func identityMap(text string) []syscall.SysProcIDMap {
	whole := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: MappedIDs}}
	var list []syscall.SysProcIDMap
	total := 0
	for line := range strings.Lines(text) {
		var first, outside, count int
		if n, _ := fmt.Sscan(line, &first, &outside, &count); n != 3 || first < 0 || first >= MappedIDs || count <= 0 {
			continue
		}
		size := min(count, MappedIDs-first)
		list = append(list, syscall.SysProcIDMap{ContainerID: first, HostID: first, Size: size})
		total += size
	}
	if total < MappedIDs {
		return whole // is refused, which is the caller's to see
	}
	return list
}

// InitOptions say what Init starts. Descriptors that are -1 are not there.
type InitOptions struct {
	Argv  []string
	Fence Fence
	Lock  int // of the job: stays open here and, as descriptor 3, in Argv; nowhere else
	Ready int // the pipe by which StartFenced learns that the fence holds
}

// Init is the first process behind a fence: it starts Argv, hands on SIGTERM,
// reaps what is orphaned, and gives Argv's exit status (128+n for signal n).
// When its process ends the kernel kills all that is left in its pid namespace; where
// there is none Init does, but for what runs as another user.
func Init(o InitOptions) (int, error) {
	if !o.Fence.pids() {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return 1, fmt.Errorf("becoming a sub-reaper: %w", err)
		}
	}
	if err := o.ownMounts(); err != nil {
		return 1, err
	}
	runtime.LockOSThread()
	terms := make(chan os.Signal, 4)
	signal.Notify(terms, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	attr := &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	}
	if o.Lock >= 0 {
		attr.Files = append(attr.Files, uintptr(o.Lock))
	}
	path, err := exec.LookPath(o.Argv[0])
	if err != nil {
		return 1, fmt.Errorf("starting the worker: %w", err)
	}
	child, err := syscall.ForkExec(path, o.Argv, attr)
	if err != nil {
		return 1, fmt.Errorf("starting %s: %w", o.Argv[0], err)
	}
	if o.Ready >= 0 {
		_, _ = syscall.Write(o.Ready, []byte{1})
		_ = syscall.Close(o.Ready)
	}
	go func() {
		for range terms {
			_ = syscall.Kill(child, syscall.SIGTERM)
		}
	}()
	code, err := Reap(child)
	for !o.Fence.pids() && killChildren() {
	}
	return code, err
}

// killChildren kills the children of this process and waits for them; theirs
// become ours by that. It says if there were any.
func killChildren() bool {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	found := false
	for _, name := range stats {
		data, err := os.ReadFile(name)
		_, rest, ok := strings.Cut(string(data[bytes.LastIndexByte(data, ')')+1:]), " ") // pid (comm) state ppid, proc(5)
		fields := strings.Fields(rest)
		if err != nil || !ok || len(fields) < 2 || fields[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil || syscall.Kill(pid, syscall.SIGKILL) != nil {
			continue
		}
		found = true
		for {
			if _, err := syscall.Wait4(pid, nil, 0, nil); !errors.Is(err, syscall.EINTR) {
				break
			}
		}
	}
	return found
}

// Reap waits for every child, ours or adopted, until the given one has ended, and gives that one's exit status (128+n
// for signal n). Nothing else may wait for children meanwhile.
func Reap(child int) (int, error) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return 1, fmt.Errorf("waiting for the worker: %w", err)
		}
		if pid != child {
			continue
		}
		if status.Signaled() {
			return 128 + int(status.Signal()), nil
		}
		return status.ExitStatus(), nil
	}
}

// ownMounts cuts the mount namespace off from the one it was copied from and
// gives it a /proc of the new pid namespace.
func (o InitOptions) ownMounts() error {
	if o.Fence == FenceReaper {
		return nil
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
			return fmt.Errorf("making mounts private: %w", err)
		}
	}
	if !o.Fence.pids() {
		return nil
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mounting a /proc for the new pid namespace: %w", err)
	}
	return nil
}
