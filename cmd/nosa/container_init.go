package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/job"
	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/proc"
)

// containerCommand is the hidden first word of the first process of a container. It gets the directory that it
// shares with the nosa that started the container.
const containerCommand = "container-init"

// The files of a container's directory, beside its lock (job.HostByte is its starter's, job.InnerByte its own) and,
// for a job, the job's files.
const (
	containerRequestFile = "container.json"
	containerEndedFile   = "ended" // its command has ended, machines that it started have not
	containerIDFile      = "cid"   // the engine's
)

// containerRequest is what a container is for.
type containerRequest struct {
	Argv   []string     `json:"argv,omitempty"` // of nosa, for the relay; none is the job whose directory it is
	Dir    string       `json:"dir,omitempty"`  // where it is called, made if missing
	Fences []proc.Fence `json:"fences,omitempty"`
}

// commandEnded is the file that says how a container's command ended.
type commandEnded struct {
	Code int `json:"code"`
}

// containerInit is the first process of a container. It runs a job's worker behind a fence, as the host would, or a
// command line; everything ends with it, and it ends with the one who started it: the kernel says so by a lock that
// is free, whatever became of the engine and its clients.
func (a *app) containerInit(dir string) int {
	i := firstProcess{app: a, dir: dir}
	code, err := i.run()
	if err != nil {
		fmt.Fprintf(a.stderr, "nosa: in the container: %v\n", err)
	}
	return code
}

// firstProcess is the first process of a container.
type firstProcess struct {
	*app
	dir string
	req containerRequest
}

func (i *firstProcess) run() (int, error) {
	data, err := os.ReadFile(filepath.Join(i.dir, containerRequestFile))
	if err == nil {
		err = json.Unmarshal(data, &i.req)
	}
	if err != nil {
		return exitFailed, fmt.Errorf("reading what to do: %w", err)
	}
	name := filepath.Join(i.dir, "lock")
	l, err := lock.OpenThere(name)
	if err != nil {
		return exitFailed, err
	}
	if err := l.Try(lock.Exclusive, job.InnerByte); err != nil {
		return exitFailed, err
	}
	alone := make(chan error, 1)
	go func() { alone <- lock.Await(name, lock.Shared, job.HostByte) }()
	if os.Getpid() != 1 { // else it is everybody's parent anyway
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return exitFailed, fmt.Errorf("becoming a sub-reaper: %w", err)
		}
	}
	told := make(chan os.Signal, 4)
	signal.Reset()
	if i.req.Argv == nil {
		leaveTerminal()
	}
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	runtime.LockOSThread() // the command's parent-death signal is tied to this thread
	cmd, err := i.start(l)
	if err != nil {
		return exitFailed, err
	}
	return i.await(cmd.Process.Pid, told, alone)
}

// leaveTerminal gives up the terminal that the engine made this process's own, if it did: the shell of a job wants it
// for its session, and its keys are no signals to the job.
func leaveTerminal() {
	signal.Ignore(syscall.SIGHUP) // which who gives it up gets
	_ = unix.IoctlSetInt(0, unix.TIOCNOTTY, 0)
	signal.Reset(syscall.SIGHUP)
}

// start starts the job's init, or the command.
func (i *firstProcess) start(l *lock.File) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding nosa's own executable: %w", err)
	}
	if i.req.Dir != "" {
		// Of a directory that is not bound only the name is there: paths given on the command line begin there.
		if err := os.MkdirAll(i.req.Dir, 0o755); err != nil {
			return nil, fmt.Errorf("going to the directory of the command: %w", err)
		}
		if err := os.Chdir(i.req.Dir); err != nil {
			return nil, fmt.Errorf("going to the directory of the command: %w", err)
		}
	}
	if i.req.Argv == nil {
		cmd, _, err := proc.StartFenced(func() *exec.Cmd {
			cmd := exec.Command(self, initCommand, i.dir) //nolint:noctx,forbidigo // it ends with the container
			cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Environ(), os.Stdin, os.Stdout, os.Stderr
			cmd.ExtraFiles = []*os.File{l.File()}
			return cmd
		}, possibleFences(i.req.Fences)...)
		return cmd, err
	}
	cmd := exec.Command(self, i.req.Argv...) //nolint:noctx,forbidigo // it ends with the container
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the command: %w", err)
	}
	return cmd, nil
}

// possibleFences leaves out those that want a /proc of their own, where the engine has covered parts of this one: the
// kernel then mounts no other.
func possibleFences(fences []proc.Fence) []proc.Fence {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || !strings.Contains(string(mounts), " /proc/") {
		return fences
	}
	if len(fences) == 0 {
		return []proc.Fence{proc.FenceMounts, proc.FenceReaper}
	}
	return slices.DeleteFunc(slices.Clone(fences), func(f proc.Fence) bool { return f == proc.FenceUser || f == proc.FencePID })
}

// aloneFor is how long a command may take to end whose starter is gone.
const aloneFor = proc.Grace + 5*time.Second

// await waits for the child and, where it left machines, for those.
func (i *firstProcess) await(child int, told <-chan os.Signal, alone <-chan error) (int, error) {
	type end struct {
		code int
		err  error
	}
	ended := make(chan end, 1)
	go func() {
		code, err := proc.Reap(child)
		ended <- end{code, err}
	}()
	var late <-chan time.Time
	for {
		select {
		case e := <-ended:
			if i.req.Argv == nil || e.err != nil || late != nil {
				return e.code, e.err
			}
			return e.code, i.stay(e.code, told)
		case s := <-told:
			sig, _ := s.(syscall.Signal)
			_ = syscall.Kill(child, sig)
		case err := <-alone:
			if err != nil || i.req.Argv == nil { // a job's worker is killed with its client on the host, too
				return exitFailed, err
			}
			_ = syscall.Kill(child, syscall.SIGTERM)
			late = time.After(aloneFor)
		case <-late:
			return exitFailed, errors.New("the command did not end with the one who started it")
		}
	}
}

// stay waits for the end of the machines that the command left running. Who waits for the command learns of its end
// by a file, since the container goes on.
func (i *firstProcess) stay(code int, told <-chan os.Signal) error {
	said := false
	for hubsRun() {
		if !said {
			said = true
			if err := i.sayEnded(code); err != nil {
				return err
			}
		}
		gone := make(chan struct{})
		go func() {
			_, _ = syscall.Wait4(-1, nil, 0, nil)
			close(gone)
		}()
		select {
		case <-gone:
		case <-told:
			return nil // QEMU dies with the hub, the hub with this process
		}
	}
	return nil
}

func (i *firstProcess) sayEnded(code int) error {
	data, err := json.Marshal(commandEnded{code})
	if err != nil {
		return err
	}
	part := filepath.Join(i.dir, "."+containerEndedFile)
	if err := os.WriteFile(part, data, 0o600); err != nil {
		return fmt.Errorf("saying that the command has ended: %w", err)
	}
	return os.Rename(part, filepath.Join(i.dir, containerEndedFile))
}

// hubsRun says if a machine's hub runs among the processes that are seen here.
func hubsRun() bool {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, e := range entries {
		line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil {
			continue
		}
		if words := strings.Split(string(line), "\x00"); len(words) > 1 && words[1] == hubCommand {
			return true
		}
	}
	return false
}
