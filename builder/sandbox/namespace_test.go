package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/proc"
)

// need skips, or fails where skipping is not allowed, when something is not there.
func need(t *testing.T, programs ...string) {
	t.Helper()
	missing := ""
	if os.Getuid() != 0 {
		missing = "uid 0"
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing = p
		}
	}
	if missing == "" {
		return
	}
	if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
		t.Fatalf("needs %s", missing)
	}
	t.Skipf("needs %s", missing)
}

// stageEnv tells a test binary that was started by a test what it is to do.
const stageEnv = "NOSA_TEST_STAGE"

// defaultCapabilities are a container's.
const defaultCapabilities = "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+sys_chroot,+setfcap"

// TestWorlds does the same in a sandbox as root, in a job's namespaces below a container's default
// capabilities, and there with a masked /proc, as container engines have it.
func TestWorlds(t *testing.T) {
	switch os.Getenv(stageEnv) {
	case "fence":
		again(t, "init", syscall.CLONE_NEWPID)
		return
	case "init":
		if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			t.Fatal(err)
		}
		work(t, ProcNew)
		return
	case "no pid namespace":
		again(t, "masked", 0)
		return
	case "masked":
		work(t, ProcBind)
		return
	case "foreign":
		again(t, "refused", syscall.CLONE_NEWPID)
		return
	case "refused":
		if _, err := Probe(t.Context()); !errors.Is(err, ErrForeignProc) {
			t.Errorf("got %v, want ErrForeignProc", err)
		}
		t.Log("worked in a sandbox")
		return
	}
	need(t, "bwrap", "setpriv", "unshare")
	t.Run("root", func(t *testing.T) { work(t, ProcNew) })
	setpriv := []string{"setpriv", "--bounding-set", defaultCapabilities, "--"}
	mask := []string{"unshare", "-m", "--", "sh", "-c", `mount --bind /dev/null /proc/cpuinfo && exec "$@"`, "sh"}
	t.Run("default capabilities", func(t *testing.T) { runStage(t, "fence", setpriv) })
	t.Run("masked proc", func(t *testing.T) { runStage(t, "no pid namespace", append(mask, setpriv...)) })
	t.Run("foreign proc", func(t *testing.T) { runStage(t, "foreign", append(mask, setpriv...)) })
}

func runStage(t *testing.T, stage string, argv []string) {
	t.Helper()
	out := &bytes.Buffer{}
	err := proc.Run(t.Context(), proc.Cmd{
		Args: append(argv, os.Args[0], "-test.run=^TestWorlds$", "-test.v"),
		Env:  []string{stageEnv + "=" + stage},
		Line: func(s string) { fmt.Fprintln(out, s) },
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(out.String(), "worked in a sandbox") {
		t.Fatalf("nothing was tested:\n%s", out)
	}
}

// again starts the test once more in a user and mount namespace and the further ones.
func again(t *testing.T, stage string, further uintptr) {
	t.Helper()
	runtime.LockOSThread()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWorlds$", "-test.v")
	cmd.Env = append(os.Environ(), stageEnv+"="+stage)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	ids := []syscall.SysProcIDMap{{Size: 65536}}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | further,
		UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true,
	}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
}

// work probes, then changes a tree from inside as package scripts do.
func work(t *testing.T, want Proc) {
	t.Helper()
	support, err := Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if support.Proc != want || (want == ProcBind) != (support.Reason != "") || support.Version == "" {
		t.Fatalf("probe: %+v, want proc %d", support, want)
	}
	root := t.TempDir()
	script := `set -e
grep -q '^CapEff:.*00800401fb$' /proc/self/status || { grep CapEff /proc/self/status; exit 9; }
echo text >file
chown 7:8 file
chmod 4755 file
: >/dev/null
test -z "$(ls /sys)"
test "$(cat /proc/net/dev | grep -c :)" = 1
if touch /usr/x 2>/dev/null; then exit 8; fi
for p in /proc /run/out/proc; do
	value=$(cat $p/sys/vm/swappiness)
	if echo $value 2>/dev/null >$p/sys/vm/swappiness; then exit 7; fi
done
echo $HOME $SOURCE_DATE_EPOCH $SECRET $(hostname) $(pwd)
`
	t.Setenv("SECRET", "host")
	lines := []string{}
	s := Sandbox{
		Proc: support.Proc, Epoch: time.Unix(7, 0), Dir: "/run/out",
		Binds: []Bind{{Source: root, Target: "/run/out", Writable: true}}, Chroots: []string{"/run/out"},
	}
	err = s.Run(t.Context(), proc.Cmd{Args: []string{"sh", "-c", script}, Line: func(l string) { lines = append(lines, l) }})
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(lines, "\n"))
	}
	hostname := "localhost"
	if want == ProcBind { // engines that mask /proc forbid to set it
		if hostname, err = os.Hostname(); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"/root 7 " + hostname + " /run/out"}, lines); diff != "" {
		t.Error(diff)
	}
	out, err := proc.Output(t.Context(), proc.Cmd{Args: []string{"stat", "-c", "%u:%g %a", filepath.Join(root, "file")}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("7:8 4755\n", string(out)); diff != "" {
		t.Error(diff)
	}
	traceWork(t, want)
	t.Log("worked in a sandbox")
}

// TestRun shows what comes back: the program's own name and status, and the end of everything
// with the context.
func TestRun(t *testing.T) {
	need(t, "bwrap")
	err := Sandbox{}.Run(t.Context(), proc.Cmd{Args: []string{"sh", "-c", "echo some words >&2; exit 3"}})
	var exit *proc.ExitError
	if !errors.As(err, &exit) || exit.Code != 3 {
		t.Fatalf("got %v, want exit status 3", err)
	}
	if diff := cmp.Diff("sh: exit status 3: some words", err.Error()); diff != "" {
		t.Error(diff)
	}
	if err := (Sandbox{}).Run(t.Context(), proc.Cmd{Args: []string{"true"}, Dir: "/tmp"}); err == nil {
		t.Error("a directory of the host was accepted")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stopped")
	err = Sandbox{}.Run(ctx, proc.Cmd{
		Args: []string{"sh", "-c", "echo up; exec sleep 1000"},
		Line: func(string) { cancel(stop) },
	})
	if !errors.Is(err, stop) {
		t.Errorf("got %v, want %v", err, stop)
	}
}

// TestFinalLayout runs a program in a tree that has usr/etc only, and finds no trace of the
// sandbox in the tree afterwards.
func TestFinalLayout(t *testing.T) {
	need(t, "bwrap", "busybox")
	root := t.TempDir()
	for _, dir := range []string{"usr/bin", "usr/etc", "var"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "usr/bin/busybox"), data, 0o755); err != nil {
		t.Fatal(err)
	}
	support, err := Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := Sandbox{Root: root, ReadOnly: []string{"/usr"}, Tmpfs: []string{"/var"}, Proc: support.Proc}
	err = s.Run(t.Context(), proc.Cmd{Args: []string{"busybox", "sh", "-c", "echo x >/etc/f && echo y >/var/y && ! echo z >/usr/z"}})
	if err != nil {
		t.Fatal(err)
	}
	found := []string{}
	err = filepath.WalkDir(root, func(p string, _ os.DirEntry, err error) error {
		found = append(found, strings.TrimPrefix(p, root))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"", "/usr", "/usr/bin", "/usr/bin/busybox", "/usr/etc", "/usr/etc/f", "/var"}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Error(diff)
	}
}
