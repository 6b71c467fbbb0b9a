//go:build e2e && amd64

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The tracer lets one system call of a build and all its programs fail, counted
// over all processes: strace --inject counts in each thread by itself, so that a
// late program's first calls are out of its reach. A seccomp filter stops only
// the calls that are asked about; a build takes about twice its time.

// traceRequest is what the tracer is asked to do.
type traceRequest struct {
	Argv   []string
	Dir    string // the workspace
	Record string // file that gets every call's key, a line each; empty is none
	Rules  []traceRule
}

// traceRule is what happens to a call. The first rule that fits counts.
type traceRule struct {
	Key      string        // tracedCall.key; empty is any
	Contains string        // of what is written
	Nth      int           // of those that fit, from 1; 0 is each
	Errno    syscall.Errno // the call is not made and gives this
	Die      bool          // every process is killed before the call
	Hold     time.Duration // the thread waits for that long after the call
}

// tracedCalls are the calls that can be made to fail, by number on amd64.
func tracedCalls() map[uint64]string {
	return map[uint64]string{
		unix.SYS_RENAME: "rename", unix.SYS_RENAMEAT: "rename", unix.SYS_RENAMEAT2: "rename",
		unix.SYS_LINK: "link", unix.SYS_LINKAT: "link",
		unix.SYS_FSYNC: "fsync", unix.SYS_FDATASYNC: "fsync", unix.SYS_SYNCFS: "fsync",
		unix.SYS_WRITE: "write", unix.SYS_PWRITE64: "write", unix.SYS_WRITEV: "write", unix.SYS_PWRITEV: "write",
		unix.SYS_COPY_FILE_RANGE: "copy", unix.SYS_SENDFILE: "copy", unix.SYS_FALLOCATE: "fallocate",
	}
}

// The variables by which this binary knows that it is the tracer or its child.
const (
	tracerEnv = "NOSA_TEST_TRACER"
	traceeEnv = "NOSA_TEST_TRACEE"
)

// traced gives the command that runs nosa under the tracer. Its exit code is
// that of nosa, 128+n for signal n.
func (n nosa) traced(req traceRequest, args ...string) *exec.Cmd {
	n.t.Helper()
	cmd := n.command(context.WithoutCancel(n.t.Context()), args...)
	req.Argv, req.Dir = cmd.Args, n.dir
	data, err := json.Marshal(req)
	if err != nil {
		n.t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		n.t.Fatal(err)
	}
	out := exec.CommandContext(context.WithoutCancel(n.t.Context()), self, "-test.run=^TestTracer$")
	out.Env = append(cmd.Env, tracerEnv+"="+string(data))
	return out
}

// TestTracer is the tracer when this binary is started as one.
func TestTracer(t *testing.T) {
	switch {
	case os.Getenv(traceeEnv) != "":
		t.Fatal(becomeTracee(strings.Split(os.Getenv(traceeEnv), "\x1f")))
	case os.Getenv(tracerEnv) != "":
		code, err := runTracer(os.Getenv(tracerEnv))
		if err != nil {
			t.Fatal(err)
		}
		os.Exit(code)
	}
}

// becomeTracee installs the filter that stops the calls and becomes argv.
func becomeTracee(argv []string) error {
	const (
		returnTrace = 0x7ff00000 // SECCOMP_RET_TRACE
		returnAllow = 0x7fff0000 // SECCOMP_RET_ALLOW
	)
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}} // seccomp_data.nr
	for nr := range tracedCalls() {
		filter = append(filter,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: uint32(nr)},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: returnTrace})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: returnAllow})
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	const setModeFilter = 1                                                                                             // SECCOMP_SET_MODE_FILTER
	if _, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, setModeFilter, 0, uintptr(unsafe.Pointer(&prog))); errno != 0 { //nolint:gosec // the call wants a pointer
		return fmt.Errorf("seccomp: %w", errno)
	}
	env := []string{}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, traceeEnv+"=") && !strings.HasPrefix(kv, tracerEnv+"=") {
			env = append(env, kv)
		}
	}
	return syscall.Exec(argv[0], argv, env)
}

// tracer follows all processes of a build.
type tracer struct {
	req    traceRequest
	counts []int // of fitting calls, by rule
	names  map[int]string
	seen   map[int]bool
	hold   map[int]time.Duration // to begin when the call has been made
	held   map[int]time.Time     // ends
	record *bufio.Writer
}

func runTracer(request string) (int, error) {
	tr := tracer{names: map[int]string{}, seen: map[int]bool{}, hold: map[int]time.Duration{}, held: map[int]time.Time{}}
	if err := json.Unmarshal([]byte(request), &tr.req); err != nil {
		return 0, err
	}
	tr.counts = make([]int, len(tr.req.Rules))
	if tr.req.Record != "" {
		f, err := os.Create(tr.req.Record)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		tr.record = bufio.NewWriter(f)
		defer func() { _ = tr.record.Flush() }()
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	runtime.LockOSThread() // ptrace belongs to a thread
	cmd := exec.CommandContext(context.Background(), self, "-test.run=^TestTracer$")
	cmd.Env = append(os.Environ(), traceeEnv+"="+strings.Join(tr.req.Argv, "\x1f"))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	return tr.follow(cmd.Process.Pid)
}

// follow runs until every process is gone and gives the exit code of the first.
func (tr *tracer) follow(first int) (int, error) {
	const options = unix.PTRACE_O_TRACESECCOMP | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK |
		unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACESYSGOOD
	code := 0
	for {
		flags := unix.WALL
		if len(tr.held) > 0 {
			flags |= unix.WNOHANG
			tr.release()
		}
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, flags, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECHILD):
			return code, nil
		case err != nil:
			return 0, err
		case pid == 0:
			time.Sleep(time.Millisecond)
			continue
		case ws.Exited() || ws.Signaled():
			delete(tr.held, pid)
			if pid == first {
				if code = ws.ExitStatus(); ws.Signaled() {
					code = 128 + int(ws.Signal())
				}
			}
			continue
		}
		if pid == first && !tr.seen[pid] { // of the exec
			if err := unix.PtraceSetOptions(pid, options); err != nil {
				return 0, fmt.Errorf("ptrace: %w", err)
			}
		}
		tr.goOn(pid, tr.stopped(pid, ws))
		tr.seen[pid] = true
	}
}

// stopped handles a stop and gives the signal that the process is to get.
func (tr *tracer) stopped(pid int, ws unix.WaitStatus) int {
	sig, event := ws.StopSignal(), ws.TrapCause()
	switch {
	case sig == unix.SIGTRAP|0x80: // the end of a call
		tr.held[pid] = time.Now().Add(tr.hold[pid])
		delete(tr.hold, pid)
	case sig == unix.SIGTRAP && event == unix.PTRACE_EVENT_SECCOMP:
		tr.call(pid)
	case sig == unix.SIGTRAP && event == unix.PTRACE_EVENT_EXEC:
		delete(tr.names, pid)
	case sig == unix.SIGTRAP, sig == unix.SIGSTOP && !tr.seen[pid]: // of a new process
	default:
		return int(sig)
	}
	return 0
}

// goOn lets a process run, unless it is held. It may have been killed meanwhile.
func (tr *tracer) goOn(pid, signal int) {
	if _, held := tr.held[pid]; held {
		return
	}
	if _, wanted := tr.hold[pid]; wanted {
		_ = unix.PtraceSyscall(pid, signal)
		return
	}
	_ = unix.PtraceCont(pid, signal)
}

// release lets processes go on whose time is up.
func (tr *tracer) release() {
	for pid, until := range tr.held {
		if time.Now().After(until) {
			delete(tr.held, pid)
			_ = unix.PtraceCont(pid, 0)
		}
	}
}

// call decides about the call at which pid has stopped.
func (tr *tracer) call(pid int) {
	c := tracedCall{pid: pid, dir: tr.req.Dir}
	if err := unix.PtraceGetRegs(pid, &c.regs); err != nil {
		return
	}
	if !c.concerns() {
		return
	}
	if tr.names[pid] == "" {
		tr.names[pid] = processName(pid)
	}
	key := c.key(tr.names[pid])
	if tr.record != nil {
		fmt.Fprintln(tr.record, key)
	}
	for i, rule := range tr.req.Rules {
		if rule.Key != "" && rule.Key != key || !c.contains(rule.Contains) {
			continue
		}
		tr.counts[i]++
		if rule.Nth != 0 && rule.Nth != tr.counts[i] {
			continue
		}
		switch {
		case rule.Die:
			os.Exit(128 + int(unix.SIGKILL)) // PTRACE_O_EXITKILL
		case rule.Errno != 0:
			c.regs.Orig_rax, c.regs.Rax = ^uint64(0), -uint64(rule.Errno)
			_ = unix.PtraceSetRegs(pid, &c.regs)
		case rule.Hold != 0:
			tr.hold[pid] = rule.Hold
		}
		return
	}
}

// processName is the program of a process; nosa's three are told apart.
func processName(pid int) string {
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	name := strings.TrimSpace(string(comm))
	if name != "nosa" {
		return name
	}
	cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if args := strings.Split(string(cmdline), "\x00"); len(args) > 1 && (args[1] == initCommand || args[1] == workerCommand) {
		return args[1]
	}
	return "client"
}

// tracedCall is a call that is about to be made.
type tracedCall struct {
	pid  int
	dir  string
	regs unix.PtraceRegs
	path string
}

func (c *tracedCall) name() string { return tracedCalls()[c.regs.Orig_rax] }

// concerns says if the call is about a file or directory on disk, and finds out which.
func (c *tracedCall) concerns() bool {
	fd := c.regs.Rdi
	switch c.regs.Orig_rax {
	case unix.SYS_RENAME, unix.SYS_LINK:
		c.path = c.at(unix.AT_FDCWD, c.regs.Rsi)
		return true
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_LINKAT:
		c.path = c.at(int32(c.regs.Rdx), c.regs.R10)
		return true
	case unix.SYS_COPY_FILE_RANGE:
		fd = c.regs.Rdx
	}
	name := fmt.Sprintf("/proc/%d/fd/%d", c.pid, int32(fd))
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() && !info.IsDir() {
		return false
	}
	c.path, _ = os.Readlink(name)
	if !filepath.IsAbs(c.path) { // anon_inode:[eventfd] and the like
		return false
	}
	return !slices.ContainsFunc([]string{"/proc/", "/sys/", "/memfd:"}, func(p string) bool { return strings.HasPrefix(c.path, p) })
}

// at gives the path that a pair of arguments names.
func (c *tracedCall) at(fd int32, pointer uint64) string {
	name := string(c.memory(pointer, unix.PathMax))
	name, _, _ = strings.Cut(name, "\x00")
	if filepath.IsAbs(name) {
		return name
	}
	link := fmt.Sprintf("/proc/%d/fd/%d", c.pid, fd)
	if fd == unix.AT_FDCWD {
		link = fmt.Sprintf("/proc/%d/cwd", c.pid)
	}
	dir, _ := os.Readlink(link)
	return filepath.Join(dir, name)
}

// memory reads up to n bytes of the process.
func (c *tracedCall) memory(at uint64, n int) []byte {
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", c.pid))
	if err != nil {
		return nil
	}
	defer f.Close()
	buf := make([]byte, n)
	n, _ = f.ReadAt(buf, int64(at)) // short at the end of a mapping
	return buf[:n]
}

func (c *tracedCall) contains(text string) bool {
	if text == "" {
		return true
	}
	return c.name() == "write" && bytes.Contains(c.memory(c.regs.Rsi, int(min(c.regs.Rdx, 4096))), []byte(text))
}

// changing are parts of paths that differ from build to build.
var changing = regexp.MustCompile(`[0-9a-f]{40,}|[0-9]{8}T[0-9]{6}Z-[a-z]+-[0-9a-f]{4}|-?[A-Za-z]*[0-9]{3,}[A-Za-z0-9]*|[-.][A-Za-z0-9]{6}$`)

// key is the same for calls of one kind: the program, what it does, where.
func (c *tracedCall) key(process string) string {
	place := "elsewhere"
	if rel, ok := strings.CutPrefix(c.path, c.dir+"/"); ok {
		parts := strings.Split(changing.ReplaceAllString(rel, "*"), "/")
		place = strings.Join(parts[:min(len(parts), 4)], "/")
		if len(parts) > 4 {
			place += "/…"
		}
		if strings.HasPrefix(place, "cache/repo/objects") {
			place = "cache/repo/objects"
		}
		if strings.HasPrefix(place, "cache/repo/tmp") {
			place = "cache/repo/tmp"
		}
		if strings.HasPrefix(place, "tmp/work/*/root/") {
			place = "tmp/work/*/root"
		}
	}
	return process + " " + c.name() + " " + place
}

// recordedKeys reads what a tracer recorded: how often each key, in order of the first.
func recordedKeys(t *testing.T, name string) (keys []string, counts map[string]int) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	counts = map[string]int{}
	for line := range strings.Lines(string(data)) {
		key := strings.TrimSuffix(line, "\n")
		if counts[key] == 0 {
			keys = append(keys, key)
		}
		counts[key]++
	}
	return keys, counts
}

// exitOf gives the exit code of a command that a tracer ran, and its output; -1
// for one that hung for a minute and was killed.
func exitOf(cmd *exec.Cmd) (int, string) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &out, time.Second
	if err := cmd.Start(); err != nil {
		return -1, err.Error()
	}
	timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	_ = cmd.Wait()
	timer.Stop()
	return cmd.ProcessState.ExitCode(), out.String()
}

// describe names an injection for people.
func (r traceRule) describe() string {
	what := "kill -9 of all"
	if r.Errno != 0 {
		what = unix.ErrnoName(r.Errno)
	}
	return what + " at " + r.Key + " #" + strconv.Itoa(r.Nth)
}
