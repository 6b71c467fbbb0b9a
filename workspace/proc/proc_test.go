package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMain is also the process behind the fence of the tests below.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "fenced" {
		code, err := Init(InitOptions{Argv: os.Args[2:], Fence: Fence(os.Getenv("NOSA_FENCE")), Lock: -1, Ready: 3})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}
	os.Exit(m.Run())
}

func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRunLines(t *testing.T) {
	tool := script(t, "echo one; echo two >&2; printf three")
	var got []string
	if err := Run(t.Context(), Cmd{Args: []string{tool}, Line: func(s string) { got = append(got, s) }}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"one", "three", "two"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRunExitErrorNamesTheFirstError(t *testing.T) {
	tool := script(t, "echo working; echo 'Error: disk on fire'; echo cleaning up; exit 3")
	err := Run(t.Context(), Cmd{Args: []string{tool}})
	var exit *ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("got %v", err)
	}
	if exit.Code != 3 || !strings.HasSuffix(err.Error(), "exit status 3: Error: disk on fire") {
		t.Errorf("got code %d, %q", exit.Code, err)
	}
}

func TestRunSignal(t *testing.T) {
	err := Run(t.Context(), Cmd{Args: []string{script(t, "kill -9 $$")}})
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Signal != syscall.SIGKILL {
		t.Fatalf("got %v", err)
	}
}

func TestRunEnvironmentIsClean(t *testing.T) {
	t.Setenv("MAKEFLAGS", "-j")
	t.Setenv("TZ", "Asia/Shanghai")
	out, err := Output(t.Context(), Cmd{Args: []string{"env"}, Env: []string{"EXTRA=1"}})
	if err != nil {
		t.Fatal(err)
	}
	env := strings.Split(string(out), "\n")
	for want, in := range map[string]bool{"TZ=UTC": true, "EXTRA=1": true, "MAKEFLAGS=-j": false, "TZ=Asia/Shanghai": false} {
		if slices.Contains(env, want) != in {
			t.Errorf("%s in environment: %v, want %v", want, !in, in)
		}
	}
}

func TestRunCancelEndsTheWholeGroup(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	tool := script(t, "sleep 600 & echo $! > "+pidFile+"; wait")
	cause := errors.New("no more")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, Cmd{Args: []string{tool}}) }()
	pid := waitPID(t, pidFile)
	cancel(cause)
	if err := <-done; !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	waitGone(t, pid)
}

// A kill -9 of the client must leave nothing of the job, daemons included.
func TestFenceKillsEverything(t *testing.T) {
	for _, fence := range []Fence{FenceUser, FencePID} {
		t.Run(string(fence), func(t *testing.T) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			pidFile := filepath.Join(t.TempDir(), "pid")
			marker := "60" + strconv.Itoa(os.Getpid()) + string(fence[0])
			tool := script(t, "setsid sleep "+strings.Trim(marker, "up")+" & echo $! > "+pidFile+"; wait")
			cmd, got, err := StartFenced(func() *exec.Cmd {
				return exec.Command(os.Args[0], "fenced", tool) //nolint:noctx // killed below
			}, fence)
			if err != nil {
				if os.Getenv("CI") != "" {
					t.Fatal(err)
				}
				t.Skipf("needs the right to make %s: %v", fence, err)
			}
			if got != fence {
				t.Errorf("got %s", got)
			}
			waitPID(t, pidFile)
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			waitFor(t, func() bool { return !running(t, "sleep\x00"+strings.Trim(marker, "up")+"\x00") })
		})
	}
}

// Without a pid namespace the first process kills what is left, daemons and theirs included.
func TestReaperKillsWhatIsLeft(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	dir := t.TempDir()
	tool := script(t, `(setsid sh -c 'sleep 601 & echo $! > `+dir+`/deep; wait' & echo $! > `+dir+`/daemon)
while [ ! -s `+dir+`/deep ]; do sleep 0.01; done; exit 3`)
	cmd, _, err := StartFenced(func() *exec.Cmd {
		return exec.Command(os.Args[0], "fenced", tool) //nolint:noctx // ends by itself
	}, FenceReaper)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 3 {
		t.Errorf("exit %d, want 3", got)
	}
	for _, name := range []string{"daemon", "deep"} {
		if pid := waitPID(t, filepath.Join(dir, name)); syscall.Kill(pid, 0) == nil {
			t.Errorf("%s lives on", name)
		}
	}
}

// What a program leaves behind with its output keeps nobody waiting.
func TestRunLingers(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	tool := script(t, "setsid sleep 600 & echo $! > "+pidFile+"; echo last")
	var got []string
	err := Run(t.Context(), Cmd{Args: []string{tool}, Linger: time.Nanosecond, Line: func(s string) { got = append(got, s) }})
	if diff := cmp.Diff([]string{"last"}, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	_ = syscall.Kill(waitPID(t, pidFile), syscall.SIGKILL)
}

func TestRunWholeEnvironment(t *testing.T) {
	out, err := Output(t.Context(), Cmd{Args: []string{"/usr/bin/env"}, Whole: []string{"A=b c"}, Env: []string{"X=y"}})
	if diff := cmp.Diff("A=b c\n", string(out)); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

func TestInitReportsTheExitStatus(t *testing.T) {
	for want, text := range map[int]string{0: "exit 0", 7: "(sleep 0.1 &) ; exit 7", 128 + 15: "kill -TERM $$"} {
		runtime.LockOSThread()
		cmd, _, err := StartFenced(func() *exec.Cmd {
			return exec.Command(os.Args[0], "fenced", script(t, text)) //nolint:noctx // ends by itself
		})
		if err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("%q: exit %d, want %d", text, got, want)
		}
		runtime.UnlockOSThread()
	}
}

func waitPID(t *testing.T, path string) int {
	t.Helper()
	pid := 0
	waitFor(t, func() bool {
		data, err := os.ReadFile(path)
		if err != nil || len(data) == 0 {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(data)))
		return err == nil
	})
	return pid
}

func waitGone(t *testing.T, pid int) {
	t.Helper()
	waitFor(t, func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
}

// running says if a process with the given command line is alive.
func running(t *testing.T, cmdline string) bool {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if data, err := os.ReadFile(f); err == nil && string(data) == cmdline {
			return true
		}
	}
	return false
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); {
		if time.Since(start) > 20*time.Second {
			t.Fatal("waited 20 s in vain")
		}
		runtime.Gosched()
	}
}
