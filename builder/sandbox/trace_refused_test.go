package sandbox

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/proc"
)

// TestTraceRefused shows that a program has not begun when it cannot be traced.
func TestTraceRefused(t *testing.T) {
	if stage := os.Getenv(stageEnv); stage != "" {
		refusedStage(t, stage)
		return
	}
	need(t, "bwrap")
	for _, shim := range []string{"", "/nonexistent", "/bin/true", "/bin/false", "/etc/passwd"} {
		s := traceTree(t, ProcNew)
		s.Shim = shim
		names, err := s.Trace(t.Context(), proc.Cmd{Args: []string{"touch", "/run/out/ran"}})
		if !errors.Is(err, ErrNoTrace) || names != nil {
			t.Errorf("shim %q: got %v, want ErrNoTrace", shim, err)
		}
		if _, err := os.Stat(filepath.Join(s.Binds[0].Source, "ran")); err == nil {
			t.Errorf("shim %q: the program has run", shim)
		}
	}
	for _, stage := range []string{"no seccomp", "no process_vm_readv", "another listener"} {
		t.Run(stage, func(t *testing.T) {
			out, err := proc.Output(t.Context(), proc.Cmd{
				Args: []string{self(t), "-test.run=^TestTraceRefused$", "-test.v"}, Env: []string{stageEnv + "=" + stage},
			})
			if err != nil || !bytes.Contains(out, []byte("worked in a sandbox")) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// refusedStage lays a filter, as a container's engine does, around a trace.
func refusedStage(t *testing.T, stage string) {
	t.Helper()
	s := traceTree(t, ProcNew)
	switch stage {
	case "no seccomp":
		forbid(t, unix.SYS_SECCOMP, "refused")
	case "no process_vm_readv":
		forbid(t, unix.SYS_PROCESS_VM_READV, "works")
	case "another listener":
		runtime.LockOSThread()
		listener, err := installFilter(oneCall(unix.SYS_ACCT, unix.SECCOMP_RET_USER_NOTIF))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unix.FcntlInt(uintptr(listener), unix.F_SETFD, 0); err != nil {
			t.Fatal(err)
		}
		replace(t, "refused")
	case "works":
		traceWork(t, ProcNew)
	case "refused":
		if names, err := s.Trace(t.Context(), proc.Cmd{Args: []string{"touch", "/run/out/ran"}}); !errors.Is(err, ErrNoTrace) || names != nil {
			t.Fatalf("got %v, want ErrNoTrace", err)
		}
		if _, err := os.Stat(filepath.Join(s.Binds[0].Source, "ran")); err == nil {
			t.Fatal("the program has run")
		}
		if err := s.Run(t.Context(), proc.Cmd{Args: []string{"true"}}); err != nil {
			t.Fatal(err)
		}
	}
	t.Log("worked in a sandbox")
}

// forbid becomes the next stage in a world without a system call.
func forbid(t *testing.T, number uint32, stage string) {
	t.Helper()
	runtime.LockOSThread()
	filter := oneCall(number, unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM))
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		t.Fatal(err)
	}
	replace(t, stage)
}

// oneCall is a filter that does something with one call only.
func oneCall(number, action uint32) []unix.SockFilter {
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: dataNumber},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: number, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: action},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
}

func replace(t *testing.T, stage string) {
	t.Helper()
	env := slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, stageEnv+"=") })
	t.Fatal(syscall.Exec(self(t), []string{self(t), "-test.run=^TestTraceRefused$", "-test.v"}, append(env, stageEnv+"="+stage)))
}

// TestTraceOdd runs a program whose calls are not this architecture's: its names are not known,
// and that is said. An io_uring would read files unseen, so there is none.
func TestTraceOdd(t *testing.T) {
	need(t, "bwrap")
	if runtime.GOARCH != "amd64" {
		t.Skip("x32 is of x86-64")
	}
	s := Sandbox{Shim: self(t), Binds: []Bind{{Source: self(t), Target: "/run/odd"}}}
	var lines []string
	names, err := s.Trace(t.Context(), proc.Cmd{
		Args: []string{"/run/odd", oddCommand}, Line: func(l string) { lines = append(lines, l) },
	})
	if !errors.Is(err, ErrTraceGap) || !slices.Contains(names, "/run/odd") {
		t.Errorf("got %v, %q", err, names)
	}
	none := unix.ENOSYS.Error()
	if diff := cmp.Diff([]string{none + " " + none}, lines); diff != "" {
		t.Error(diff)
	}
}
